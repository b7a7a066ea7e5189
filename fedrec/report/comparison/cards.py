"""Tables that become cards on a phone, and figures side by side: what this page adds to others."""

STYLE = """
.tile span { overflow-wrap: anywhere; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr));
  gap: 0 16px; }
.cards table { font-size: 13px; }
.cards td small { font-size: 11.5px; }
.cards td, .cards th { padding: 6px 7px; }
.cards td:first-child, .cards th:first-child { padding-left: 14px; min-width: 11em; }
.cards thead th { white-space: normal; vertical-align: bottom; }
.cards td:first-child { overflow-wrap: anywhere; }
@media (max-width: 640px) {
  .cards table { font-size: 14px; }
  .cards thead { display: none; }
  .cards table, .cards tbody, .cards tr { display: block; }
  .cards td { display: flex; justify-content: space-between; align-items: baseline; gap: 12px;
    border: 0; padding: 2px 12px; white-space: normal; }
  .cards td::before { content: attr(data-label); color: var(--muted); text-align: left; }
  .cards td:first-child { font-weight: 600; }
  .cards td:first-child::before { content: none; }
  .cards td:empty { display: none; }
  .cards tr { padding: 8px 0; border-top: 1px solid var(--line); }
  .cards tr:first-child { border-top: 0; }
}
"""

# A label such as strategy.name=fedadam is broken behind its sign, not within a word.
CARDS = """\
{% macro breaking(text) -%}
{% for part in text.split("=") %}{{ part }}{% if not loop.last %}=<wbr>{% endif %}{% endfor %}
{%- endmacro %}
{% macro cards(headers, rows) -%}
<div class="sheet cards"><table>
<thead><tr>{% for h in headers %}<th scope="col">{{ h }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}<tr>{% for cell in row %}<td data-label="{{ headers[loop.index0] }}">
{%- if cell is mapping %}<span>{{ cell.value }} <small>{{ cell.interval }}</small></span>
{%- else %}{{ breaking(cell) }}{% endif %}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{%- endmacro %}
"""

TILES = """\
<div class="tiles">
{% for tile in tiles %}<div class="tile">
<span>{{ breaking(tile.name) }}</span><b>{{ tile.value }}</b><small>{{ tile.note }}</small></div>
{% endfor %}</div>
"""
