"""Pages: template of a run's, style and script, as strings.

Strings, because Flower's bundle carries no HTML. Everything that comes from a run goes through
autoescape; the policy allows this style, this script and nothing else, so that a page opened
from a mail or a share can neither reach out nor run what a title smuggles in.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #f6f7f9; --card: #ffffff; --ink: #1f2933; --muted: #5f6b7a; --line: #e1e5ea;
  --accent: #0072b2; --good: #00704f; --warn: #8a5a00; --bad: #b3261e;
  --warn-paper: #fff6e0; --bad-paper: #fdeceb; --good-paper: #e6f5ef;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12161b; --card: #1b2128; --ink: #e6e9ed; --muted: #9aa5b1; --line: #2e3640;
    --accent: #63b3e4; --good: #5fd0a5; --warn: #f0be5a; --bad: #ff8d85;
    --warn-paper: #2f2713; --bad-paper: #351b1a; --good-paper: #14302a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
main { max-width: 1000px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 44px 0 8px; }
h3 { font-size: 15px; margin: 24px 0 8px; }
p { margin: 6px 0 10px; max-width: 46em; }
a { color: var(--accent); }
.muted, figcaption, th { color: var(--muted); }
.status { font-size: 13px; font-weight: 600; padding: 2px 10px; border-radius: 999px;
  vertical-align: middle; white-space: nowrap; background: var(--warn-paper); color: var(--warn); }
.done { background: var(--good-paper); color: var(--good); }
.failed, .interrupted { background: var(--bad-paper); color: var(--bad); }
.banner { padding: 10px 14px; border-radius: 8px; margin: 16px 0; overflow-wrap: anywhere;
  border-left: 4px solid; background: var(--warn-paper); border-color: var(--warn);
  max-width: none; }
.banner.failed, .banner.interrupted { background: var(--bad-paper); border-color: var(--bad);
  color: inherit; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px;
  margin: 22px 0 16px; }
.tile, figure, .sheet { background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
.tile { padding: 12px 14px; display: flex; flex-direction: column; }
.tile b { margin-top: auto; }
.tile b { display: block; font-size: 23px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile small { min-height: 1.5em; }
.tile span, .tile small { display: block; font-size: 12.5px; color: var(--muted); }
figure { background: #ffffff; margin: 12px 0 20px; padding: 14px 14px 10px; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { color: #5f6b7a; font-size: 13px; margin: 8px 4px 0; max-width: 62em; }
.sheet { overflow-x: auto; margin: 12px 0 20px; }
table { border-collapse: collapse; width: 100%; font-size: 14px;
  font-variant-numeric: tabular-nums; }
th, td { padding: 6px 14px; text-align: right; border-top: 1px solid var(--line);
  white-space: nowrap; }
thead th, tbody:first-child tr:first-child > * { border-top: 0; }
th { font-weight: 600; }
td:first-child { white-space: normal; }
th:first-child, td:first-child, .words td, .words th { text-align: left; }
.words td { white-space: normal; overflow-wrap: anywhere; width: 99%; }
.words th { vertical-align: top; }
td small { display: block; line-height: 1.2; color: var(--muted); font-size: 12.5px; }
tr.main td { font-weight: 700; }
tr.main td small { font-weight: 400; }
summary { cursor: pointer; margin: 12px 0; font-weight: 600; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 12px 14px; overflow-x: auto;
  font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, monospace; margin: 8px 0;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.command { position: relative; }
.command pre { padding-right: 84px; }
button { position: absolute; top: 8px; right: 8px; font: inherit;
  font-size: 12.5px; cursor: pointer; padding: 3px 10px; border-radius: 6px;
  border: 1px solid var(--line); background: var(--paper);  color: var(--ink); }
@media print { button { display: none; } figure, .sheet, .tile { break-inside: avoid; } }
"""


def policy(style: str = STYLE) -> str:
    """Allow a page its own style and script, by their hashes, and nothing else at all."""

    def source(text: str) -> str:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        return f"'sha256-{digest}'"

    return (
        f"default-src 'none'; style-src {source(style)}; "
        f"script-src {source(SCRIPT)}; base-uri 'none'; form-action 'none'"
    )


SCRIPT = """
for (const button of document.querySelectorAll("button[hidden]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement.querySelector("pre").textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
"""

MACROS = """\
{% macro words(rows) -%}
<div class="sheet"><table class="words"><tbody>
{% for name, value in rows %}<tr><th scope="row">{{ name }}</th><td>{{ value }}</td></tr>
{% endfor %}</tbody></table></div>
{%- endmacro %}
{% macro sheet(headers, rows, main="") -%}
<div class="sheet"><table>
<thead><tr>{% for h in headers %}<th scope="col">{{ h }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}<tr{% if main and row[0] == main %} class="main"{% endif %}>
{%- for cell in row %}<td>
{%- if cell is mapping %}{{ cell.value }}{% if cell.interval %} <small>{{ cell.interval }}</small>
{%- endif %}{% else %}{{ cell }}{% endif %}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{%- endmacro %}
"""

HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{{ name }} · fedrec</title>
<style>{{ style }}</style>
</head>
<body>
<main>
"""

TILES = """\
<div class="tiles">
{% for tile in tiles %}<div class="tile"><span>{{ tile.name }}</span><b>{{ tile.value }}</b>
<small>{{ tile.note }}</small></div>
{% endfor %}</div>
"""

PAGE = (
    MACROS
    + HEAD
    + """\
<h1>{{ name }} <span class="status {{ status }}">{{ status }}</span></h1>
<div class="muted">{{ subtitle }}</div>
{% if banner %}<p class="banner {{ status }}">{{ banner }}</p>{% endif %}
{% for warning in warnings %}<p class="banner">{{ warning }}</p>
{% endfor %}
"""
    + TILES
    + """\

<h2 id="results">Results</h2>
<p>{{ protocol }}</p>
{% if scenario %}<p>Hidden from training by its scenario: {{ scenario }}.</p>{% endif %}
{% if results.rows %}
<p class="muted">The test item of a user is the last event, the validation item the one before;
small numbers are 95&nbsp;% bootstrap intervals over users.{% if results.same_recall %} With one
held-out item, Recall@k equals HR@k.{% endif %}</p>
{{ sheet(results.headers, results.rows, results.main) }}
{% if results.between %}<p>{{ results.between }}</p>{% endif %}
{% endif %}
{% for other in results.others %}
<p>{{ other.protocol }}</p>
{{ sheet(other.headers, other.rows) }}
{% endfor %}
{% if results.every_position %}
<p>{{ results.every_position.told }}</p>
{{ sheet(results.every_position.headers, results.every_position.rows) }}
{% endif %}
{% if not results.is_final %}<p class="muted">This run left no test metrics.</p>{% endif %}

{% for heading, drawings in figures.items() %}
{% set is_clients = heading == "Clients" %}
{% if drawings or is_clients and (sampling or client_figures or excluded or traceback) %}
<h2 id="{{ heading|lower|replace(" ", "-") }}">{{ heading }}</h2>
{% if is_clients and sampling %}<p>{{ sampling }}</p>{% endif %}
{% if is_clients %}{% for told in client_figures %}<p>{{ told }}</p>{% endfor %}{% endif %}
{% for f in drawings %}
<figure id="figure-{{ f.name }}">{{ f.svg }}<figcaption>{{ f.caption }}</figcaption></figure>
{% endfor %}
{% if is_clients and excluded %}
<details><summary>Excluded replies: {{ excluded|length }}</summary>
{{ sheet(excluded_headers, excluded) }}</details>
{% endif %}
{% if is_clients and traceback %}
<details><summary>First traceback of a client</summary>
<pre>{{ traceback|join("\n") }}</pre></details>
{% endif %}
{% endif %}
{% endfor %}

<h2 id="cost">Traffic and time</h2>
{% if traffic %}{{ sheet(["traffic", "total", "mean per round"], traffic) }}{% endif %}
{% if phases %}{{ sheet(["phase", "seconds", "share"], phases) }}{% endif %}
{% if rounds %}
<details><summary>All {{ rounds|length }} rounds (* marks the weights that were kept)</summary>
{{ sheet(round_headers, rounds) }}</details>
{% else %}<p class="muted">No round was completed.</p>{% endif %}

<h2 id="inputs">Inputs</h2>
<h3>Data</h3>
{{ words(data) }}
{% if semantics %}<h3>Semantic embeddings</h3>{{ words(semantics) }}{% endif %}
{% if parameters %}<h3>Parameters</h3>{{ words(parameters) }}{% endif %}
{% if sent %}<h3>What the clients sent beside updates and ranks</h3><p>{{ sent }}</p>{% endif %}

<h2 id="repeat">Reproduction</h2>
<div class="command"><pre>{{ command }}</pre><button type="button" hidden>Copy</button></div>
{{ words(machine) }}
<details><summary>Complete configuration</summary>
{% for section, rows in config %}
{% if section %}<h3>[{{ section }}]</h3>{% endif %}{{ words(rows) }}
{% endfor %}</details>
<details><summary>Versions</summary>{{ words(versions) }}</details>
</main>
<script>{{ script }}</script>
</body>
</html>
"""
)


def render(
    page: str,
    content: Mapping[str, Any],
    clean: Callable[[str], str],
    *,
    style: str = STYLE,
    **ours: Any,
) -> str:
    """A page as HTML; everything that others wrote is escaped.

    Args:
        page: One of the templates.
        content: What it shows.
        clean: Function that every text of the content goes through.
        style: Style sheet of the page.
        ours: Further content, which is ours to the byte.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(page).render(
        **_cleaned(content, clean),
        **ours,
        # The policy names the exact bytes of these two.
        policy=policy(style),
        style=Markup(style),
        script=Markup(SCRIPT),
    )


def _cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    """A structure with every text of it cleaned; what is marked as HTML is ours."""
    match value:
        case Markup():
            return value
        case str():
            return clean(value)
        case Mapping():
            return {key: _cleaned(inner, clean) for key, inner in value.items()}
        case list() | tuple():
            return [_cleaned(inner, clean) for inner in value]
    return value
