"""What calls cost, by the user's own prices, and whether the next one may be made."""

import threading
from dataclasses import dataclass

from fedrec.llm.chat import Answer, Chat, Fault

MILLION = 1e6


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Prices of a million tokens, in any currency; 0 is not known, or free.

    Attributes:
        prompt: Of tokens read.
        completion: Of tokens written.
    """

    prompt: float = 0.0
    completion: float = 0.0

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Cost of tokens."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / MILLION


class Budget:
    """Cost so far, with an upper bound for the calls that are under way.

    Args:
        prices: Prices of tokens.
        max_cost: Cost that is never exceeded, or None.
        max_tokens: Tokens after which an answer is cut.
    """

    def __init__(self, prices: Prices, max_cost: float | None, max_tokens: int) -> None:
        self._prices, self._max_cost, self._max_tokens = prices, max_cost, max_tokens
        self._lock = threading.Lock()
        self._under_way: dict[str, float] = {}
        self.spent = 0.0

    def bound(self, num_bytes: int) -> float:
        """Upper bound of the cost of a call with so many bytes: no token is shorter than one."""
        return self._prices.cost(num_bytes, self._max_tokens) if num_bytes else 0.0

    def begin(self, chat: Chat) -> bool:
        """Whether a call stays within the limit, whatever comes back; it is reserved if so."""
        with self._lock:
            bound = self.bound(chat.bytes)
            reserved = sum(self._under_way.values())
            if self._max_cost is not None and self.spent + reserved + bound > self._max_cost:
                return False
            self._under_way[chat.key] = bound
            return True

    def end(self, chat: Chat, reply: Answer | Fault) -> None:
        """Book a call that has ended."""
        with self._lock:
            self._under_way.pop(chat.key, None)
            self.spent += self.cost(reply, self.bound(chat.bytes))

    def cost(self, reply: Answer | Fault, bound: float) -> float:
        """Cost of a call; its upper bound where the server may bill and no tokens are known."""
        if reply.prompt_tokens or reply.completion_tokens:
            return self._prices.cost(reply.prompt_tokens, reply.completion_tokens)
        return 0.0 if isinstance(reply, Fault) and reply.is_unbilled else bound

    def book(self, cost: float) -> None:
        """Book what a ledger tells of an earlier call."""
        with self._lock:
            self.spent += cost
