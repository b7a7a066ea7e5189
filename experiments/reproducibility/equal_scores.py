"""Scores, ranks and lists are equal to the bit whoever and whatever is scored beside them.

``python -m experiments.reproducibility.equal_scores`` scores histories by every kind of model and
baseline, for every size of catalogue from 27 to 131 items, alone and in batches of 1 to 64, in 1, 3
and 60 partitions, and by the search of ``recommend``. Some items are equal in all that a model
knows of them. All must be equal to the bit. The digests that it prints are the same for every
number of threads.
"""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from fedrec.baselines.ease import ease_weights, linear_scorer
from fedrec.baselines.item_knn import item_neighbours, neighbours_scorer
from fedrec.baselines.markov import markov_scorer, transition_shares
from fedrec.baselines.nearest_text import nearest_text_scorer
from fedrec.baselines.popularity import popularity_scorer
from fedrec.baselines.session_knn import session_knn_scorer
from fedrec.baselines.slim import slim_weights
from fedrec.config.sections.model import Model
from fedrec.data.sequences import Sequences
from fedrec.evaluation.leave_one_out import Scorer, leave_one_out_ranks
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.factory.build_model import build_model
from fedrec.inference.search import ItemSearch
from fedrec.models.recommender import Recommender
from fedrec.randomness import generator

MODELS: dict[str, dict[str, Any]] = {
    "hybrid": {},
    "hybrid, attention, smoothed": {"fusion": "attention", "neighbours": 3},
    "hybrid, concat": {"fusion": "concat"},
    "hybrid, bidirectional": {"encoder": "bidirectional"},
    "sasrec, two heads": {"name": "sasrec", "heads": 2},
    "bert4rec": {"name": "bert4rec"},
    "gru4rec": {"name": "gru4rec"},
    "narm": {"name": "narm"},
    "stamp": {"name": "stamp"},
    "sr-gnn": {"name": "sr-gnn"},
    "dualrec-lstm": {"name": "dualrec-lstm"},
    "unisrec": {"name": "unisrec"},
    "hstu": {"name": "hstu"},
    "bpr-mf": {"name": "bpr-mf"},
    "fpmc": {"name": "fpmc"},
    "fed-ncf": {"name": "fed-ncf"},
    "pfedrec": {"name": "pfedrec"},
}
OF_TRAINING = ("item-knn", "v-sknn", "ease", "slim", "markov")  # who had what tells twins apart
BASELINES = ("nearest-text", "popularity", *OF_TRAINING)
SIZES = range(27, 132)
BATCHES = range(1, 65)
PARTITIONS = (1, 3, 60)
USERS, LONGEST = 180, 21

Histories = list[NDArray[np.int64]]


