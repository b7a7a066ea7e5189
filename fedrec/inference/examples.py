"""A few users of a run with their histories and recommendations, for a report that asks for them.

A history is personal data, and a report is a page to send. So nobody is shown unless it is asked
for, and of a run whose clients tell no held-out items, nobody is shown at all.
"""

import numpy as np

from fedrec.errors import ConfigError
from fedrec.inference.opening import open_recommender
from fedrec.inference.recommender import ReadyRecommender
from fedrec.randomness import generator
from fedrec.report.examples import Example, ExampleItem
from fedrec.runs.record import Run

RECENT = 10  # events of a history that are shown
TOP = 10


def example_users(run: Run, count: int, *, trust: bool = False) -> list[Example]:
    """Users drawn at random from those whose clients tell held-out items, the same each time.

    Args:
        run: A complete run.
        count: How many users; all that there are if they are fewer.
        trust: Import the modules that the run's config names, if any.

    Raises:
        FedrecError: No client tells held-out items, or the run cannot be opened as a recommender.
    """
    if count < 1:
        raise ConfigError(f"--examples must be 1 or more users, got {count}")
    ready = open_recommender(run, trust=trust)
    table = run.users
    if table is None or "target" not in table or not (told := table["target"] > 0).any():
        raise ConfigError(
            f"--examples: no client of {run.folder} tells which items it holds out "
            "(federation.share-counts, federation.share-counts-min-users), so no history is shown"
        )
    rows = table[told]
    places = generator(0, "report", "examples").permutation(len(rows))[:count]
    chosen = rows.iloc[np.sort(places)]
    return [
        _example(ready, int(user), int(target), float(rank))
        for user, target, rank in zip(chosen["user"], chosen["target"], chosen["rank"], strict=True)
    ]


def _example(ready: ReadyRecommender, user: int, target: int, rank: float) -> Example:
    titles, ids = ready.catalog.titles, ready.catalog.item_ids
    history = [int(item) for item in ready.dataset.sequences.of(user)[:-1]]
    found = ready.recommend([ids[item - 1] for item in history], TOP)
    return Example(
        user=user,
        events=len(history),
        history=[titles[item - 1] for item in history[-RECENT:]],
        target=titles[target - 1],
        rank=f"{rank:g}",
        top=[ExampleItem(one.title, one.item == ids[target - 1]) for one in found],
    )
