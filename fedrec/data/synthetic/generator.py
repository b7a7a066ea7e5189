"""Embedded data: titles that mean something, users with tastes, a best ranking that is known.

A user follows two or three themes. The next item depends on the last one: mostly it lies in the
topic that comes next in the theme of the last item, often it is that item's own successor;
sometimes it is any item of the theme, one of the user's other themes, or anything. Within each of
these, popular items are likelier, and no item comes twice. So a rare item, of which a model has
seen little, behaves as its title says, while its genres name only the broad area, and not always.

Everything follows from the spec and the seed; nothing but them needs to be kept to compute the
probabilities again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from fedrec.data.catalog import Catalog
from fedrec.data.interactions import Interactions
from fedrec.data.splits import Stage, history, targets
from fedrec.data.store import Dataset
from fedrec.data.synthetic.themes import THEMES
from fedrec.errors import ConfigError, DataError
from fedrec.evaluation.gates import no_gates
from fedrec.evaluation.leave_one_out import Scorer, Scores
from fedrec.evaluation.ranking import ranks_of
from fedrec.randomness import generator

# Raise when the numbers that a seed gives change.
VERSION = 1

# Where the next item comes from.
SUCCESSOR, NEXT_TOPIC, SAME_THEME, OWN_TASTE, ANYTHING = 0.20, 0.50, 0.12, 0.15, 0.03

_POPULARITY_SIGMA = 1.0  # of the lognormal that makes few items popular and many rare
_SHORTEST, _MEAN_EXTRA, _LONGEST = 5, 5, 40  # events of a user
_CHUNK = 500  # users drawn together, bounds memory at chunk x items
_AGES = ("under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+")
_OCCUPATIONS = ("artist", "clerk", "engineer", "nurse", "retired", "student", "teacher", "writer")


@dataclass(frozen=True, kw_only=True)
class SyntheticSpec:
    """Size of the synthetic data.

    Raises:
        ConfigError: fewer than 10 users or than one item for each of the 60 topics.
    """

    users: int = 1000
    items: int = 300

    def __post_init__(self) -> None:
        if not 10 <= self.users <= 1_000_000:
            raise ConfigError(f"data.source: users={self.users} must lie in 10..1000000")
        if not 60 <= self.items <= 5_000:
            raise ConfigError(f"data.source: items={self.items} must lie in 60..5000")


@dataclass(frozen=True)
class World:
    """The generating process of one spec and seed; items 0-based here.

    Args:
        titles: of each item.
        themes: (V,) int64 theme of each item.
        topics: (V,) int64 topic of each item, numbered over all themes.
        popularity: (V,) float64, sums to 1.
        moves: (V, V) float64, probability of the next item by the last one, without the user's
            own taste; rows sum to 1 - OWN_TASTE.
        tastes: (U, G) float64, share of each theme in a user's taste, rows sum to 1.
    """

    titles: list[str]
    themes: NDArray[np.int64]
    topics: NDArray[np.int64]
    popularity: NDArray[np.float64]
    moves: NDArray[np.float64]
    tastes: NDArray[np.float64]

    def liked(self, users: NDArray[np.integer]) -> NDArray[np.float64]:
        """Probability of each item under the users' own tastes, (B, V), rows sum to 1."""
        shares = _shares(self.themes, self.popularity, len(THEMES))
        return np.asarray(self.tastes[users] @ shares)

    def probabilities(
        self, users: NDArray[np.integer], last: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """True probability of the next item, before items seen are taken out, (B, V)."""
        return np.asarray(self.moves[last] + OWN_TASTE * self.liked(users))


def read_spec(source: str) -> SyntheticSpec:
    """Read "synthetic" or "synthetic:users=2000,items=500".

    Raises:
        ConfigError: an unknown name or a value that is no whole number.
    """
    sizes: dict[str, int] = {}
    known = [field.name for field in fields(SyntheticSpec)]
    for part in filter(None, source.partition(":")[2].split(",")):
        name, _, value = part.strip().partition("=")
        if name not in known or not value.isdecimal() or not value.isascii():
            raise ConfigError(
                f"data.source {source!r}: {part!r} is not one of "
                f"{', '.join(f'{name}=NUMBER' for name in known)}"
            )
        sizes[name] = int(value)
    return SyntheticSpec(**sizes)


def make_world(spec: SyntheticSpec, *, seed: int) -> World:
    """The generating process, always the same for a spec and a seed."""
    rng = generator(seed, "synthetic", "world")
    num_topics = sum(len(theme.topics) for theme in THEMES)
    topics = np.sort(np.arange(spec.items) % num_topics)
    theme_of_topic = np.repeat(np.arange(len(THEMES)), [len(theme.topics) for theme in THEMES])
    themes = theme_of_topic[topics]
    popularity = rng.lognormal(sigma=_POPULARITY_SIGMA, size=spec.items)
    popularity /= popularity.sum()
    follower = _next_topics(theme_of_topic)
    in_topic = _shares(topics, popularity, num_topics)
    in_theme = _shares(themes, popularity, len(THEMES))
    successor = np.array([rng.choice(spec.items, p=in_topic[follower[topic]]) for topic in topics])
    moves = NEXT_TOPIC * in_topic[follower[topics]] + SAME_THEME * in_theme[themes]
    moves += ANYTHING * popularity
    moves[np.arange(spec.items), successor] += SUCCESSOR
    tastes = _tastes(spec.users, generator(seed, "synthetic", "tastes"))
    return World(_titles(topics, theme_of_topic), themes, topics, popularity, moves, tastes)


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


def best_scores(dataset: Dataset, users: NDArray[np.integer], stage: Stage) -> NDArray[np.float64]:
    """True probability of the next item of each user, (B, V + 1); column 0 is 0.

    Nothing that knows the users' histories can rank better on average, not even one that knew
    their tastes, as this does. Items seen are to be taken out by the one who ranks.

    Args:
        dataset: synthetic data as ``fedrec.data.store.prepare`` made them.
        users: (B,) users of the dataset.
        stage: which event is the next one.

    Raises:
        DataError: the dataset is not the synthetic one.
    """
    world = world_of(dataset)
    items = _original_items(dataset)
    original = np.array([int(dataset.user_ids[user][1:]) for user in users], dtype=np.int64)
    last = np.array([history(dataset.sequences, int(user), stage)[-1] for user in users])
    scores = np.zeros((len(users), dataset.catalog.num_items + 1))
    scores[:, 1:] = world.probabilities(original, items[last - 1])[:, items]
    return scores


def best_possible_ranks(dataset: Dataset, stage: Stage) -> NDArray[np.float64]:
    """Rank of every user's target under the true probabilities, (U,), full ranking.

    Items seen are no candidates; equal ones count half.

    Raises:
        DataError: the dataset is not the synthetic one.
    """
    ranks = []
    wanted = targets(dataset.sequences, stage)
    for start in range(0, dataset.sequences.num_users, _CHUNK):
        users = np.arange(start, min(start + _CHUNK, dataset.sequences.num_users))
        scores = best_scores(dataset, users, stage)
        seen = np.zeros(scores.shape, dtype=bool)
        for row, user in enumerate(users):
            seen[row, history(dataset.sequences, int(user), stage)] = True
        ranks.append(ranks_of(scores, wanted[users], seen))
    return np.concatenate(ranks)


def best_possible_scorer(dataset: Dataset) -> Scorer:
    """``best_scores`` for ``rank_held_out``, which gives histories only.

    A history is looked up to find whose taste to use; users with one and the same history share
    the mean of their tastes, and so does everybody for a history that is nobody's.

    Raises:
        DataError: the dataset is not the synthetic one.
    """
    world = world_of(dataset)
    items = _original_items(dataset)
    owners: dict[bytes, list[int]] = {}
    stages: tuple[Stage, ...] = ("validation", "test")
    for user, user_id in enumerate(dataset.user_ids):
        for stage in stages:
            key = history(dataset.sequences, user, stage).tobytes()
            owners.setdefault(key, []).append(int(user_id[1:]))
    everybody = world.liked(np.arange(len(world.tastes))).mean(axis=0)

    def score(histories: Sequence[NDArray[np.int32]], *_: object) -> Scores:
        scores = np.zeros((len(histories), dataset.catalog.num_items + 1))
        for row, seen in enumerate(histories):
            same = owners.get(np.asarray(seen, dtype=np.int32).tobytes())
            liked = everybody if same is None else world.liked(np.array(same)).mean(axis=0)
            scores[row, 1:] = (world.moves[items[seen[-1] - 1]] + OWN_TASTE * liked)[items]
        return Scores(scores, no_gates())

    return score


def _original_items(dataset: Dataset) -> NDArray[np.int64]:
    """The generator's number of each item of the catalogue, (V,)."""
    return np.array([int(item[1:]) for item in dataset.catalog.item_ids], dtype=np.int64)


def world_of(dataset: Dataset) -> World:
    """The generating process of prepared synthetic data, from its manifest.

    Raises:
        DataError: the data are not synthetic, or of another version of the generator.
    """
    facts = dataset.manifest.get("facts", {})
    if "synthetic" not in facts:
        raise DataError(
            f"the best ranking of {dataset.name!r} is unknown: only synthetic data has one"
        )
    if facts["generator"] != VERSION:
        raise DataError(
            f"{dataset.name} was made by version {facts['generator']} of the generator, "
            f"this is {VERSION}; prepare the data again"
        )
    return make_world(SyntheticSpec(**facts["synthetic"]), seed=facts["seed"])


def _next_topics(theme_of_topic: NDArray[np.int64]) -> NDArray[np.int64]:
    """The topic that follows each one: the next of its theme, after the last the first."""
    following = np.arange(1, len(theme_of_topic) + 1)
    first_of_theme = np.searchsorted(theme_of_topic, theme_of_topic)
    leaves = np.append(theme_of_topic[1:] != theme_of_topic[:-1], True)
    return np.where(leaves, first_of_theme, following)


def _shares(
    groups: NDArray[np.int64], popularity: NDArray[np.float64], num_groups: int
) -> NDArray[np.float64]:
    """Probability of each item within each group by popularity, (groups, V), rows sum to 1."""
    member = (np.arange(num_groups)[:, None] == groups[None, :]) * popularity
    return np.asarray(member / member.sum(axis=1, keepdims=True))


def _tastes(num_users: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Two or three themes a user, the first one the strongest."""
    tastes = np.zeros((num_users, len(THEMES)))
    favourites = np.argsort(rng.random((num_users, len(THEMES))), axis=1)[:, :3]
    shares = rng.dirichlet([4.0, 2.0, 1.0], size=num_users)
    shares[rng.random(num_users) < 0.5, 2] = 0.0
    np.put_along_axis(tastes, favourites, shares / shares.sum(axis=1, keepdims=True), axis=1)
    return tastes


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


def _titles(topics: NDArray[np.int64], theme_of_topic: NDArray[np.int64]) -> list[str]:
    """A title of each item, two phrases of its topic, no two titles alike."""
    first_topic = np.searchsorted(theme_of_topic, theme_of_topic)
    titles = []
    for position, topic in enumerate(topics):
        theme = THEMES[theme_of_topic[topic]]
        pairs = list(permutations(theme.topics[topic - first_topic[topic]], 2))
        number = position - int(np.searchsorted(topics, topic))
        volume, place = divmod(number, len(pairs))
        # 9 has no factor in common with 20: the first titles of a topic begin differently.
        first, second = pairs[place * 9 % len(pairs)]
        opening = f"{theme.openings[(volume - 1) % len(theme.openings)]} " if volume else ""
        titles.append(f"{opening}{first} and {second}")
    return titles


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
