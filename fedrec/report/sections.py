"""Sections of a run's page: what each shows, as plain text, numbers and rows of tables."""

from collections.abc import Mapping
from typing import Any

from fedrec.evaluation.client_figures import far_out_clients
from fedrec.evaluation.protocols import describe, metric_label
from fedrec.report.every_position import every_position
from fedrec.report.excluded import excluded_replies, resumptions
from fedrec.report.figures import style
from fedrec.report.ranks import hidden
from fedrec.report.references import below_popularity, gap_closed
from fedrec.report.tables import (
    interval,
    metric_names,
    num_users,
    round_headers,
    round_row,
    shown,
)
from fedrec.report.words import (
    Rows,
    duration,
    flat,
    moment,
    seconds_between,
    thousands,
    words,
)
from fedrec.runs.record import COMPLETE, Record, Run, number
from fedrec.runs.redaction import hide_secrets
from fedrec.runs.sent import told, withheld

BANNERS = {
    "degraded": "The run reached its end, but some replies are missing.",
    "failed": "The run failed: its numbers are those of an unfinished training.",
    "interrupted": "The run was interrupted: its numbers are those of an unfinished training.",
    "running": "The run had not ended when this page was made.",
}


def head(run: Run) -> Record:
    """Title, banner, warnings and tiles of the page."""
    about, data = run.about, run.about.get("data") or {}
    reason = str(about.get("reason") or "")
    banner = BANNERS.get(run.status, "")
    excluded = len(excluded_replies(run))
    warnings = [str(note) for note in data.get("notes") or []]
    warnings += [f"{line}." for line in run.about.get("adapted") or []]
    warnings += resumptions(run)
    if line := withheld(about.get("sent") or {}):
        warnings.append(f"{line[:1].upper()}{line[1:]}.")
    if remark := below_popularity(run):
        warnings.append(remark)
    if run.no_model:
        warnings.append(f"{run.no_model[:1].upper()}{run.no_model[1:]}.")
    if run.torn_line:
        warnings.append("rounds.jsonl ended in half a line, which was ignored.")
    warnings += far_out_clients((run.metrics or {}).get("client_figures") or {})
    if excluded and run.status in ("done", "running"):
        warnings.append(f"Excluded replies: {excluded}; they are listed under Clients.")
    started, finished = moment(about.get("started")), moment(about.get("finished"))
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
    metrics, last = run.metrics or {}, run.history[-1] if run.history else {}
    tiles = []
    for name in style.METRICS:
        label, popular = metric_label(name, run.protocol), _baseline(run, "popularity", name)
        value, note = number((metrics.get("test") or {}).get(name)), ""
        if value is not None and popular:
            note = f"{value / popular:.1f} times popularity"
        if value is not None and (count := num_users(metrics.get("test") or {})):
            note = f"{note}; {count:,} users" if note else f"{count:,} users"
        if value is not None:
            tiles.append({"name": f"Test {label}", "value": f"{value:.4f}", "note": note})
    done = max((r["round"] for r in run.history), default=0)
    kept = f"weights of round {run.best_round}" if run.best_round is not None else ""
    kept += "; early stopping" if kept and _stopped_early(run, done) else ""
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
    tiles.append(_time(run))
    return tiles


def _time(run: Run) -> Record:
    """Time from start to end, with that of the rounds beside it; of the rounds alone, if need be.

    Preparation and the evaluations before and after training belong to no round.
    """
    last = run.history[-1] if run.history else {}
    in_rounds = run.about.get("seconds") or last.get("elapsed") or 0
    whole = seconds_between(run.about.get("started"), run.about.get("finished"))
    machine = run.about.get("machine") or {}
    notes = [f"{machine['cores']} cores"] if "cores" in machine else []
    if whole is None or whole < in_rounds - 1:  # not over yet, or a clock that was set back
        return {"name": "Time in rounds", "value": duration(in_rounds), "note": "; ".join(notes)}
    notes.insert(0, f"{duration(in_rounds)} in rounds")
    if resumptions(run):
        notes.append("interruptions included")
    return {"name": "Time", "value": duration(max(whole, in_rounds)), "note": "; ".join(notes)}


def _stopped_early(run: Run, done: int) -> bool:
    """Whether a complete run ended before its last round for want of improvement."""
    plan = run.config.get("federation") or {}
    return run.status in COMPLETE and bool(plan.get("patience")) and done < plan.get("rounds", 0)


def _baseline(run: Run, baseline: str, metric: str) -> float | None:
    parts = ((run.metrics or {}).get("baselines") or {}).get(baseline) or {}
    return number((parts.get("test") or {}).get(metric))


def results(run: Run) -> Record:
    """Tables of metrics: this run, its baselines, further protocols."""
    metrics = run.metrics or {}
    test, validation = metrics.get("test") or {}, run.validation
    baselines = metrics.get("baselines") or {}
    names = metric_names(test, validation)
    columns = [test, *((parts.get("test") or {}) for parts in baselines.values()), validation]
    rows = [
        [metric_label(name, run.protocol), *(_cell(column.get(name)) for column in columns)]
        for name in names
    ]
    return {
        "headers": _headers(test, validation, *baselines),
        "rows": rows,
        "is_final": bool(test),
        "main": metric_label("NDCG@10", run.protocol),
        "between": gap_closed(run),
        "others": [
            {
                "protocol": _described(run, protocol),
                "rows": _stage_rows(protocol, found),
                "headers": _headers(found.get("test") or {}, found.get("validation") or {}),
            }
            for protocol, found in (metrics.get("other_protocols") or {}).items()
        ],
        "same_recall": "Recall@10" in names,
        "every_position": every_position(metrics.get("every_position") or {}),
    }


