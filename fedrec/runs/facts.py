"""What a notebook cell tells of a run."""

from collections.abc import Mapping, Sequence
from typing import Any


def run_facts(
    about: Mapping[str, Any],
    config: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Any] | None,
) -> dict[str, object]:
    """Name -> text of what a run was and what it reached; what is unknown yet is left out.

    Args:
        about: Run.json.
        config: Config.toml.
        history: Rounds.jsonl.
        metrics: Metrics.json, None before the end.
    """
    data = about.get("data") or {}
    federation, partition = config.get("federation", {}), config.get("partition", {})
    clients = f"{partition.get('count', '')} partitions by {partition.get('by', '')}"
    if federation.get("unit") == "user":
        clients = f"every user a client, {federation.get('cohort')} a round"
    best = (metrics or {}).get("best_round", about.get("best_round"))
    facts: dict[str, object] = {
        "status": about.get("status"),
        "reason": about.get("reason"),
        "data": _sizes(data),
        "model": config.get("model", {}).get("name"),
        "strategy": config.get("strategy", {}).get("name"),
        "clients": clients if partition else "",
        f"{about.get('round_is', 'round')}s": f"{history[-1]['round']}"
        + (f", best {best}" if best is not None else "")
        if history
        else "",
        "engine": about.get("engine"),
        "seed": about.get("seed"),
    }
    test = (metrics or {}).get("test") or {}
    shown = [name for name in ("HR@10", "NDCG@10") if name in test]
    return facts | {f"test {name}": _figure(test[name]) for name in shown}


def _sizes(data: Mapping[str, Any]) -> str:
    if not data.get("users"):
        return str(data.get("name") or "")
    return f"{data.get('name')}: {data['users']:,} users, {data['items']:,} items"


def _figure(cell: Mapping[str, float]) -> str:
    interval = f" ({cell['low']:.4f} to {cell['high']:.4f})" if "low" in cell else ""
    return f"{cell['value']:.4f}{interval}"
