"""What is asked of a language model and what comes back, whoever answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

Message = dict[str, str]  # "role" and "content"


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How an answer is generated.

    Attributes:
        temperature: 0 takes the likeliest token, so that the answer is the same every time.
        max_tokens: Tokens after which an answer is cut.
        seed: Seed of the draws at a temperature above 0.
    """

    temperature: float = 0.0
    max_tokens: int = 160
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Chat:
    """One question.

    Attributes:
        key: What names it in a ledger, and the stream of its draws.
        messages: The messages, the last one the user's.
        allowed: From the tokens that were written so far to those that may follow, for a model of
            this process; no limit without it.
    """

    key: str
    messages: tuple[Message, ...]
    allowed: Callable[[Sequence[int]], list[int]] | None = None

    @property
    def characters(self) -> int:
        """Characters of all messages."""
        return sum(len(message["content"]) for message in self.messages)

    @property
    def bytes(self) -> int:
        """Bound on its tokens: none is shorter than a byte; 16 a message stand for the template."""
        return sum(len(message["content"].encode()) + 16 for message in self.messages)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model answered.

    Attributes:
        text: The text, possibly no sense at all.
        is_cut: Whether it ran into ``max_tokens``.
        prompt_tokens: Tokens read.
        completion_tokens: Tokens written.
        seconds: Seconds of the call; of a batch, the share of one chat.
    """

    text: str
    is_cut: bool
    prompt_tokens: int
    completion_tokens: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A call that brought no answer.

    Attributes:
        kind: Name of the fault, such as "rate-limit" or "timeout".
        told: What was seen, in one line without secrets.
        prompt_tokens: Tokens read, where the reply says so.
        completion_tokens: Tokens written, where the reply says so.
        seconds: Seconds of the call.
        is_final: Whether asking the same again is of no use.
        stops: Whether asking anything is of no use, as with a wrong key.
        is_unbilled: Whether the call reached no model, so that nobody bills it.
    """

    kind: str
    told: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    is_final: bool = False
    stops: bool = False
    is_unbilled: bool = False


class Observer(Protocol):
    """Who is told of every call, so that each is booked before it is made and after it."""

    def may_ask(self, chat: Chat) -> bool:
        """Whether the call may be made; it is booked as begun if so."""

    def ended(self, chat: Chat, reply: Answer | Fault) -> None:
        """Book what came back of a call that was begun."""


class LanguageModel(Protocol):
    """A model that answers chats.

    Attributes:
        name: Name as it is recorded.
        revision: What tells its weights from others of that name, "" where nobody can know.
        is_billed: Whether calls may cost money.
        group: Chats that are answered together, so that each depends on the others; 0 for none.
    """

    name: str
    revision: str
    is_billed: bool
    group: int

    def ask(self, chats: Sequence[Chat], decoding: Decoding, observer: Observer) -> str:
        """Answer chats; each call is told to the observer, failed ones included.

        Returns:
            Why it stopped before the last chat, or "".
        """


Clock = Callable[[], float]
