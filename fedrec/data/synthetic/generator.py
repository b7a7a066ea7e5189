"""Synthetic interactions whose generating process, and so the oracle ranking, is known.

Titles say which topic an item is of, users have tastes, and no item comes twice in a sequence. So
a rare item, of which a model has seen little, behaves as its title says, while its genres name
only the broad area, and not always.

Everything follows from the spec and the seed; nothing but them needs to be kept to compute the
probabilities again (``fedrec.data.synthetic.world``).
"""

import numpy as np
from numpy.typing import NDArray

from fedrec.data.catalog import Catalog
from fedrec.data.interactions import Interactions
from fedrec.data.synthetic.themes import THEMES
from fedrec.data.synthetic.world import OWN_TASTE, SyntheticSpec, World, make_world
from fedrec.randomness import generator

_SHORTEST, _MEAN_EXTRA, _LONGEST = 5, 5, 40  # events of a user
_CHUNK = 500  # users drawn together, bounds memory at chunk x items
_AGES = ("under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+")
_OCCUPATIONS = ("artist", "clerk", "engineer", "nurse", "retired", "student", "teacher", "writer")


def generate(spec: SyntheticSpec, *, seed: int) -> Interactions:
    """Events of all users, in the order of the users and of their times."""
    world = make_world(spec, seed=seed)
    walks = []
    for chunk, start in enumerate(range(0, spec.users, _CHUNK)):
        users = np.arange(start, min(start + _CHUNK, spec.users))
        walks.extend(_walk(world, users, generator(seed, "synthetic", "walk", chunk)))
    lengths = np.array([len(walk) for walk in walks])
    rng = generator(seed, "synthetic", "times")
    gaps = rng.exponential(scale=36_000, size=lengths.sum()).astype(np.int64) + 1
    begins = rng.integers(1_600_000_000, 1_630_000_000, size=spec.users)
    times = [
        begin + np.cumsum(gap) for begin, gap in zip(begins, _split(gaps, lengths), strict=True)
    ]
    item_ids = [f"i{number}" for number in range(spec.items)]
    return Interactions(
        [f"u{number}" for number in range(spec.users)],
        item_ids,
        np.repeat(np.arange(spec.users, dtype=np.int32), lengths),
        np.concatenate(walks).astype(np.int32),
        np.concatenate(times),
        None,
        _catalog(world, item_ids, generator(seed, "synthetic", "catalog")),
        _attributes(world, generator(seed, "synthetic", "attributes")),
        notes=("synthetic: the process that made the data is known, and so is the best ranking",),
    )


def _walk(
    world: World, users: NDArray[np.int64], rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Sequences of some users, each item at most once."""
    num_items = len(world.topics)
    longest = min(_LONGEST, num_items // 2)
    lengths = _SHORTEST + rng.exponential(scale=_MEAN_EXTRA, size=len(users)).astype(np.int64)
    lengths = np.minimum(lengths, longest)
    rows, seen = np.arange(len(users)), np.zeros((len(users), num_items), dtype=bool)
    liked = world.liked(users)
    items = np.empty((len(users), lengths.max()), dtype=np.int64)
    for step in range(items.shape[1]):
        odds = liked if step == 0 else world.moves[items[:, step - 1]] + OWN_TASTE * liked
        cumulative = np.cumsum(np.where(seen, 0.0, odds), axis=1)
        draws = rng.random((len(users), 1)) * cumulative[:, -1:]
        # The first item whose cumulative odds pass the draw; one with odds 0 never does.
        items[:, step] = np.argmax(cumulative > draws, axis=1)
        seen[rows, items[:, step]] = True
    return [items[row, :length] for row, length in enumerate(lengths)]


def _split(values: NDArray[np.int64], lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return np.split(values, np.cumsum(lengths)[:-1])


def _catalog(world: World, item_ids: list[str], rng: np.random.Generator) -> Catalog:
    """Titles as they are; the genre is missing for 15 % of items, a wrong one added to 15 %."""
    names = sorted({theme.genre for theme in THEMES})
    has_own, has_other = rng.random(len(item_ids)) >= 0.15, rng.random(len(item_ids)) < 0.15
    others = rng.integers(len(names), size=len(item_ids))
    genres = []
    for item, theme in enumerate(world.themes):
        own = {THEMES[theme].genre} if has_own[item] else set()
        genres.append(tuple(sorted(own | ({names[others[item]]} if has_other[item] else set()))))
    years = [int(year) for year in rng.integers(1970, 2025, size=len(item_ids))]
    return Catalog(item_ids, world.titles, genres, list(years), [""] * len(item_ids))


def _attributes(world: World, rng: np.random.Generator) -> dict[str, list[str]]:
    """Age and zip region lean on the favourite theme, gender and occupation do not."""
    num_users = len(world.tastes)
    favourite = world.tastes.argmax(axis=1)
    leans = rng.random((2, num_users)) < 0.5
    ages = np.where(leans[0], favourite % len(_AGES), rng.integers(len(_AGES), size=num_users))
    regions = np.where(leans[1], favourite % 10, rng.integers(10, size=num_users))
    return {
        "gender": ["FM"[code] for code in rng.integers(2, size=num_users)],
        "age": [_AGES[code] for code in ages],
        "occupation": [_OCCUPATIONS[k] for k in rng.integers(len(_OCCUPATIONS), size=num_users)],
        "zip": [str(region) for region in regions],
    }
