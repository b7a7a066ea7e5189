"""A trie over the titles of a catalogue, so that a language model can write nothing else.

Titles are token sequences, sorted; a node is a range of them, so that "is any title below this
node still allowed" is one subtraction of running sums, whatever was excluded. This is the
constrained decoding of GENRE (De Cao et al., ICLR 2021), with its open fault mended: where
nothing is allowed any more, the end is, and the trie is not left (facebookresearch/GENRE#51).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fedrec.errors import ConfigError

Excluded = NDArray[np.bool_]  # (V + 1,) True for items that must not be written


@dataclass(slots=True)
class _Node:
    """Titles ``first`` .. ``last - 1`` of the sorted ones; the first ``whole`` of them end here."""

    first: int
    last: int
    whole: int = 0
    children: dict[int, "_Node"] = field(default_factory=dict)


class TitleTrie:
    """The titles of V items as token sequences.

    Args:
        sequences: Tokens of each title, entry [v - 1] of item v. Equal ones are one title, which
            stands for the first of its items that is not excluded.
        end: Token that ends an answer.
        separator: Token between two titles, such as that of a line break.

    Raises:
        ConfigError: No title, an empty one, or one that holds ``end`` or ``separator``.
    """

    def __init__(
        self, sequences: Sequence[Sequence[int]], *, end: int, separator: int | None = None
    ) -> None:
        titles = [tuple(map(int, sequence)) for sequence in sequences]
        _check(titles, end, separator)
        self.end, self.separator = end, separator
        order = sorted(range(len(titles)), key=lambda place: (titles[place], place))
        self._items = np.array(order, dtype=np.int64) + 1
        self._root = _built([titles[place] for place in order])

    @property
    def num_items(self) -> int:
        """V."""
        return len(self._items)

    def allowed(
        self, tokens: Sequence[int], excluded: Excluded | None = None, wanted: int = 1
    ) -> list[int]:
        """Tokens that may follow.

        Args:
            tokens: What was written so far, without the prompt.
            excluded: (V + 1,) Items that must not be written, usually the history.
            wanted: Titles of an answer; fewer if fewer are left. More than 1 needs a separator.

        Returns:
            Sorted tokens; ``end`` alone where the answer is over, where nothing is left to write,
            and for what is no beginning of an answer.

        Raises:
            ConfigError: Several titles wanted without a separator.
        """
        if wanted > 1 and self.separator is None:
            raise ConfigError("a trie that writes several titles needs a separator token")
        titles, node = self._walk(tokens)
        if node is None or len(titles) >= wanted:
            return [self.end]
        alive = self._alive(titles, excluded)
        found = [
            token
            for token, child in node.children.items()
            if alive[child.last] > alive[child.first]
        ]
        if alive[node.first + node.whole] > alive[node.first]:
            left = alive[-1] - (alive[node.first + node.whole] - alive[node.first])
            more = len(titles) + 1 < wanted and left > 0 and self.separator is not None
            found.append(self.separator if more and self.separator is not None else self.end)
        return sorted(found) or [self.end]

    def items(self, tokens: Sequence[int], excluded: Excluded | None = None) -> list[int]:
        """Items of the titles in an answer; an unfinished title at its end is none.

        Args:
            tokens: What was written, without the prompt; anything behind the end is ignored.
            excluded: What was excluded when it was written.

        Returns:
            Items in their order, none of them excluded; [] for what is no answer.
        """
        tokens = [int(token) for token in tokens]
        if self.end not in tokens:
            return []
        written = tokens[: tokens.index(self.end)]
        titles, node = self._walk(written)
        if node is None or not node.whole:
            return []
        found = []
        for title in [*titles, node]:
            same = self._items[title.first : title.first + title.whole]
            free = same if excluded is None else same[~excluded[same]]
            if len(free):
                found.append(int(free[0]))
        return found

    def _walk(self, tokens: Sequence[int]) -> tuple[list[_Node], _Node | None]:
        """Titles finished before the last one, and where the last one is; None off the trie."""
        titles: list[_Node] = []
        node = self._root
        for token in tokens:
            child = node.children.get(int(token))
            if child is None and token == self.separator and node.whole:
                titles.append(node)
                child = self._root
            if child is None:
                return titles, None
            node = child
        return titles, node

    def _alive(self, titles: Sequence[_Node], excluded: Excluded | None) -> NDArray[np.int64]:
        """(V + 1,) Running number of sorted titles that may still be written."""
        may = np.ones(self.num_items, dtype=np.bool_)
        if excluded is not None:
            may &= ~excluded[self._items]
        for title in titles:
            may[title.first : title.first + title.whole] = False
        return np.concatenate([[0], np.cumsum(may)])


def catalogue_trie(
    titles: Sequence[str],
    encode: Callable[[str], Sequence[int]],
    *,
    end: int,
    separator: int | None = None,
) -> TitleTrie:
    """Trie of the titles as a tokenizer encodes them.

    Args:
        titles: V titles, as ``shown_titles`` writes them.
        encode: Tokens of a text, without marks of beginning and end.
        end: Token that ends an answer.
        separator: Token between two titles.
    """
    return TitleTrie([encode(title) for title in titles], end=end, separator=separator)


def _built(titles: list[tuple[int, ...]]) -> _Node:
    """Root over sorted titles."""
    root = _Node(0, len(titles))
    for place, title in enumerate(titles):
        node = root
        for token in title:
            node = node.children.setdefault(token, _Node(place, place))
            node.last = place + 1
        node.whole += 1
    return root


def _check(titles: list[tuple[int, ...]], end: int, separator: int | None) -> None:
    if not titles:
        raise ConfigError("a trie of titles needs one title or more, got none")
    if separator == end:
        raise ConfigError(f"token {end} cannot both separate titles and end an answer")
    for item, title in enumerate(titles, start=1):
        if not title or end in title or separator in title:
            raise ConfigError(
                f"the title of item {item} has tokens {list(title)[:8]}; expected one or more, "
                f"without the end {end} and the separator {separator}"
            )