def twins(num_items: int) -> list[tuple[int, int]]:
    """Pairs of items that are equal in all that a model knows of them."""
    return [(1, num_items), (2, num_items // 2), (3, num_items - 1)]


def trained(num_items: int, **settings: Any) -> Recommender:
    """A model with weights as after training, in which ``twins`` are equal."""
    rng = np.random.default_rng(num_items)
    semantic, content = (rng.normal(size=(num_items + 1, width)) for width in (10, 7))
    semantic[0] = content[0] = 0
    frequency = rng.integers(0, 6, size=num_items + 1)
    for one, other in twins(num_items):
        for array in (semantic, content, frequency):
            array[other] = array[one]
    # No width is a multiple of what a processor's vector instructions take.
    sizes = {"width": 10, "heads": 1, "hidden": 14, "max_length": LONGEST}
    model = build_model(
        Model(**(sizes | settings)),
        num_items=num_items,
        semantic=semantic.astype(np.float32),
        content=content.astype(np.float32),
        frequency=frequency,
        users=np.arange(USERS),
        seed=0,
    )
    stream = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.add_(torch.randn(parameter.shape, generator=stream) / 3)
            if name in ("rows", "views.identity.rows", "output_rows", *model.item_arrays):
                for one, other in twins(num_items):
                    parameter[other] = parameter[one]
    return model


def histories_of(num_items: int, count: int) -> Histories:
    """Histories of 1 to 24 items."""
    rng = np.random.default_rng(2)
    return [rng.integers(1, num_items + 1, size=n) for n in rng.integers(1, 25, size=count)]


def baseline(name: str, num_items: int) -> Scorer:
    """The scorer of a baseline, to which ``twins`` are equal."""
    rng = np.random.default_rng(num_items)
    vectors, counts = rng.normal(size=(num_items + 1, 10)), rng.integers(0, 5, size=num_items + 1)
    vectors[0] = counts[0] = 0
    for one, other in twins(num_items):
        vectors[other], counts[other] = vectors[one], counts[one]
    if name == "nearest-text":
        return nearest_text_scorer(vectors.astype(np.float32))
    if name == "popularity":
        return popularity_scorer(counts)
    training = _sequences(num_items)
    if name == "item-knn":
        return neighbours_scorer(item_neighbours(training, num_items))
    if name == "v-sknn":
        return session_knn_scorer(training, num_items)
    if name == "ease":
        return linear_scorer(ease_weights(training, num_items))
    if name == "slim":
        return neighbours_scorer(slim_weights(training, num_items))
    return markov_scorer(transition_shares(training, num_items))


def faults(
    scorer: Scorer, num_items: int, batches: Sequence[int], *, twins_score_alike: bool = True
) -> tuple[list[str], NDArray[np.generic]]:
    """What is not equal to the bit, a line each, and the scores (64, V + 1) of histories alone.

    Args:
        scorer: Scores a list of histories.
        num_items: V.
        batches: Numbers of histories that are scored together.
        twins_score_alike: Whether the scorer knows ``twins`` only by what they have in common.
    """
    histories, found = histories_of(num_items, 64), []

    def scores(size: int) -> NDArray[np.generic]:
        parts = [slice(start, start + size) for start in range(0, 64, size)]
        return np.concatenate([scorer(histories[p], np.arange(64)[p]).scores for p in parts])

    alone = scores(1)
    for size in batches:
        together = scores(size)
        if not np.array_equal(together, alone):
            found.append(f"{num_items} items: other scores in batches of {size}")
    for one, other in twins(num_items) if twins_score_alike else ():
        if not np.array_equal(alone[:, one], alone[:, other]):
            found.append(f"{num_items} items: {one} and {other} are equal, their scores are not")
    whole = _ranks(scorer, num_items, 1)
    for partitions in PARTITIONS[1:]:
        if not np.array_equal(_ranks(scorer, num_items, partitions), whole):
            found.append(f"{num_items} items: other ranks in {partitions} partitions")
    return found, alone


def search_faults(
    model: Recommender, num_items: int, alone: NDArray[np.generic], batches: Sequence[int]
) -> list[str]:
    """Where the lists of ``recommend`` are not those of evaluation's scores, a line each."""
    search, found = ItemSearch(model, num_items, LONGEST, score_bytes=2000), []
    histories = histories_of(num_items, 64)
    for size in batches:
        parts = [histories[start : start + size] for start in range(0, 64, size)]
        lists = [search.top(part, num_items) for part in parts]
        items, scores = (np.concatenate([one[place] for one in lists]) for place in (0, 1))
        is_item = items > 0
        expected = np.take_along_axis(alone, items, axis=1)
        if not np.array_equal(scores[is_item], expected[is_item]):
            found.append(f"{num_items} items: other scores in lists for {size} histories")
    return found


def _sequences(num_items: int) -> Sequences:
    """Histories of 180 users with three more items each, two of them held out."""
    rows, rng = histories_of(num_items, USERS), np.random.default_rng(3)
    items = [np.append(row, rng.integers(1, num_items + 1, size=3)) for row in rows]
    offsets = np.cumsum([0, *map(len, items)])
    return Sequences(np.concatenate(items).astype(np.int32), offsets.astype(np.int64))


def _ranks(scorer: Scorer, num_items: int, partitions: int) -> NDArray[np.float64]:
    ranks, sequences = np.empty(USERS), _sequences(num_items)
    for part in range(partitions):
        users = np.arange(part, USERS, partitions)
        ranks[users] = leave_one_out_ranks(
            scorer,
            sequences,
            users,
            stage="test",
            protocols=["full"],
            num_items=num_items,
            counts=None,
            seed=0,
        ).ranks["full"]
    return ranks


def drawn_batches(num_items: int, how_many: int) -> list[int]:
    """Sizes of batches for a catalogue: the largest, and some that differ from one to the next."""
    drawn = generator(num_items, "equal scores").choice(BATCHES, how_many, replace=False)
    return sorted({64, *map(int, drawn)})


def main(
    step: Annotated[int, typer.Option(help="From one size of the catalogue to the next.")] = 1,
    batches: Annotated[int, typer.Option(help="Sizes of batches for each catalogue.")] = 3,
    threads: Annotated[int, typer.Option(help="Threads of torch; 0 for its default.")] = 0,
) -> None:
    """Print a row for each model and baseline; exit with 1 if anything is not equal."""
    wrong = 0
    torch.set_num_threads(threads or torch.get_num_threads())
    typer.echo(f"{torch.get_num_threads()} threads\n| scorer | catalogues | digest | faults |")
    typer.echo("|---|---|---|---|")
    for name in (*MODELS, *BASELINES):
        digest, lines = hashlib.sha256(), list[str]()
        for size in SIZES[::step]:
            drawn = drawn_batches(size, batches)
            if name in MODELS:
                model = trained(size, **MODELS[name])
                found, alone = faults(model_scorer(model, size, LONGEST), size, drawn)
                if not model.user_arrays:  # `recommend` reads histories alone
                    found += search_faults(model, size, alone, drawn)
            else:
                known = name not in OF_TRAINING
                found, alone = faults(baseline(name, size), size, drawn, twins_score_alike=known)
            digest.update(alone.tobytes())
            lines += found
        count = len(SIZES[::step])
        typer.echo(f"| {name} | {count} | `{digest.hexdigest()[:12]}` | {len(lines)} |")
        for line in lines[:5]:
            typer.echo(f"  {line}", err=True)
        wrong += len(lines)
    raise typer.Exit(1 if wrong else 0)


if __name__ == "__main__":
    typer.run(main)
