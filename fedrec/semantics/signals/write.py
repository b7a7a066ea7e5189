"""Ask about the items of a plan, then judge all that was answered."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fedrec.llm.chat import LanguageModel
from fedrec.semantics.signals.book import Book
from fedrec.semantics.signals.filters.across import check_together
from fedrec.semantics.signals.filters.names import Finding
from fedrec.semantics.signals.plan import ATTEMPTS, Plan

NOT_ASKED = "not asked"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Something that a filter has found, or a call that failed.

    Attributes:
        answer: The answer it was found in, "" for an item that was not sent.
        findings: What was found.
    """

    answer: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class ItemResult:
    """What became of an item.

    Attributes:
        signals: Kind -> signal; without the kinds that a filter took.
        failure: Why it has none: the name of a filter or of a fault, or ``NOT_ASKED``; "" if it
            has one.
        seen: All that filters found, in the order of the answers, and the fault it ended by.
    """

    signals: dict[str, str]
    failure: str
    seen: tuple[Seen, ...]


def ask_all(plan: Plan, model: LanguageModel, book: Book, first: int | None = None) -> str:
    """Ask until every item is over, or the model stops.

    Chats that are answered together are always the same ones, whatever the ledger already holds,
    so that a run that was killed goes on to the same bytes.

    Args:
        plan: What is asked.
        model: Who answers.
        book: What is known, and where calls are booked.
        first: Only so many items, rounded up to whole groups.

    Returns:
        Why it stopped before the end, or "".
    """
    for group in _groups(list(plan.asked), model.group, first):
        for attempt in range(1, ATTEMPTS + 1):
            keys = [key for key in group if book.needs(key, attempt)]
            missing = [key for key in keys if len(book.answers[key]) < attempt]
            if not missing:
                continue
            chats = [
                plan.chat(key, attempt, book.refused(key, attempt - 1))
                for key in (keys if model.group else missing)
            ]
            if stopped := model.ask(chats, plan.decoding, book):
                return stopped
    return ""


def _groups(keys: Sequence[str], size: int, first: int | None) -> Iterator[Sequence[str]]:
    size = size or max(1, len(keys) if first is None else first)
    for start in range(0, len(keys) if first is None else min(first, len(keys)), size):
        yield keys[start : start + size]


def results(plan: Plan, book: Book) -> list[ItemResult]:
    """What became of each item, in the order of the catalogue."""
    first = [_alone(plan, book, place) for place in range(len(plan.texts))]
    accepted = {place: one.signals for place, one in enumerate(first) if one.signals}
    together = check_together(accepted, plan.texts)
    return [_after(one, place, together) for place, one in enumerate(first)]


def _alone(plan: Plan, book: Book, place: int) -> ItemResult:
    """What became of an item by the filters of its own answers."""
    if finding := plan.blocked.get(place):
        blocked = Seen(answer="", findings=(finding,))
        return ItemResult(signals={}, failure=finding.filter, seen=(blocked,))
    key = plan.keys[place]
    answers, fault = book.answers[key], book.faults.get(key)
    judged = [(answer.text, book.found(key, n)[1]) for n, answer in enumerate(answers, start=1)]
    seen = tuple(Seen(answer=text, findings=tuple(found)) for text, found in judged if found)
    if signals := book.accepted(key):
        return ItemResult(signals=dict(signals), failure="", seen=seen)
    if fault:
        failed = Finding(filter=fault.kind, kind="", told=fault.told)
        seen += (Seen(answer="", findings=(failed,)),)
        return ItemResult(signals={}, failure=fault.kind, seen=seen)
    if not book.is_over(key):
        return ItemResult(signals={}, failure=NOT_ASKED, seen=seen)
    return ItemResult(signals={}, failure=seen[-1].findings[0].filter, seen=seen)


def _after(one: ItemResult, place: int, together: dict[tuple[int, str], Finding]) -> ItemResult:
    """What is left of an item beside the others."""
    found = {kind: together[place, kind] for kind in one.signals if (place, kind) in together}
    if not found:
        return one
    kept = {kind: text for kind, text in one.signals.items() if kind not in found}
    taken = tuple(
        Seen(answer=one.signals[kind], findings=(finding,)) for kind, finding in found.items()
    )
    failure = "" if kept else taken[0].findings[0].filter
    return ItemResult(signals=kept, failure=failure, seen=one.seen + taken)


def counts(found: Sequence[ItemResult]) -> dict[str, int]:
    """How many items have a signal, and how many failed for which reason."""
    failed = Counter(one.failure for one in found if one.failure)
    return {"signals": sum(bool(one.signals) for one in found), **dict(sorted(failed.items()))}
