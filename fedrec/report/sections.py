"""Sections of a run's page below its head: plain text, numbers and rows of tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fedrec.evaluation.protocols import describe, metric_label
from fedrec.report.every_position import every_position
from fedrec.report.references import gap_closed
from fedrec.report.repeat import portable
from fedrec.report.tables import (
    interval,
    metric_names,
    num_users,
    round_headers,
    round_row,
    shown,
)
from fedrec.report.words import Rows, flat, thousands, words
from fedrec.runs.record import Record, Run, number
from fedrec.runs.redaction import hide_secrets
from fedrec.runs.sent import told

_DATA = {"hash": "SHA-256 of the prepared data", "name": "name"}
_PHASES = {
    "train": "training of the clients",
    "check": "validation of their replies",
    "aggregate": "aggregation",
    "evaluate": "evaluation",
    "checkpoint": "checkpoints",
    "other": "anything else",
}


_ROUND_HEADERS = {
    "clients": "clients aggregated / sampled",
    "train loss": "training loss",
    "users": "users evaluated",
    "p10 / p50 / p90": "NDCG@10 of clients: p10 / p50 / p90",
    "MB": "MB so far, all clients",
    "seconds": "seconds of the round",
}


def results(run: Run) -> Record:
    """Tables of metrics: this run, its baselines, further protocols."""
    metrics = run.metrics or {}
    test, validation = metrics.get("test") or {}, run.validation
    baselines = metrics.get("baselines") or {}
    columns = [test, *((parts.get("test") or {}) for parts in baselines.values()), validation]
    names = told_apart(metric_names(test, validation), columns)
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
                "protocol": described(run, protocol),
                "rows": _stage_rows(protocol, found),
                "headers": _headers(found.get("test") or {}, found.get("validation") or {}),
            }
            for protocol, found in (metrics.get("other_protocols") or {}).items()
        ],
        "same_recall": any("Recall@10" in column for column in columns),
        "every_position": every_position(metrics.get("every_position") or {}),
    }


def told_apart(names: Iterable[str], columns: Sequence[Mapping[str, Any]]) -> list[str]:
    """Metrics without Recall@k where it is HR@k in every column, as with one held-out item."""

    def is_hr(name: str) -> bool:
        other = name.replace("Recall", "HR", 1)
        return other != name and all(
            number(column.get(name)) == number(column.get(other)) for column in columns
        )

    return [name for name in names if not is_hr(name)]


def _headers(test: Mapping[str, Any], validation: Mapping[str, Any], *others: str) -> list[str]:
    """Headers of a table of metrics, with the number of users of the run's own."""
    counts = [num_users(part) for part in (test, validation)]
    of_test, of_validation = (f", {count:,} users" if count else "" for count in counts)
    return ["metric", f"this run, test{of_test}", *others, f"this run, validation{of_validation}"]


def _stage_rows(protocol: str, found: Mapping[str, Any]) -> list[list[Any]]:
    test, validation = found.get("test") or {}, found.get("validation") or {}
    return [
        [metric_label(name, protocol), _cell(test.get(name)), _cell(validation.get(name))]
        for name in told_apart(metric_names(test, validation), [test, validation])
    ]


def described(run: Run, protocol: str) -> str:
    """How a protocol ranks the held-out items of a run's data, in words."""
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
            [_PHASES.get(phase, phase), f"{spent:,.1f}", f"{100 * spent / whole:.0f} %"]
            for phase, spent in [*seconds.items(), ("all rounds", whole)]
            if whole
        ],
        **dict(zip(("rounds", "rounds_told"), _rounds(run), strict=True)),
        "round_headers": [
            _ROUND_HEADERS.get(header, header) for header in round_headers(run.protocol)
        ],
    }


MOST_ROWS = 400  # of a table: a page stays under a megabyte


def _rounds(run: Run) -> tuple[list[list[str]], str]:
    """Rows of the rounds, of very many every few; and what they are."""
    step = -(-len(run.history) // MOST_ROWS)
    kept = [
        record
        for place, record in enumerate(run.history)
        if place % max(step, 1) == 0 or record["round"] == run.best_round
    ]
    told = f"All {len(run.history):,} rounds"
    if step > 1:
        told = f"Every {step}th of {len(run.history):,} rounds; rounds.jsonl has all"
    return [round_row(record) for record in kept], told


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
    }


def _data_rows(data: Mapping[str, Any]) -> Rows:
    """Facts of the data; what was left out or repaired is counted by its reason."""
    facts = {
        _DATA.get(key, key.replace("_", " ")): thousands(value)
        for key, value in data.items()
        if key not in ("notes", "skipped") and value is not None
    }
    skipped = data.get("skipped") or {}
    return [(name, portable(text)) for name, text in flat(facts)] + [
        (f"left out or repaired: {what.replace('_', ' ')}", words(thousands(count)))
        for what, count in skipped.items()
    ]


def machine(run: Run) -> Rows:
    """Engine, device, fingerprints and machine."""
    about = run.about
    keys = ("engine", "device", "code", "config_hash", "seed")
    told = {"code": "code, SHA-256", "config_hash": "config, SHA-256"}
    kernel = about.get("kernel", {})
    names = {"cores": "CPU cores", "memory_gib": "memory, GiB"}
    rows = [(told.get(key, key), words(about[key])) for key in keys if key in about]
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
        (key, _portable(flat(value)))
        for key, value in shown_config.items()
        if isinstance(value, dict)
    ]
    return [("", _portable(flat(top))), *sections] if top else sections


def _portable(rows: Rows) -> Rows:
    """Rows without the folders of the machine that made the run."""
    return [(name, portable(text)) for name, text in rows]
