"""Filters of one answer: whatever they find, the whole answer is refused.

A model that loops in one of three sentences is not to be trusted with the two others.
"""

import json
import re
from collections.abc import Mapping, Sequence

from fedrec.semantics.signals.filters.names import Finding
from fedrec.semantics.signals.filters.words import (
    content_words,
    jaccard,
    repeated_run,
    telling_words,
    words,
)

MIN_WORDS, MAX_WORDS, MAX_CHARACTERS = 3, 30, 240
COPIED = 0.6  # Jaccard of words; "a gift that fits any box" for "a tidy gift that fits any bag"
SAME_KIND = 0.5  # Jaccard of words that tell, between two kinds of an item
RUN = 3  # words in a row that may not occur twice
DISTINCT = 0.75  # of the words that carry the sense, more than this share must be distinct
TITLE_RUN = 4  # words of a title in a row that may not be quoted
LONG_FIELD, QUOTED = "description", 5  # words of it in a row that may not be quoted

_FENCE = re.compile(r"^```(?:json)?\s*\n(?P<inside>.*?)\n?```$", re.DOTALL)
_MARKUP = re.compile(
    r"https?:|www\.|[<>{}\[\]`|\u2039\u203a]|\bjson\b|as an ai\b|language model|chatbot|"
    r"\bi(?:'m| am) (?:sorry|here)|\bi (?:cannot|can't)",
    re.IGNORECASE,
)

Signals = dict[str, str]


def check_answer(
    text: str, is_cut: bool, item: str, kinds: Sequence[str], examples: Sequence[str]
) -> tuple[Signals, list[Finding]]:
    """The signals of an answer, and what is wrong with it; none is accepted with a finding.

    Args:
        text: Answer of the model.
        is_cut: Whether it ran into its limit of tokens.
        item: Text of the item, as it was asked about.
        kinds: Kinds of signals that were asked for.
        examples: Signals of the prompt's worked examples.
    """
    signals, finding = _parsed(text, is_cut, kinds)
    if finding:
        return {}, [finding]
    found: list[Finding] = []
    for kind, signal in signals.items():
        found += [
            Finding(filter=name, kind=kind, told=told)
            for name, told in (
                ("length", _length(signal)),
                ("markup", _markup(signal)),
                ("copied-example", _copied(signal, examples)),
                ("title-echo", _echo(signal, item)),
                ("loop", _loop(signal)),
                ("generic", _generic(signal)),
            )
            if told
        ]
    return signals, found + _same_between_kinds(signals)


def _parsed(text: str, is_cut: bool, kinds: Sequence[str]) -> tuple[Signals, Finding | None]:
    """The object that an answer is, or why it is none."""

    def wrong(told: str) -> tuple[Signals, Finding]:
        return {}, Finding(filter="schema", kind="", told=told)

    inside = _FENCE.match(text.strip())
    try:
        pairs = json.loads(inside["inside"] if inside else text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return wrong("cut at the limit of tokens" if is_cut else "no JSON object")
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        return wrong("no JSON object")
    keys = [key for key, _ in pairs]
    if sorted(keys) != sorted(kinds):
        return wrong(f"keys {', '.join(keys)[:120] or '(none)'}; expected {', '.join(kinds)}")
    read = dict(pairs)
    bad = [kind for kind in kinds if not isinstance(read[kind], str) or not read[kind].strip()]
    if bad:
        return wrong(f"{', '.join(bad)} is no text")
    return {kind: " ".join(read[kind].split()) for kind in kinds}, None


def _length(signal: str) -> str:
    count = len(words(signal))
    if MIN_WORDS <= count <= MAX_WORDS and len(signal) <= MAX_CHARACTERS:
        return ""
    return f"{count} words, {len(signal)} characters"


def _markup(signal: str) -> str:
    found = _MARKUP.search(signal)
    return f"{found[0]!r}" if found else ""


def _copied(signal: str, examples: Sequence[str]) -> str:
    mine = set(words(signal))
    found = (theirs for theirs in examples if jaccard(mine, set(words(theirs))) >= COPIED)
    return next((f"nearly {theirs!r}" for theirs in found), "")


def _echo(signal: str, item: str) -> str:
    """Whether little but the item's own words is left, or its text is quoted.

    The words of a description may be used: a signal that puts it shortly is of use.
    """
    lines = [line.partition(": ") for line in item.split("\n")]
    known = {word for name, _, text in lines if name != LONG_FIELD for word in content_words(text)}
    mine = telling_words(signal)
    shared = mine & known
    if shared and len(mine - shared) < 2 and len(mine - shared) <= len(shared):
        return f"of its words, {', '.join(sorted(shared))} are the item's own"
    spoken = words(signal)
    for name, _, text in lines:
        length = QUOTED if name == LONG_FIELD else TITLE_RUN
        own = words(text)
        runs = {tuple(own[at : at + length]) for at in range(len(own) - length + 1)}
        for at in range(len(spoken) - length + 1):
            if tuple(spoken[at : at + length]) in runs:
                return f"quotes {' '.join(spoken[at : at + length])!r}"
    return ""


def _loop(signal: str) -> str:
    tokens = words(signal)
    if run := repeated_run(tokens, RUN):
        return f"{' '.join(run)!r} twice"
    sense = content_words(signal)
    if len(sense) > 1 and len(set(sense)) <= DISTINCT * len(sense):
        often = max(sense, key=sense.count)
        return f"{often!r} {sense.count(often)} times in {len(sense)} words"
    return ""


def _generic(signal: str) -> str:
    mine = telling_words(signal)
    return "" if len(mine) >= 2 else f"only {', '.join(mine) or 'nothing'} tells the item"


def _same_between_kinds(signals: Mapping[str, str]) -> list[Finding]:
    """Kinds of one item that say the same."""
    found: list[Finding] = []
    kinds = list(signals)
    for place, kind in enumerate(kinds):
        for earlier in kinds[:place]:
            mine, theirs = telling_words(signals[kind]), telling_words(signals[earlier])
            smaller = min(len(mine), len(theirs))
            is_within = smaller > 1 and len(mine & theirs) == smaller
            if jaccard(mine, theirs) >= SAME_KIND or is_within:
                found.append(Finding(filter="loop", kind=kind, told=f"says what {earlier} says"))
                break
    return found