def _headers(test: Mapping[str, Any], validation: Mapping[str, Any], *others: str) -> list[str]:
    """Headers of a table of metrics, with the number of users of the run's own."""
    counts = [num_users(part) for part in (test, validation)]
    of_test, of_validation = (f", {count:,} users" if count else "" for count in counts)
    return ["metric", f"this run, test{of_test}", *others, f"this run, validation{of_validation}"]


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


def cost(run: Run) -> Record:
    """Tables of traffic, seconds by phase, and rounds."""
    trained = max(1, sum(1 for r in run.history if r["round"] > 0))
    kinds = {"down": "weights to the clients", "up": "updates to the server",
             "evaluate": "evaluation, both ways"}  # fmt: skip
    totals = {label: sum(r.get(f"bytes_{kind}") or 0 for r in run.history)
              for kind, label in kinds.items()}  # fmt: skip
    seconds: dict[str, float] = {}
    for record in run.history:
        for phase, spent in record["seconds"].items():
            seconds[phase] = seconds.get(phase, 0.0) + spent
    whole = seconds.pop("total", sum(seconds.values()))
    seconds["other"] = max(0.0, whole - sum(seconds.values()))
    return {
        "traffic": [
            [label, f"{total / 1e6:,.2f} MB", f"{total / trained / 1e6:,.2f} MB"]
            for label, total in totals.items()
            if run.history
        ],
        "phases": [
            [phase, f"{spent:,.1f}", f"{100 * spent / whole:.0f} %"]
            for phase, spent in [*seconds.items(), ("all rounds", whole)]
            if whole
        ],
        "rounds": [round_row(record) for record in run.history],
        "round_headers": round_headers(run.protocol),
    }


def inputs(run: Run) -> Record:
    """What went into the run: data, semantic embeddings, parameters, command."""
    data, semantics = run.about.get("data") or {}, run.about.get("semantics") or {}
    parameters = run.about.get("parameters") or {}
    names = {
        "encoder": "encoder",
        "sha256": "encoder, SHA-256",
        "key": "cache entry",
        "width": "width",
        "fallback_texts": "items without text (fallback used)",
        "token_limit": "word pieces that the encoder reads of a text",
        "texts_beyond_limit": "items with a longer text",
        "long_texts": "what is done with longer texts",
        "table_sha256": "frozen embedding table, SHA-256",
        "views_sha256": "further views, SHA-256",
        "signals.sha256": "signals.jsonl, SHA-256",
    }
    groups = {
        "shared": "shared: travel each round",
        "private": "private: stay with the client",
        "own": "own: each client trains its own, none travel",
        "frozen": "frozen: never change",
    }
    rows = [(label, f"{parameters[key]:,}") for key, label in groups.items() if key in parameters]
    if "id_embeddings_travel" in parameters:
        travels = (
            "yes: an update shows the server which items a client has trained on"
            if parameters["id_embeddings_travel"]
            else "no: only dense layers leave a client"
        )
        rows.append(("ID embeddings travel", travels))
    return {
        "data": _data_rows(data),
        "semantics": [(names.get(k, k), v) for k, v in flat(semantics) if v != "None"],
        "parameters": rows,
        "sent": told(run.about.get("sent") or {}),
        "command": str(run.about.get("command") or ""),
    }


def _data_rows(data: Mapping[str, Any]) -> Rows:
    """Facts of the data; what was left out or repaired is counted by its reason."""
    facts = {
        key: thousands(value) for key, value in data.items() if key not in ("notes", "skipped")
    }
    skipped = data.get("skipped") or {}
    return flat(facts) + [
        (f"left out or repaired: {what.replace('_', ' ')}", words(thousands(count)))
        for what, count in skipped.items()
    ]


def machine(run: Run) -> Rows:
    """Engine, device, fingerprints and machine."""
    about = run.about
    keys = ("engine", "device", "code", "config_hash", "seed")
    kernel = about.get("kernel", {})
    names = {"cores": "CPU cores", "memory_gib": "memory, GiB"}
    rows = [(key.replace("_", " "), words(about[key])) for key in keys if key in about]
    if kernel:
        rows.append(("kernel", " ".join(kernel.values())))
    return rows + [
        (names.get(key, key.replace("_", " ")), words(value))
        for key, value in flat(about.get("machine") or {})
    ]


def config(run: Run) -> list[tuple[str, Rows]]:
    """Sections of the config, without secrets."""
    shown_config = hide_secrets(run.config)
    top = {key: value for key, value in shown_config.items() if not isinstance(value, dict)}
    sections = [
        (key, flat(value)) for key, value in shown_config.items() if isinstance(value, dict)
    ]
    return [("", flat(top)), *sections] if top else sections
