"""Generating process of the synthetic data: topics, popularity, transitions, users' tastes.

A user follows two or three themes. The next item depends on the last one: mostly it lies in the
topic that comes next in the theme of the last item, often it is that item's own successor;
sometimes it is any item of the theme, one of the user's other themes, or anything. Within each of
these, popular items are likelier.
"""

from dataclasses import dataclass, fields
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from fedrec.data.synthetic.themes import THEMES
from fedrec.errors import ConfigError
from fedrec.randomness import generator

# Raise when the numbers that a seed gives change.
VERSION = 1

# Where the next item comes from.
SUCCESSOR, NEXT_TOPIC, SAME_THEME, OWN_TASTE, ANYTHING = 0.20, 0.50, 0.12, 0.15, 0.03

_POPULARITY_SIGMA = 1.0  # of the lognormal that makes few items popular and many rare


@dataclass(frozen=True, kw_only=True)
class SyntheticSpec:
    """Size of the synthetic data.

    Raises:
        ConfigError: Fewer than 10 users or than one item for each of the 60 topics.
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
        titles: Title of each item.
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
        """True probability of the next item, before items of the history are excluded, (B, V)."""
        return np.asarray(self.moves[last] + OWN_TASTE * self.liked(users))


def read_spec(source: str) -> SyntheticSpec:
    """Read "synthetic" or "synthetic:users=2000,items=500".

    Raises:
        ConfigError: An unknown name or a value that is no whole number.
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
