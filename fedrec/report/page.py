"""One self-contained page about a run, made from its folder alone."""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from fedrec.errors import ResourceError
from fedrec.evaluation.protocols import describe, metric_label
from fedrec.files.atomic import write_file
from fedrec.report import template
from fedrec.report.ablation.ranks import hidden
from fedrec.report.excluded import HEADERS, left_out, resumptions
from fedrec.report.figures import draw, style
from fedrec.report.references import gap_closed, with_references
from fedrec.report.tables import interval, metric_names, round_headers, round_row, shown
from fedrec.runs.plain_text import plain
from fedrec.runs.record import Record, Run, number, read_run
from fedrec.runs.redaction import hide_secrets, hide_secrets_in_text

BANNERS = {
    "degraded": "The run reached its end, but some replies are missing.",
    "failed": "The run failed: its numbers are those of an unfinished training.",
    "interrupted": "The run was interrupted: its numbers are those of an unfinished training.",
    "running": "The run had not ended when this page was made.",
}

Rows = list[tuple[str, str]]


def write_report(run_dir: Path, references: Sequence[Path] = ()) -> Path:
    """Write ``figures/*.{svg,png}`` and ``report.html`` into a run folder.

    Args:
        run_dir: the folder of a run, finished or not.
        references: folders of other runs on the same data, shown beside it; nothing else is read.

    Returns:
        The path of report.html.

    Raises:
        ConfigError: a reference that cannot be compared with the run.
        DataError: no run folder, or a damaged file in it.
        ResourceError: the folder cannot be written.
    """
    run = with_references(read_run(run_dir), references)
    drawings = draw.draw(run)
    folder, page = run_dir / "figures", run_dir / "report.html"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ResourceError(f"{folder} cannot be made: {error.strerror}") from None
    for drawing in drawings:
        draw.save(drawing, folder)
    write_file(page, render_page(run, drawings).encode())
    return page


def render_page(run: Run, drawings: Iterable[style.Drawing]) -> str:
    """The page as HTML; everything that a run brings is escaped, secrets are left out."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    sections = {
        **_head(run),
        "results": _results(run),
        "figures": {
            d.name: {"svg": _inline_svg(d), "caption": f"{d.title}. {d.caption}"} for d in drawings
        },
        "excluded": left_out(run),
        "excluded_headers": HEADERS,
        "traceback": str(run.about.get("client_traceback") or "").splitlines(),
        **_cost(run),
        **_inputs(run),
        "machine": _machine(run),
        "config": _config(run),
        "versions": sorted(_flat(run.about.get("versions") or {})),
    }
    # These two are ours, not the run's, and the policy below names their exact bytes.
    return environment.from_string(template.PAGE).render(
        **_clean(run, sections),
        policy=_policy(),
        style=Markup(template.STYLE),
        script=Markup(template.SCRIPT),
    )


def _policy() -> str:
    """Allow this page's own style and script, by their hashes, and nothing else at all."""

    def source(text: str) -> str:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        return f"'sha256-{digest}'"

    return (
        f"default-src 'none'; style-src {source(template.STYLE)}; "
        f"script-src {source(template.SCRIPT)}; base-uri 'none'; form-action 'none'"
    )


def _inline_svg(drawing: style.Drawing) -> Markup:
    """The figure as an <svg> element with ids of its own and no style for a policy to refuse."""
    text = drawing.svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r' style="([^"]*)"', lambda match: _attributes(match[1]), text)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{drawing.name}-", text)
    # What matplotlib's own style element says, which would reach the whole page.
    root = f'<svg role="img" aria-label="{drawing.title}" stroke-linejoin="round"'
    return Markup(text.replace("<svg", root, 1))


def _attributes(declarations: str) -> str:
    pairs = [d.split(":", 1) for d in declarations.split(";") if ":" in d]
    return "".join(f' {name.strip()}="{value.strip()}"' for name, value in pairs)


def _clean(run: Run, value: Any) -> Any:
    """Free every text of a structure from secrets and control characters."""
    match value:
        case Markup():
            return value
        case str():
            return plain(hide_secrets_in_text(value, run.config))
        case Mapping():
            return {key: _clean(run, inner) for key, inner in value.items()}
        case list() | tuple():
            return [_clean(run, inner) for inner in value]
    return value


