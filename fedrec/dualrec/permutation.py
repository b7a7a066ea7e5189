"""Answers that order candidates by their numbers: read, repaired, counted.

The repair is that of RankGPT (Sun et al., EMNLP 2023): what is named twice counts once, what is
missing follows in the order of stage 1, so that the result is always a permutation.
"""

import re
from dataclasses import dataclass, fields

from fedrec.errors import ConfigError

_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL | re.IGNORECASE)
_BRACKETED = re.compile(r"\[\s*(\d+)\s*\]")
_YEAR = re.compile(r"\(\s*\d{4}\s*\)")
# A number within a word, a decimal or a thousand is no index.
_NUMBER = re.compile(r"(?<![\w.])\d+(?!\w|\.\d)")
_LISTED = re.compile(r"^\s*(\d+)\s*[.):]\s+(.*\S)\s*$")
_ALONE = re.compile(
    r"^(?:candidate|item|film|movie|title|index|number|no\.?|#)?\s*#?(\d+)\W*$", re.I
)
_LEADING = re.compile(r"^\W*(?:candidate|item|film|movie|no\.?|#)?\s*#?(\d+)\W+[^\W\d]", re.I)
_MAX_DIGITS = 9  # a longer number is no index, and a very long one cannot be read


@dataclass(frozen=True, kw_only=True)
class PermutationCounts:
    """What became of the numbers in answers; counts of several answers add up.

    Attributes:
        answers: Answers read.
        unparsed: Answers without one valid number.
        candidates: Candidates that were to be ordered.
        named: Numbers read.
        invalid: Numbers that no candidate has.
        repeated: Numbers named before.
        missing: Candidates that were not named, and follow in the order of stage 1.
    """

    answers: int = 0
    unparsed: int = 0
    candidates: int = 0
    named: int = 0
    invalid: int = 0
    repeated: int = 0
    missing: int = 0

    def __add__(self, other: "PermutationCounts") -> "PermutationCounts":
        """Sum, count by count."""
        return PermutationCounts(
            **{
                one.name: getattr(self, one.name) + getattr(other, one.name)
                for one in fields(PermutationCounts)
            }
        )

    def shares(self) -> dict[str, float]:
        """Unparsed of the answers, invalid and repeated of the numbers, missing of candidates."""
        return {
            "unparsed": self.unparsed / max(self.answers, 1),
            "invalid": self.invalid / max(self.named, 1),
            "repeated": self.repeated / max(self.named, 1),
            "missing": self.missing / max(self.candidates, 1),
        }


@dataclass(frozen=True, kw_only=True)
class Permutation:
    """An order of candidates.

    Attributes:
        order: Places 0..K-1 of all K candidates, the first one first.
        counts: What became of the numbers.
    """

    order: tuple[int, ...]
    counts: PermutationCounts


def read_permutation(text: str, num_candidates: int) -> Permutation:
    """Read an answer such as "3, 1, 2", "[3] > [1] > [2]" or one number a line.

    Args:
        text: What the model wrote, possibly no sense at all.
        num_candidates: K; candidates were numbered from 1 to K, in the order of stage 1.

    Returns:
        A permutation of all K places; stage 1's order for an answer without a valid number.

    Raises:
        ConfigError: No candidate.
    """
    if num_candidates < 1:
        raise ConfigError(f"a list to order has 1 candidate or more, got {num_candidates}")
    named = _numbers(_THOUGHTS.sub("", text))
    valid = [int(one) - 1 for one in named if _is_valid(one, num_candidates)]
    chosen = list(dict.fromkeys(valid))
    rest = [place for place in range(num_candidates) if place not in set(chosen)]
    counts = PermutationCounts(
        answers=1,
        unparsed=int(not chosen),
        candidates=num_candidates,
        named=len(named),
        invalid=len(named) - len(valid),
        repeated=len(valid) - len(chosen),
        missing=len(rest),
    )
    return Permutation(order=(*chosen, *rest), counts=counts)


def _is_valid(number: str, num_candidates: int) -> bool:
    return len(number) <= _MAX_DIGITS and 1 <= int(number) <= num_candidates


def _numbers(text: str) -> list[str]:
    """Numbers of an answer that are meant as indices, in their order."""
    if bracketed := _BRACKETED.findall(text):
        return list(bracketed)
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    listed = [match for line in lines if (match := _LISTED.match(line))]
    if listed:
        alone = [_ALONE.match(match[2]) for match in listed]
        if all(alone):  # "1. 3" or "1. Candidate 3": the first number counts the lines
            return [match[1] for match in alone if match]
        return [match[1] for match in listed]  # "3. Title": the first number is the index
    leading = [match for line in lines if (match := _LEADING.match(line))]
    if len(leading) > 1:  # "3 Title", a title that may hold numbers itself
        return [match[1] for match in leading]
    return list(_NUMBER.findall(_YEAR.sub(" ", text)))
