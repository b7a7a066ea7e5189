"""Templates that all pages share, as strings, and how a page is rendered.

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

from fedrec.report.html.copies import copies
from fedrec.report.html.style import STYLE

SCRIPT = """
for (const button of document.querySelectorAll("button[hidden]")) {
  if (!navigator.clipboard) continue;
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = button.parentElement.querySelector("pre").textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select the text to copy it";
    }
    setTimeout(() => { button.textContent = label; }, 1500);
  });
}
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


MACROS = """\
{% macro words(rows, label="facts") -%}
<div class="sheet" tabindex="0" role="region" aria-label="{{ label }}">
<table class="words"><tbody>
{% for name, value in rows %}<tr><th scope="row">{{ name }}</th><td>{{ value }}</td></tr>
{% endfor %}</tbody></table></div>
{%- endmacro %}
{% macro command(text) -%}
<div class="command"><pre>{{ text }}</pre><button type="button" hidden>Copy</button></div>
{%- endmacro %}
{% macro copied(title, headers, rows) -%}
{% set texts = copies(title, headers, rows) %}
<details class="copies"><summary>Copy this table as CSV or LaTeX</summary>
{{ command(texts.csv) }}
{{ command(texts.latex) }}
</details>
{%- endmacro %}
{% macro sheet(headers, rows, main="", title="") -%}
<div class="sheet" tabindex="0" role="region" aria-label="{{ title or "table" }}"><table>
<thead><tr>{% for h in headers %}<th scope="col">{{ h }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}<tr{% if main and row[0] == main %} class="main"{% endif %}>
{%- for cell in row %}<td>
{%- if cell is mapping %}{{ cell.value }}{% if cell.interval %} <small>{{ cell.interval }}</small>
{%- endif %}{% else %}{{ cell }}{% endif %}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% if title %}{{ copied(title, headers, rows) }}{% endif %}
{%- endmacro %}
{% macro drawn(f) -%}
<figure class="drawn" id="figure-{{ f.name }}">
<div class="panels of-{{ f.columns }}">{% for panel in f.panels %}{{ panel }}{% endfor %}</div>
{% if f.legend %}<ul class="legend">{% for entry in f.legend %}
<li>{{ entry.mark }}{{ entry.label }}</li>{% endfor %}</ul>{% endif %}
<figcaption>{{ f.caption }}</figcaption></figure>
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
<a class="skip" href="#content">Skip to the content</a>
<main id="content">
"""

FOOT = """\
</main>
<script>{{ script }}</script>
</body>
</html>
"""

TILES = """\
<div class="tiles">
{% for tile in tiles %}<div class="tile"><span>{{ tile.name }}</span><b>{{ tile.value }}</b>
<small>{{ tile.note }}</small></div>
{% endfor %}</div>
"""


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
    environment.globals["copies"] = copies
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
