"""Filters over the signals of all items: the same for two items, or words that all have.

What they find is the one signal, not the answer it came with. Near-same is decided exactly, by the
Jaccard similarity of word sets; an index of rare words finds the pairs, and misses none.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from fedrec.semantics.signals.filters.names import Finding
from fedrec.semantics.signals.filters.words import jaccard, telling_words, words

NEAR = 0.65  # one word of five exchanged is near-same (4/6), two of six are not (4/8)
SAME_ITEM = 0.5  # Jaccard of two titles; two sizes of one product may share a signal
COMMON = 0.1  # share of signals; a word that more of them have tells little
ALL_COMMON = 0.8  # share of a signal's words that are common
MIN_SIGNALS = 20  # document frequency of fewer tells nothing

Found = dict[tuple[int, str], Finding]  # item and kind -> what was found


def check_together(signals: Mapping[int, Mapping[str, str]], items: Sequence[str]) -> Found:
    """What is wrong with signals beside those of other items.

    Args:
        signals: Item (0-based) -> kind -> signal that passed the filters of an answer.
        items: Text of each item.

    Returns:
        (item, kind) -> the first that was found.
    """
    return _generic(signals) | _duplicates(signals, items)


def _duplicates(signals: Mapping[int, Mapping[str, str]], items: Sequence[str]) -> Found:
    texts = [(item, kind, text) for item, kinds in signals.items() for kind, text in kinds.items()]
    sets = [set(words(text)) for _, _, text in texts]
    titles = {
        item: set(words(items[item].split("\n", 1)[0].partition(": ")[2])) for item in signals
    }
    found: Found = {}
    for one, other in near_pairs(sets, NEAR):
        items_of = texts[one][0], texts[other][0]
        if items_of[0] == items_of[1]:
            continue  # kinds of one item are the business of the answer's own filter
        if jaccard(*(titles[item] for item in items_of)) >= SAME_ITEM:
            continue
        for mine, theirs in ((one, other), (other, one)):
            item, kind, _ = texts[mine]
            title = items[texts[theirs][0]].split("\n", 1)[0].partition(": ")[2]
            told = f"nearly {texts[theirs][2]!r} of {title!r}"
            found.setdefault((item, kind), Finding(filter="duplicate", kind=kind, told=told))
    return found


def near_pairs(sets: Sequence[set[str]], least: float) -> Iterator[tuple[int, int]]:
    """All pairs of sets with a Jaccard similarity of ``least`` or more, each once.

    Two sets that are so near share one of the rarest ``n - ceil(least n) + 1`` words of either
    (Chaudhuri et al., ICDE 2006; Bayardo et al., WWW 2007), so that only these are indexed.

    Args:
        sets: Words of each text.
        least: Similarity in (0, 1].
    """
    counts = Counter(word for one in sets for word in one)
    index: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(sets):
        rarest = sorted(one, key=lambda word: (counts[word], word))
        kept = rarest[: len(one) - math.ceil(least * len(one) - 1e-9) + 1]
        candidates = {earlier for word in kept for earlier in index[word]}
        for earlier in sorted(candidates):
            if jaccard(one, sets[earlier]) >= least:
                yield earlier, place
        for word in kept:
            index[word].append(place)


def _generic(signals: Mapping[int, Mapping[str, str]]) -> Found:
    """Signals of words that most signals of their kind have."""
    found: Found = {}
    for kind in {kind for kinds in signals.values() for kind in kinds}:
        mine = {
            item: telling_words(kinds[kind]) for item, kinds in signals.items() if kind in kinds
        }
        if len(mine) < MIN_SIGNALS:
            continue
        counts = Counter(word for some in mine.values() for word in some)
        common = {word for word, count in counts.items() if count > COMMON * len(mine)}
        for item, some in mine.items():
            if len(some & common) >= ALL_COMMON * len(some):
                told = f"{', '.join(sorted(some & common))} are in many signals of this kind"
                found[item, kind] = Finding(filter="generic", kind=kind, told=told)
    return found
