"""Evaluation protocols: full ranking over the catalogue, or over sampled candidates.

Sampled and full figures differ by a factor of four for the same model, so a sampled protocol is
part of the metric's name wherever it is shown. So is the query time, where a model is given it:
"+query-time" behind the name of a protocol. NCF's fixed negatives are read by
`fedrec.evaluation.ncf`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fedrec.config.values.choices import (
    PROTOCOLS,
    QUERY_TIME,
    plain_protocol,
    sample_of,
    validation_users_of,
)
from fedrec.data.splits import Stage
from fedrec.errors import ConfigError
from fedrec.randomness import generator

_WORDS = {
    "uniform": "drawn uniformly without replacement from the items the user has not had",
    "popularity": "drawn without replacement in proportion to their training events "
    "from the items the user has not had",
    "ncf": "that NCF published for this user",
}
_KNOWS_TIME = (
    "The model is told when the question is asked, the moment of the held-out event (model.time "
    "has 'relative'): a protocol of its own, not comparable with models that do not know it."
)
_LABELS = {"uniform": "sampled", "popularity": "sampled by popularity", "ncf": "sampled, NCF's"}


def candidates(
    protocol: str,
    *,
    users: NDArray[np.integer],
    histories: Sequence[NDArray[np.integer]],
    targets: NDArray[np.integer],
    num_items: int,
    counts: NDArray[np.integer] | None,
    seed: int,
    stage: Stage,
    outside: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Items to rank for every user, the target first.

    A user's candidates follow from seed, stage and the user's own number: whoever is evaluated
    in the same batch, or on which client, changes nothing.

    Args:
        protocol: "uniform-100", "uniform-99" or "popularity-100", whose number is that of the
            negatives, the target comes on top; or "candidates-20", which counts it.
        users: (U,) Global user numbers.
        histories: U arrays of the items each user had before the target, at stage "test" with
            the validation item; repeats and padding (0) are allowed.
        targets: (U,) Items of 1..V.
        num_items: V.
        counts: (V+1,) Training events per item; only "popularity-100" needs them.
        seed: Seed of the run.
        stage: "validation" or "test"; the two have candidates of their own.
        outside: (U, V+1) True for items that a user's domain does not offer; none by default.

    Returns:
        (U, K+1) items: the target, then K distinct ones that are neither target nor history.
        A user with fewer than K items to draw from has a row of zeros, and no rank.

    Raises:
        ConfigError: Unknown protocol, one that draws nothing ("full", "ncf-99"), or counts that
            are missing.
    """
    kind, number = _parts(protocol)
    if kind in ("full", "ncf"):
        raise ConfigError(
            f'protocol "{protocol}" draws no candidates: "full" ranks every item and "ncf-99" '
            "reads its negatives from NCF's file"
        )
    if kind == "popularity" and counts is None:
        raise ConfigError(
            f'protocol "{protocol}" needs training counts per item, which the clients do not '
            "share; set evaluation.protocol to another or let them share counts"
        )
    drawn = np.empty((len(users), number + 1), dtype=np.int64)
    drawn[:, 0] = targets
    open_items = np.ones(num_items + 1, dtype=bool)
    if kind == "popularity" and counts is not None:
        open_items = counts > 0
    open_items[0] = False
    for row, (user, history, target) in enumerate(zip(users, histories, targets, strict=True)):
        allowed = open_items.copy()
        allowed[history] = False
        allowed[target] = False
        if outside is not None:
            allowed &= ~outside[row]
        pool = np.flatnonzero(allowed)
        if len(pool) < number:
            drawn[row] = 0
            continue
        rng = generator(seed, "candidates", protocol, stage, int(user))
        if kind == "uniform" or counts is None:
            drawn[row, 1:] = rng.choice(pool, size=number, replace=False)
        else:
            drawn[row, 1:] = _by_popularity(rng, pool, counts[pool], number)
    return drawn


def is_uniform(protocol: str) -> bool:
    """Whether negatives are drawn uniformly, so that too few items alone leave no rank."""
    return _parts(protocol)[0] == "uniform"


