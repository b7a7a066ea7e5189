"""Types of the values in run.json and rounds.jsonl: whatever else is there, a file was damaged."""

from collections.abc import Mapping
from typing import Any

from fedrec.errors import DataError

_NONE = type(None)
_NUMBER = (int, float)
ABOUT_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(
        ("reason", "name", "command", "engine", "config_hash", "config_sha256", "code"), (str,)
    ),
    **dict.fromkeys(("started", "device", "client_traceback", "no_model"), (str,)),
    **dict.fromkeys(("round_is", "status"), (str,)),
    **dict.fromkeys(
        ("versions", "machine", "kernel", "data", "parameters", "files", "excluded", "sent"),
        (dict,),
    ),
    **dict.fromkeys(("resumed", "adapted", "partitions", "extended"), (list,)),
    **dict.fromkeys(("seed", "checkpoint_every", "rounds"), (int,)),
    "keep_client_state": (bool,),
    "start_from": (dict,),
    "finished": (str, _NONE),
    "client_state": (str, _NONE),
    "exit_code": (int, _NONE),
    "best_round": (int, _NONE),
    "semantics": (dict, _NONE),
    "seconds": _NUMBER,
}
ROUND_KINDS: dict[str, tuple[type, ...]] = {
    "round": (int,),
    "best": (bool,),
    "seconds": (dict,),
    **dict.fromkeys(("sampled", "aggregated", "excluded", "retried"), (list,)),
    **dict.fromkeys(("elapsed", "passes", "megabytes", "client_megabytes"), _NUMBER),
    **dict.fromkeys(("targets", "bytes_down", "bytes_up", "bytes_evaluate"), _NUMBER),
    **dict.fromkeys(("validation", "clients", "client_values", "users"), (dict, list, _NONE)),
    "train_loss": (*_NUMBER, _NONE),
}
# Of the objects that these keys hold: every key of theirs, and its types.
_INNER: dict[str, dict[str, tuple[type, ...]]] = {
    "extended": {
        **dict.fromkeys(("after", "from", "to"), (int,)),
        **dict.fromkeys(("fresh_optimizers", "evaluated_as_last"), (bool,)),
    },
    "start_from": dict.fromkeys(("source", "sha256"), (str,)),
    "sent": {
        "share_counts": (bool,),
        **dict.fromkeys(("min_users", "clients", "users", "users_counted"), (int,)),
        **dict.fromkeys(("item_counts", "held_out_items", "user_ids"), (int,)),
    },
}
_RECORDS = ("resumed", "extended", "partitions", "excluded", "retried")  # lists of objects


def check_kinds(
    record: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]], where: str
) -> None:
    """Check the types of the values that a record has.

    Args:
        record: A JSON object.
        kinds: Key -> types that its value may have.
        where: Path of its file, for the message.

    Raises:
        DataError: A value is of another type.
    """
    for key, allowed in kinds.items():
        if key not in record:
            continue
        value = record[key]
        is_odd = not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed)
        if isinstance(value, list) and key in _RECORDS:
            is_odd = is_odd or not all(isinstance(one, dict) for one in value)
        if is_odd:
            names = " or ".join("null" if k is _NONE else k.__name__ for k in allowed)
            seen = "a list of others" if isinstance(value, list) else type(value).__name__
            raise DataError(f"{where}: {key} is {seen}, expected {names}; the file is damaged")
        if key in _INNER and value:
            for one in value if isinstance(value, list) else [value]:
                if missing := sorted(_INNER[key].keys() - one.keys()):
                    raise DataError(f"{where}: {key} lacks {missing[0]!r}; the file is damaged")
                check_kinds(one, _INNER[key], f"{where}: {key}")