# --------------------------------------------------------------------------------- sections


def _head(run: Run) -> Record:
    about, data = run.about, run.about.get("data") or {}
    reason = str(about.get("reason") or "")
    banner = BANNERS.get(run.status, "")
    dropped = len(left_out(run))
    warnings = [str(note) for note in data.get("notes") or []]
    warnings += resumptions(run)
    if run.no_model:
        warnings.append(f"{run.no_model[:1].upper()}{run.no_model[1:]}.")
    if run.torn_line:
        warnings.append("rounds.jsonl ended in half a line, which was left out.")
    if dropped and run.status in ("done", "running"):
        warnings.append(f"Replies left out: {dropped}; they are listed under Clients.")
    started, finished = _moment(about.get("started")), _moment(about.get("finished"))
    count = len(about.get("partitions") or [])
    parts = [
        str(data.get("name", "")),
        f"{count} partition{'s' if count > 1 else ''}" if count else "",
        f"seed {about['seed']}" if "seed" in about else "",
        f"{started} to {finished}" if started and finished else started,
    ]
    return {
        "name": run.name,
        "status": run.status,
        "subtitle": " · ".join(part for part in parts if part),
        "banner": f"{banner} {reason}".strip(),
        "warnings": warnings,
        "tiles": _tiles(run),
        "protocol": _described(run, run.protocol),
        "scenario": hidden(run),
    }


def _tiles(run: Run) -> list[Record]:
    metrics, last = run.metrics or {}, run.rounds[-1] if run.rounds else {}
    tiles = []
    for name in style.METRICS:
        label, popular = metric_label(name, run.protocol), _reference(run, "popularity", name)
        value, note = number((metrics.get("test") or {}).get(name)), ""
        if value is not None and popular:
            note = f"{value / popular:.1f} times popularity"
        if value is not None:
            tiles.append({"name": f"Test {label}", "value": f"{value:.4f}", "note": note})
    done = max((r["round"] for r in run.rounds), default=0)
    kept = f"weights of round {run.best_round}" if run.best_round is not None else ""
    tiles.append({"name": "Rounds", "value": f"{done:,}", "note": kept})
    passes = last.get("passes")
    notes = [f"data passes: {passes:,.3g}"] if passes else []
    megabytes = last.get("megabytes", 0)
    whole = f"{megabytes:,.1f} MB" if megabytes < 1e4 else f"{megabytes / 1e3:,.1f} GB"
    of_one = last.get("client_megabytes")
    if of_one:
        notes.append(f"{whole} in all")
        whole = f"{of_one:,.3g} MB"
    name = "Training traffic a client" if of_one else "Training traffic"
    tiles.append({"name": name, "value": whole, "note": "; ".join(notes)})
    seconds = run.about.get("seconds") or last.get("elapsed") or 0
    machine = run.about.get("machine") or {}
    note = f"{machine['cores']} cores" if "cores" in machine else ""
    tiles.append({"name": "Time", "value": _duration(seconds), "note": note})
    return tiles


def _reference(run: Run, reference: str, metric: str) -> float | None:
    parts = ((run.metrics or {}).get("baselines") or {}).get(reference) or {}
    return number((parts.get("test") or {}).get(metric))


def _results(run: Run) -> Record:
    metrics = run.metrics or {}
    test, validation = metrics.get("test") or {}, run.validation
    references = metrics.get("baselines") or {}
    names = metric_names(test, validation)
    columns = [test, *((parts.get("test") or {}) for parts in references.values()), validation]
    rows = [
        [metric_label(name, run.protocol), *(_cell(column.get(name)) for column in columns)]
        for name in names
    ]
    return {
        "headers": ["metric", "this run, test", *references, "this run, validation"],
        "rows": rows,
        "is_final": bool(test),
        "main": metric_label("NDCG@10", run.protocol),
        "between": gap_closed(run),
        "others": [
            {"protocol": _described(run, protocol), "rows": _stage_rows(protocol, found)}
            for protocol, found in (metrics.get("other protocols") or {}).items()
        ],
        "same_recall": "Recall@10" in names,
    }


