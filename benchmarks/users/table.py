"""From turns to a table: medians over turns, and medians of ratios within one turn.

The machine's speed drifts by more than most differences, so no number of one turn is ever divided
by one of another.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

TARGETS = {  # device -> over whom, on how many processes, at least how many times as fast
    "cpu": (
        ("flower", 2, 28.0),
        ("pfl", 1, 5.0),
        ("pfl", 2, 5.0),
        ("loop", 1, 4.5),
        ("loop", 2, 4.5),
    ),
    "cuda": (("loop", 1, 50.0),),
}
CENTRAL_COST = 0.55
SAME = 1e-3  # norms of updates that are the same but for the order of float sums


@dataclass(frozen=True)
class Turn:
    """One system's part of one turn.

    Attributes:
        number: Number of the turn.
        seconds: Wall time.
        cpu: CPU seconds of all its processes.
        tokens: Targets that went forward and back.
        clients: Users.
        norm: Norm of the mean update; none for a centralised pass.
    """

    number: int
    seconds: float
    cpu: float
    tokens: int
    clients: int
    norm: float | None


@dataclass(frozen=True)
class Measured:
    """One system's turns.

    Attributes:
        name: Name of the row.
        kind: Kind of system.
        processes: Processes that shared the work.
        device: "cpu" or "cuda".
        turns: Those that count.
        peak_mib: Peak of memory over all its processes, in MiB.
        gpu_mib: Peak of the GPU's memory, in MiB.
        reason: Why it was not measured; empty if it was.
    """

    name: str
    kind: str
    processes: int
    device: str
    turns: tuple[Turn, ...]
    peak_mib: float = 0.0
    gpu_mib: float = 0.0
    reason: str = ""


def ratios(one: Measured, other: Measured, of: str = "seconds") -> list[float]:
    """``one`` over ``other``, in each turn that both took part in."""
    values = {turn.number: getattr(turn, of) for turn in other.turns}
    return [getattr(turn, of) / values[turn.number] for turn in one.turns if turn.number in values]


def fastest(all_rows: Sequence[Measured], kind: str, like: Measured) -> Measured | None:
    """The fastest system of a kind on as many processes and the same device."""
    rows = [
        row
        for row in all_rows
        if (row.kind, row.processes, row.device) == (kind, like.processes, like.device)
        and row.turns
    ]
    return min(rows, key=lambda row: statistics.median(t.seconds for t in row.turns), default=None)


def median_ratio(one: Measured, other: Measured | None, of: str = "seconds") -> float | None:
    """Median over turns; none where they never met."""
    found = ratios(one, other, of) if other is not None else []
    return statistics.median(found) if found else None


def row_of(one: Measured, everybody: Sequence[Measured]) -> dict[str, Any]:
    """What the table says of a system."""
    centralised, loop = (fastest(everybody, kind, one) for kind in ("centralised", "loop"))
    is_timed = bool(one.turns)
    slower = median_ratio(one, loop)
    return {
        "system": one.name,
        "processes": one.processes,
        "turns": len(one.turns),
        "clients/s": _median([t.clients / t.seconds for t in one.turns]),
        "tokens/s": _median([t.tokens / t.seconds for t in one.turns]),
        "cost over centralised": median_ratio(one, centralised),
        "CPU over centralised": median_ratio(one, centralised, "cpu")
        if one.device == "cpu"
        else None,
        "speed over loop": None if slower is None else 1 / slower,
        "peak MiB": one.peak_mib if is_timed else None,
        "GPU MiB": one.gpu_mib if one.device == "cuda" and is_timed else None,
        "note": one.reason or difference(one, everybody),
    }


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def difference(one: Measured, everybody: Sequence[Measured]) -> str:
    """Says if a system's mean update is not that of the plain loop in the same turn."""
    reference = {
        turn.number: turn.norm
        for row in everybody
        if (row.kind, row.device) == ("loop", "cpu")
        for turn in row.turns
    }
    apart = [
        abs(turn.norm / known - 1)
        for turn in one.turns
        if turn.norm is not None and (known := reference.get(turn.number))
    ]
    return f"its update differs by {max(apart):.1%}" if apart and max(apart) > SAME else ""


def evaluated(everybody: Sequence[Measured]) -> list[dict[str, Any]]:
    """How many times as fast as others the engine is, and what it costs over a centralised pass."""
    lines = []
    engines = [row for row in everybody if row.kind in ("kernel", "engine") and row.turns]
    for mine in engines:
        for kind, processes, bound in TARGETS[mine.device]:
            other = fastest(everybody, kind, mine)
            if other is not None and processes == mine.processes:
                found, cpu = ratios(other, mine), median_ratio(other, mine, "cpu")
                lines.append(evaluation(f"speed over {other.name}", found, cpu, at_least=bound))
    for mine in engines:
        other = fastest(everybody, "centralised", mine)
        if other is not None:
            what = f"cost of {mine.name} over {other.name}"
            found, cpu = ratios(mine, other), median_ratio(mine, other, "cpu")
            lines.append(evaluation(what, found, cpu, at_most=CENTRAL_COST))
    return lines


def evaluation(
    what: str,
    found: Sequence[float],
    cpu: float | None,
    *,
    at_least: float = 0.0,
    at_most: float = math.inf,
) -> dict[str, Any]:
    """Median and spread over turns, beside the target.

    The ratio of CPU seconds stands beside it: other work on the machine moves that less.
    """
    value = statistics.median(found) if found else math.nan
    return {
        "what": what,
        "median": value,
        "from": min(found, default=math.nan),
        "to": max(found, default=math.nan),
        "by CPU time": cpu,
        "target": f"<= {at_most:g}" if at_most < math.inf else f">= {at_least:g}",
        "met": "yes" if at_least <= value <= at_most else "no",
    }


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Rows with the same keys as a Markdown table; columns without a value are left out."""
    names = [name for name in rows[0] if any(row[name] not in (None, "") for row in rows)]
    lines = [names, ["---"] * len(names)]
    lines += [[_shown(row[name]) for name in names] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def as_json(everybody: Sequence[Measured]) -> dict[str, Any]:
    """Everything, every turn."""
    return {
        "rows": [row_of(one, everybody) for one in everybody],
        "evaluated": evaluated(everybody),
        "turns": [asdict(one) for one in everybody],
    }
