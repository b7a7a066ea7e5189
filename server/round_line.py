"""A line of rounds.jsonl: the record of a round."""

from typing import Any


def empty_round(round: int) -> dict[str, Any]:
    """Make the line of rounds.jsonl of a round that has not begun."""
    phases = ("train", "check", "aggregate", "evaluate", "checkpoint", "total")
    return {
        "round": round,
        "seconds": dict.fromkeys(phases, 0.0),
        "elapsed": 0.0,
        "sampled": [],
        "aggregated": [],
        "excluded": [],
        "retried": [],
        "users": None,
        "train_loss": None,
        "targets": 0,
        "passes": 0.0,
        "bytes_down": 0,
        "bytes_up": 0,
        "bytes_evaluate": 0,  # both ways, in none of the other four, which are of training
        "megabytes": 0.0,  # so far
        "client_megabytes": 0.0,  # so far, the mean over all clients
        "validation": None,
        "clients": None,
        "client_values": None,
        "best": False,
    }