def _stage_rows(protocol: str, found: Mapping[str, Any]) -> list[list[Any]]:
    test, validation = found.get("test") or {}, found.get("validation") or {}
    return [
        [metric_label(name, protocol), _cell(test.get(name)), _cell(validation.get(name))]
        for name in metric_names(test, validation)
    ]


def _described(run: Run, protocol: str) -> str:
    data = run.about.get("data") or {}
    return describe(protocol, int(data.get("items", 0)), data.get("domains"))


def _cell(metric: Any) -> Record:
    return {"value": shown(metric), "interval": interval(metric)}


def _cost(run: Run) -> Record:
    trained = max(1, sum(1 for r in run.rounds if r["round"] > 0))
    kinds = {"down": "weights to the clients", "up": "updates to the server",
             "evaluate": "evaluation, both ways"}  # fmt: skip
    totals = {words: sum(r.get(f"bytes_{kind}") or 0 for r in run.rounds)
              for kind, words in kinds.items()}  # fmt: skip
    seconds: dict[str, float] = {}
    for record in run.rounds:
        for phase, spent in record["seconds"].items():
            seconds[phase] = seconds.get(phase, 0.0) + spent
    whole = seconds.pop("total", sum(seconds.values()))
    seconds["other"] = max(0.0, whole - sum(seconds.values()))
    return {
        "traffic": [
            [words, f"{total / 1e6:,.2f} MB", f"{total / trained / 1e6:,.2f} MB"]
            for words, total in totals.items()
            if run.rounds
        ],
        "phases": [
            [phase, f"{spent:,.1f}", f"{100 * spent / whole:.0f} %"]
            for phase, spent in [*seconds.items(), ("all rounds", whole)]
            if whole
        ],
        "rounds": [round_row(record) for record in run.rounds],
        "round_headers": round_headers(run.protocol),
    }


def _inputs(run: Run) -> Record:
    data, semantics = run.about.get("data") or {}, run.about.get("semantics") or {}
    parameters = run.about.get("parameters") or {}
    names = {
        "encoder": "encoder",
        "sha256": "encoder, sha256",
        "key": "cache entry",
        "width": "width",
        "fallback_texts": "items without text (fallback used)",
    }
    groups = {
        "shared": "shared: travel each round",
        "private": "private: stay with the client",
        "own": "own: each client trains its own, none travel",
        "frozen": "frozen: never change",
    }
    rows = [(words, f"{parameters[key]:,}") for key, words in groups.items() if key in parameters]
    if "identity travels" in parameters:
        travels = (
            "yes: an update shows the server which items a client has trained on"
            if parameters["identity travels"]
            else "no: only dense layers leave a client"
        )
        rows.append(("rows per item travel", travels))
    return {
        "data": _flat({key: _thousands(v) for key, v in data.items() if key != "notes"}),
        "semantics": [(names.get(k, k), _words(v)) for k, v in semantics.items()],
        "parameters": rows,
        "command": str(run.about.get("command") or ""),
    }


def _thousands(value: Any) -> Any:
    return f"{value:,}" if isinstance(value, int) else value


def _machine(run: Run) -> Rows:
    about = run.about
    keys = ("engine", "device", "code", "config_hash", "seed")
    rows = [(key.replace("_", " "), _words(about[key])) for key in keys if key in about]
    return rows + [
        (key.replace("_", " "), _words(value)) for key, value in _flat(about.get("machine") or {})
    ]


def _config(run: Run) -> list[tuple[str, Rows]]:
    config = hide_secrets(run.config)
    top = {key: value for key, value in config.items() if not isinstance(value, dict)}
    sections = [(key, _flat(value)) for key, value in config.items() if isinstance(value, dict)]
    return [("", _flat(top)), *sections] if top else sections


def _flat(section: Mapping[str, Any], prefix: str = "") -> Rows:
    rows: Rows = []
    for key, value in section.items():
        nested = isinstance(value, dict)
        rows += _flat(value, f"{prefix}{key}.") if nested else [(f"{prefix}{key}", _words(value))]
    return rows


def _words(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return ", ".join(map(str, value))
    return str(value)


def _moment(text: Any) -> str:
    try:
        return datetime.fromisoformat(str(text)).strftime("%Y-%m-%d %H:%M %Z").strip()
    except ValueError:
        return ""


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"
