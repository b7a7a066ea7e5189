"""Exhibit: what training negatives without the held-out items give away.

``python -m experiments.leaky_negatives SOURCE`` ranks held-out items among 99 sampled ones by a
scorer that learns nothing: it counts how often each item was drawn as a training negative of the
user and puts those drawn least first. With honest negatives, from all but the training history, it
is at chance. The code of PFedRec (Zhang et al., IJCAI 2023) draws from all but the whole history,
so that a user's held-out item is the one candidate never drawn.
No model of fedrec can be trained so; the leaky figure is no result of any method.
"""

from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from experiments.settings import resolve
from fedrec.data.sequences import Sequences, history_mask
from fedrec.data.splits import history, targets, training_part
from fedrec.errors import FedrecError
from fedrec.evaluation.metrics import auc, hr, ndcg
from fedrec.evaluation.protocols import candidates
from fedrec.evaluation.ranking import candidate_ranks
from fedrec.factory.data import open_prepared
from fedrec.randomness import generator
from fedrec.training.negatives import sampled_negatives

POOLS = ("honest", "leaky")
ROUNDS = 100
PER_EVENT = 4  # negatives per positive and round, as in NCF and PFedRec
PROTOCOL = "uniform-99"


def counting_scorer_ranks(
    sequences: Sequences, num_items: int, pool: str, rounds: int = ROUNDS
) -> NDArray[np.float64]:
    """Ranks (U,) of the test items by a scorer that puts what was drawn least first.

    Args:
        sequences: Whole sequences of U users.
        num_items: V.
        pool: "honest" draws outside the training history, "leaky" outside the whole history.
        rounds: Rounds of training whose negatives are counted.
    """
    train = training_part(sequences)
    counts = np.zeros((sequences.num_users, num_items + 1), dtype=np.int64)
    for user in range(sequences.num_users):
        seen = history_mask([(train if pool == "honest" else sequences).of(user)], num_items)
        events = len(train.of(user))
        # The draws of all rounds at once: they are independent.
        drawn = sampled_negatives(generator(0, "count", user), seen, events, PER_EVENT * rounds)
        counts[user] = np.bincount(drawn.ravel(), minlength=num_items + 1)
    users = np.arange(sequences.num_users)
    ranked = candidates(
        PROTOCOL,
        users=users,
        histories=[history(sequences, int(user), "test") for user in users],
        targets=targets(sequences, "test"),
        num_items=num_items,
        counts=None,
        seed=1,
        stage="test",
    )
    return candidate_ranks(-counts[users[:, None], ranked].astype(np.float64))


def of_source(source: str, rounds: int) -> dict[str, NDArray[np.float64]]:
    """Ranks (U,) by each pool on the data of a source, of whose items none is filtered."""
    config = resolve(None, [f"data.source={source}", "data.min-item-events=1"], {})
    dataset = open_prepared(config).dataset
    return {
        pool: counting_scorer_ranks(dataset.sequences, dataset.catalog.num_items, pool, rounds)
        for pool in POOLS
    }


def show(
    source: Annotated[str, typer.Argument(help="Value of data.source.")],
    rounds: Annotated[
        int, typer.Option(min=1, help="Rounds whose negatives are counted.")
    ] = ROUNDS,
) -> None:
    """Show what a scorer reaches that learns nothing and counts its negatives."""
    try:
        found = of_source(source, rounds)
    except FedrecError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    typer.echo(f"A scorer that learns nothing and counts its negatives of {rounds} rounds:")
    for pool, ranks in found.items():
        label = "honest pool" if pool == "honest" else "no result, leaky pool"
        typer.echo(
            f"{label:<21}  HR@10 (99 sampled) {hr(ranks, 10).mean():.4f}  "
            f"NDCG@10 (99 sampled) {ndcg(ranks, 10).mean():.4f}  "
            f"AUC {auc(ranks, 100).mean():.4f}"
        )


if __name__ == "__main__":
    typer.run(show)