def most_candidates(protocol: str) -> float:
    """Items that are ranked under a protocol, at most: the catalogue has no bound here."""
    kind, number = _parts(protocol)
    return np.inf if kind == "full" else number + 1


def refuse_unranked(protocol: str, num_ranked: int) -> None:
    """Refuse a protocol under which no user has a rank.

    Raises:
        ConfigError: there is none.
    """
    if not num_ranked:
        raise ConfigError(
            f'evaluation.protocol "{protocol}" needs {_parts(protocol)[1]} negatives, but no user '
            'has so many items outside the history; set evaluation.protocol to "full"'
        )


def describe(protocol: str, num_items: int, domains: Mapping[str, int] | None = None) -> str:
    """Describe a protocol in one sentence for the report.

    Args:
        protocol: One of `fedrec.config.values.choices.PROTOCOLS`, with or without "+query-time".
        num_items: V.
        domains: Items of each domain, where users are offered their own domain's only.

    Raises:
        ConfigError: Unknown protocol.
    """
    kind, number = _parts(protocol)
    sizes = ", ".join(f"{name} {items:,}" for name, items in (domains or {}).items())
    own = f" Every user is offered the items of one domain only ({sizes})." if sizes else ""
    if kind == "full":
        whose = "items of the user's domain" if own else f"{num_items:,} items of the catalogue"
        words = (
            f"The held-out item is ranked among all {whose} without the other items the user "
            f"has had (full ranking); ties count half.{own}"
        )
    else:
        words = (
            f"The held-out item is ranked among {number + 1} candidates: itself and {number} "
            f"negatives {_WORDS[kind]} ({number} sampled, not comparable with full ranking); "
            f"ties count half.{own}"
        )
    if users := sample_of(protocol):
        words = f"{words} A sample of {users:,} users is evaluated, drawn by the seed."
    if users := validation_users_of(protocol):
        words = (
            f"{words} {users:,} users, drawn by the seed, are validated on; the validation items "
            "of all others are trained on (not comparable with figures that hold all of them out)."
        )
    return f"{words} {_KNOWS_TIME}" if protocol.endswith(QUERY_TIME) else words


def metric_label(metric: str, protocol: str) -> str:
    """Name of a metric as shown: "NDCG@10" in full, "NDCG@10 (99 sampled)" with candidates.

    A figure of a sample of users says how many they are: "NDCG@10 (500 users)".
    """
    kind, number = _parts(protocol)
    labels = [] if kind == "full" else [f"{number} {_LABELS[kind]}"]
    labels += [f"{users} users"] if (users := sample_of(protocol)) else []
    if users := validation_users_of(protocol):
        labels += [f"{users} validation users"]
    labels += ["query time known"] * protocol.endswith(QUERY_TIME)
    return f"{metric} ({', '.join(labels)})" if labels else metric


def _parts(protocol: str) -> tuple[str, int]:
    protocol = plain_protocol(protocol)
    if protocol not in PROTOCOLS:
        raise ConfigError(
            f'evaluation.protocol is "{protocol}", expected one of {", ".join(PROTOCOLS)}'
        )
    if protocol == "candidates-20":  # as PO4ISR counts them: the held-out item is one of them
        return "uniform", 19
    kind, _, number = protocol.partition("-")
    return kind, int(number or 0)


def _by_popularity(
    rng: np.random.Generator,
    pool: NDArray[np.integer],
    weights: NDArray[np.integer],
    number: int,
) -> NDArray[np.int64]:
    """Draw one after the other, each in proportion to the weights still there.

    The order of exponential waiting times with rates w is exactly that draw
    (Efraimidis and Spirakis, 2006), without a loop.
    """
    waiting = rng.standard_exponential(len(pool)) / weights
    first = np.argpartition(waiting, number - 1)[:number]
    return pool[first[np.argsort(waiting[first])]].astype(np.int64)


def candidates_of(protocol_name: str, full: np.ndarray) -> np.ndarray | int:
    """Number of items ranked per user under a protocol, given those (U,) under "full"."""
    kind, number = _parts(protocol_name)
    return full if kind == "full" else number + 1
