"""The report of a run of signals: what was kept, what each filter took, with examples."""

from collections.abc import Mapping, Sequence
from typing import Any

from fedrec.llm.smollm2 import TOO_SMALL, is_smollm2
from fedrec.report.html import template
from fedrec.runs.plain_text import plain
from fedrec.runs.redaction import hide_secrets_in_text
from fedrec.semantics.signals.filters.names import ABOUT
from fedrec.semantics.signals.plan import Plan
from fedrec.semantics.signals.write import NOT_ASKED, ItemResult, Seen

EXAMPLES = 5  # of each filter and fault
KEPT = 20  # signals shown
_LONGEST = 300  # characters of an answer shown

PAGE = (
    template.MACROS
    + """\
{% macro notes(rows) -%}
<div class="sheet"><table class="words"><tbody>
{% for title, text in rows %}<tr><td>{{ title }}<small>{{ text }}</small></td></tr>
{% endfor %}</tbody></table></div>
{%- endmacro %}
"""
    + template.HEAD
    + """\
<h1>{{ name }}</h1>
<div class="muted">{{ subtitle }}</div>
{% for warning in warnings %}<p class="banner">{{ warning }}</p>
{% endfor %}
"""
    + template.TILES
    + """\

<h2 id="items">What became of the items</h2>
{{ sheet(["outcome", "items", "share"], outcomes) }}

<h2 id="filters">What the filters found</h2>
<p>An answer with any finding of its own is refused, and asked for once more in other words. The
table counts answers, and items that had such an answer; one answer may have several findings.
Duplicates, and words that most signals have, take the one signal alone.</p>
{{ sheet(["filter or fault", "answers", "items"], filters) }}
{% for one in found %}
<h3 id="filter-{{ one.name }}">{{ one.name }}</h3>
<p class="muted">{{ one.about }}.</p>
{{ notes(one.rows) }}
{% endfor %}

<h2 id="signals">Signals that were kept</h2>
{% if kept %}<p class="muted">{{ kept_note }}</p>{{ notes(kept) }}
{% else %}<p>None.</p>{% endif %}

<h2 id="cost">Calls, tokens and cost</h2>
{{ sheet(["calls", "count"], calls) }}
{{ words(costs) }}

<h2 id="made">How they were made</h2>
{{ words(settings) }}
<details><summary>Prompt of the first item</summary>
{% for message in prompt %}<h3>{{ message.role }}</h3><pre>{{ message.content }}</pre>{% endfor %}
</details>
{{ command(typed) }}
"""
    + template.FOOT
)


def render_page(
    plan: Plan,
    found: Sequence[ItemResult],
    *,
    header: Mapping[str, Any],
    calls: Mapping[str, int],
    costs: Mapping[str, str],
    stopped: str,
    command: str,
) -> str:
    """The page as HTML; everything of items and answers is escaped.

    Args:
        plan: Items and prompt.
        found: What became of each item.
        header: Header of the file of signals.
        calls: Kind of fault, or "answer", -> how many calls.
        costs: Facts of tokens, cost and time, as they are shown.
        stopped: Why it stopped before the end, or "".
        command: The command as it was typed.
    """
    with_signal = sum(bool(one.signals) for one in found)
    content = {
        "name": f"Signals for {plan.dataset}",
        "subtitle": f"{', '.join(plan.prompt.kinds)} of {len(found):,} items by {plan.model}, "
        f"{header['date']}",
        "warnings": _warnings(plan, with_signal, len(found), stopped),
        "tiles": [
            {"name": "items", "value": f"{len(found):,}", "note": "of the catalogue"},
            {"name": "with a signal", "value": f"{with_signal:,}",
             "note": _share(with_signal, len(found))},
            {"name": "calls", "value": f"{sum(calls.values()):,}", "note": "failed ones included"},
            {"name": "cost", "value": costs["cost"].partition(" (")[0],
             "note": costs["cost"].partition(" (")[2].rstrip(")")},
        ],
        "outcomes": _outcomes(found),
        "filters": _filters(found),
        "found": _examples(plan, found),
        "kept": _kept(plan, found),
        "kept_note": f"The first {min(KEPT, with_signal)} of {with_signal:,} items.",
        "calls": [(kind, f"{count:,}") for kind, count in sorted(calls.items())],
        "costs": list(costs.items()),
        "settings": [(name.replace("_", " "), str(value)) for name, value in plan.settings.items()]
        + [("file, SHA-256 of its lines", str(header["sha256"]))],
        "typed": hide_secrets_in_text(command, {}),
    }  # fmt: skip
    prompt = [] if not plan.asked else list(plan.chat(next(iter(plan.asked)), 1).messages)
    # The prompt's line breaks are part of it; it was cleaned when it was made.
    return template.render(PAGE, content, plain, prompt=prompt)


