"""What a run will take: calls, tokens, cost, time, from what was measured or is stated."""

from collections.abc import Callable
from dataclasses import dataclass

from fedrec.llm.chat import Chat
from fedrec.semantics.signals.book import Book
from fedrec.semantics.signals.budget import Prices
from fedrec.semantics.signals.plan import Plan

MIN_MEASURED = 10  # items; fewer tell too little
CHARACTERS_A_TOKEN = 4.0  # of English text; said to be an assumption wherever it is used


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What an item takes.

    Attributes:
        items: Items that were measured; 0 where the rates are assumed.
        calls: Calls an item, failed ones and second attempts included.
        prompt_tokens: Tokens read for a character of the first prompt, over all calls of an item.
        completion_tokens: Tokens written an item.
        seconds: Seconds a call, None where nobody knows.
    """

    items: int
    calls: float
    prompt_tokens: float
    completion_tokens: float
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What is still to be done.

    Attributes:
        items: Items to be asked about.
        calls: Calls.
        prompt_tokens: Tokens read.
        completion_tokens: Tokens written.
        cost: Cost by the prices given.
        seconds: Seconds, None where no speed is known.
        rates: What it was computed from.
    """

    items: int
    calls: float
    prompt_tokens: float
    completion_tokens: float
    cost: float
    seconds: float | None
    rates: Rates


def measured(plan: Plan, book: Book) -> Rates | None:
    """Rates of the items that are over, or None where they are too few."""
    over = [key for key in plan.asked if book.answers[key] and book.is_over(key)]
    if len(over) < MIN_MEASURED:
        return None
    answers = [answer for key in over for answer in book.answers[key]]
    characters = sum(plan.chat(key, 1).characters for key in over)
    made = sum(book.calls.values())
    answered = max(1, book.calls["answer"])
    return Rates(
        items=len(over),
        calls=len(answers) / len(over) * made / answered,
        prompt_tokens=sum(one.prompt_tokens for one in answers) / characters,
        completion_tokens=sum(one.completion_tokens for one in answers) / len(over),
        seconds=sum(one.seconds for one in answers) / len(answers),
    )


def assumed(plan: Plan, seconds: float | None) -> Rates:
    """Rates where nothing was measured: one call an item, answers as long as the examples'.

    Args:
        plan: The plan.
        seconds: Seconds a call, as the user states them.
    """
    lengths = [
        sum(len(text) + len(kind) + 8 for kind, text in example.signals.items())
        for example in plan.prompt.examples
    ]
    return Rates(
        items=0,
        calls=1.0,
        prompt_tokens=1 / CHARACTERS_A_TOKEN,
        completion_tokens=sum(lengths) / len(lengths) / CHARACTERS_A_TOKEN,
        seconds=seconds,
    )


def estimate(
    plan: Plan,
    book: Book,
    rates: Rates,
    *,
    prices: Prices,
    parallel: int = 1,
    requests: int = 0,
    tokens: int = 0,
    count_tokens: Callable[[Chat], int] | None = None,
) -> Estimate:
    """What the items take that are not over.

    Args:
        plan: The plan.
        book: What is known of its items.
        rates: What an item takes.
        prices: Prices of tokens.
        parallel: Calls at a time.
        requests: Requests a minute; 0 is no limit.
        tokens: Tokens a minute; 0 is no limit.
        count_tokens: Function that counts the tokens of a prompt, where the tokenizer is here.
    """
    chats = [plan.chat(key, 1) for key in plan.asked if not book.is_over(key)]
    calls = len(chats) * rates.calls
    if count_tokens is not None and not rates.items:
        read = float(sum(map(count_tokens, chats)))
    else:
        read = sum(chat.characters for chat in chats) * rates.prompt_tokens
    written = len(chats) * rates.completion_tokens
    paces = [calls * 60 / requests if requests else 0.0]
    paces.append((read + written) * 60 / tokens if tokens else 0.0)
    if rates.seconds is not None:
        paces.append(calls * rates.seconds / parallel)
    return Estimate(
        items=len(chats),
        calls=calls,
        prompt_tokens=read,
        completion_tokens=written,
        cost=prices.cost(read, written),
        seconds=max(paces) if any(paces) else None,
        rates=rates,
    )
