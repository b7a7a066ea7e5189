"""The book of a run: what the ledger says of each item, and what is booked as calls go on."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict

from fedrec.llm.chat import Answer, Chat, Fault
from fedrec.semantics.signals.budget import Budget
from fedrec.semantics.signals.filters.answer import Signals, check_answer
from fedrec.semantics.signals.filters.names import Finding
from fedrec.semantics.signals.ledger import Ledger, Record
from fedrec.semantics.signals.plan import ATTEMPTS, Plan

_ANSWER = ("text", "is_cut", "prompt_tokens", "completion_tokens", "seconds")
_FAULT = (
    *("kind", "told", "prompt_tokens", "completion_tokens", "seconds"),
    *("is_final", "stops", "is_unbilled"),
)


class Book:
    """Answers and faults by key, each written to the ledger before anything goes on.

    It is the observer of a language model; any number of threads may tell it of calls.

    Args:
        ledger: The open ledger.
        budget: Cost so far and its limit; what the ledger holds is booked into it.
        plan: Items and prompt.
        is_billed: Whether a call is written before it is made, too: killed under way, it may have
            been paid.
        day: Date of today, as 2026-01-31; a ledger that was begun earlier keeps its own.

    Attributes:
        answers: Key -> answers so far, one an attempt.
        faults: Key -> the last call, where it brought no answer.
        calls: How many calls were made, of which kind of fault or "answer".
        day: Date on which this ledger was begun.
        on_item: Function that is told of each item that needs no other call.
        prompt_tokens: Tokens read, by failed calls, too.
        completion_tokens: Tokens written.
        seconds: Seconds of all calls.
    """

    def __init__(
        self,
        ledger: Ledger,
        budget: Budget,
        plan: Plan,
        *,
        is_billed: bool,
        day: str,
    ) -> None:
        self._ledger, self._budget, self._plan = ledger, budget, plan
        self._is_billed = is_billed
        self.on_item: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._found: dict[tuple[str, int], tuple[Signals, list[Finding]]] = {}
        self._under_way: Counter[str] = Counter()
        self._bytes: dict[str, int] = {}
        self.answers: defaultdict[str, list[Answer]] = defaultdict(list)
        self.faults: dict[str, Fault] = {}
        self.calls: Counter[str] = Counter()
        self.day = ""
        self.prompt_tokens = self.completion_tokens = 0
        self.seconds = 0.0
        for record in ledger.records:
            self._read(record)
        lost = [key for key, count in self._under_way.items() for _ in range(max(0, count))]
        for key in lost:
            budget.book(budget.bound(self._bytes[key]))
            self.calls["lost in a kill"] += 1
        if not self.day:
            self.day = day
            about = {"event": "begin", "settings": plan.settings_key, "day": day, **plan.settings}
            ledger.append(about)

    @property
    def spent(self) -> float:
        """Cost of all calls of the ledger, by today's prices."""
        return self._budget.spent

    # ------------------------------------------------------------------ what a model tells

    def may_ask(self, chat: Chat) -> bool:
        """Whether a call is needed and within the budget; it is booked as begun if so."""
        key, attempt = _parts(chat)
        if len(self.answers[key]) >= attempt or not self._budget.begin(chat):
            return False
        if self._is_billed:
            call = {"event": "call", "key": key, "attempt": attempt, "bytes": chat.bytes}
            with self._lock:
                self._ledger.append(call, durable=False)  # the next answer brings it to the disk
        return True

    def ended(self, chat: Chat, reply: Answer | Fault) -> None:
        """Book what came back."""
        key, attempt = _parts(chat)
        fields = _ANSWER if isinstance(reply, Answer) else _FAULT
        event = "answer" if isinstance(reply, Answer) else "fault"
        facts = asdict(reply)
        record = {"event": event, "key": key, "attempt": attempt}
        with self._lock:
            self._ledger.append(record | {name: facts[name] for name in fields})
            self._budget.end(chat, reply)
            self._take(key, reply)
        if self.is_over(key):
            self.on_item()

    # ------------------------------------------------------------------ what is known of a key

    def found(self, key: str, attempt: int) -> tuple[Signals, list[Finding]]:
        """Signals of an answer, and what is wrong with it."""
        if (key, attempt) not in self._found:
            answer, prompt = self.answers[key][attempt - 1], self._plan.prompt
            self._found[key, attempt] = check_answer(
                answer.text,
                answer.is_cut,
                self._plan.asked[key],
                prompt.kinds,
                prompt.example_signals,
            )
        return self._found[key, attempt]

    def accepted(self, key: str) -> Signals | None:
        """Signals of the first answer with which nothing is wrong, or None."""
        for attempt in range(1, len(self.answers[key]) + 1):
            signals, findings = self.found(key, attempt)
            if not findings:
                return signals
        return None

    def is_over(self, key: str) -> bool:
        """Whether no other call could help: accepted, refused too often, or a final fault."""
        fault = self.faults.get(key)
        is_refused = len(self.answers[key]) >= ATTEMPTS
        return is_refused or bool(fault and fault.is_final) or self.accepted(key) is not None

    def needs(self, key: str, attempt: int) -> bool:
        """Whether an attempt is, or was, needed: all before it were answered, and refused."""
        fault = self.faults.get(key)
        if fault and fault.is_final:
            return False
        if len(self.answers[key]) < attempt - 1:
            return False
        return all(self.found(key, earlier)[1] for earlier in range(1, attempt))

    def refused(self, key: str, attempt: int) -> str:
        """What was wrong with an answer, as the next prompt says it; "" for attempt 0."""
        if attempt == 0:
            return ""
        findings = self.found(key, attempt)[1][:3]
        return "; ".join(f"{one.kind or 'it'}: {one.told}" for one in findings)

    # ------------------------------------------------------------------ what the ledger says

    def _read(self, record: Record) -> None:
        if record["event"] == "begin":
            if record["settings"] == self._plan.settings_key:
                self.day = record["day"]
            return
        key = f"{record['key']}/{record['attempt']}"
        if record["event"] == "call":
            self._under_way[key] += 1
            self._bytes[key] = record["bytes"]
            return
        self._under_way[key] -= 1
        fields = _ANSWER if record["event"] == "answer" else _FAULT
        facts = {name: record[name] for name in fields}
        reply = Answer(**facts) if record["event"] == "answer" else Fault(**facts)
        self._budget.book(self._budget.cost(reply, self._budget.bound(self._bytes.get(key, 0))))
        if record["key"] in self._plan.asked:
            self._take(record["key"], reply)

    def _take(self, key: str, reply: Answer | Fault) -> None:
        self.prompt_tokens += reply.prompt_tokens
        self.completion_tokens += reply.completion_tokens
        self.seconds += reply.seconds
        if isinstance(reply, Answer):
            self.answers[key].append(reply)
            self.faults.pop(key, None)
            self.calls["answer"] += 1
        else:
            self.faults[key] = reply
            self.calls[reply.kind] += 1


def _parts(chat: Chat) -> tuple[str, int]:
    key, _, attempt = chat.key.rpartition("/")
    return key, int(attempt)