def _warnings(plan: Plan, with_signal: int, count: int, stopped: str) -> list[str]:
    found = [f"{TOO_SMALL}."] if is_smollm2(plan.model) else []
    if count and 2 * with_signal < count:
        found.append(
            f"Only {with_signal:,} of {count:,} items have a signal. A model that is trained on "
            "them sees nothing at the others; read the findings below before you use them."
        )
    if stopped:
        found.append(f"Stopped before the end: {stopped}. The same command goes on.")
    return found


def _outcomes(found: Sequence[ItemResult]) -> list[list[str]]:
    rows: dict[str, int] = {"signal": sum(bool(one.signals) for one in found)}
    for one in found:
        if one.failure:
            label = one.failure if one.failure == NOT_ASKED else f"failed: {one.failure}"
            rows[label] = rows.get(label, 0) + 1
    return [[label, f"{count:,}", _share(count, len(found))] for label, count in rows.items()]


def _by_filter(found: Sequence[ItemResult]) -> dict[str, list[tuple[int, Seen]]]:
    """Filter or fault -> items with an answer that it was found in; the filters come first."""
    places: dict[str, list[tuple[int, Seen]]] = {name: [] for name in ABOUT}
    for place, one in enumerate(found):
        for seen in one.seen:
            for name in dict.fromkeys(finding.filter for finding in seen.findings):
                places.setdefault(name, []).append((place, seen))
    return places


def _filters(found: Sequence[ItemResult]) -> list[list[str]]:
    return [
        [name, f"{len(places):,}", f"{len({place for place, _ in places}):,}"]
        for name, places in _by_filter(found).items()
    ]


def _examples(plan: Plan, found: Sequence[ItemResult]) -> list[dict[str, Any]]:
    """The first items that each filter or fault was found in, with what was seen."""
    shown = []
    for name, places in _by_filter(found).items():
        first = dict(reversed(places))  # place -> the first that was seen
        rows = [(_title(plan, place), _told(first[place], name)) for place in sorted(first)]
        if places:
            about = ABOUT.get(name, "the call brought no answer")
            about = about[:1].upper() + about[1:]
            shown.append({"name": name, "about": about, "rows": rows[:EXAMPLES]})
    return shown


def _told(seen: Seen, name: str) -> str:
    told = [
        f"{one.kind}: {one.told}" if one.kind else one.told
        for one in seen.findings
        if one.filter == name
    ]
    answer = f". Answer: {_short(seen.answer)}" if seen.answer else ""
    return f"{'; '.join(told)}{answer}"


def _kept(plan: Plan, found: Sequence[ItemResult]) -> list[tuple[str, str]]:
    kept = [(place, one.signals) for place, one in enumerate(found) if one.signals]
    return [
        (_title(plan, place), " | ".join(f"{kind}: {text}" for kind, text in signals.items()))
        for place, signals in kept[:KEPT]
    ]


def _title(plan: Plan, place: int) -> str:
    line = plan.texts[place].split("\n", 1)[0]
    return _short(line.partition(": ")[2] or line or plan.item_ids[place], 60)


def _short(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else f"{text[:longest]} ..."


def _share(count: int, whole: int) -> str:
    return f"{100 * count / whole:.1f} %" if whole else "-"
