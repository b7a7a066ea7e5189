"""Invented items, the prompt, and runs against a stub or a scripted model."""

import contextlib
from collections.abc import Callable, Sequence

import pytest

from fedrec.data.catalog import Catalog
from fedrec.llm.chat import Answer, Chat, Decoding
from fedrec.semantics.signals.book import Book
from fedrec.semantics.signals.budget import Budget, Prices
from fedrec.semantics.signals.ledger import Ledger
from fedrec.semantics.signals.plan import make_plan
from fedrec.semantics.signals.prompt import KINDS, read_prompt
from fedrec.semantics.signals.write import ask_all, results
from tests.semantics.signals.stub import Stub, good_answer, pseudo, serving


def items(count: int) -> Catalog:
    """Invented items with titles of their own."""
    return Catalog(
        item_ids=[f"id{place}" for place in range(count)],
        titles=[f"{pseudo(place)} {pseudo('b', place)}" for place in range(count)],
        genres=[("Hair Care",)] * count,
        years=[None] * count,
        descriptions=[""] * count,
    )


class Scripted:
    """A billed model without a network: what it answers is a function of item and attempt."""

    is_billed, group, revision = True, 0, "1"

    def __init__(self, answer: Callable[[str, int], str] = lambda item, attempt: good_answer(item)):
        self.name, self.answer = "scripted", answer
        self.asked: list[str] = []

    def ask(self, chats: Sequence[Chat], decoding: Decoding, observer) -> str:
        for chat in chats:
            if not observer.may_ask(chat):
                return "the cost limit is reached"
            self.asked.append(chat.key)
            item = chat.messages[-1]["content"].split("\n</item>")[0].removeprefix("<item>\n")
            text = self.answer(item, int(chat.key.rpartition("/")[2]))
            observer.ended(
                chat,
                Answer(
                    text=text,
                    is_cut=False,
                    prompt_tokens=chat.characters // 4,
                    completion_tokens=len(text) // 4,
                    seconds=0.5,
                ),
            )
        return ""


@pytest.fixture(scope="session")
def prompt():
    return read_prompt(KINDS)


@pytest.fixture
def plan_for(prompt):
    """``plan_for(model, catalog)``: what is asked about its items."""

    def make(model, catalog, **changes):
        how = {"dataset": "invented", "fields": ("title", "genres"), "decoding": Decoding()}
        return make_plan(catalog, prompt=prompt, model=model, **(how | changes))

    return make


@contextlib.contextmanager
def booked(path, plan, *, prices=None, max_cost=None, is_billed=True):
    """An open book of a ledger."""
    budget = Budget(prices or Prices(), max_cost, plan.decoding.max_tokens)
    with contextlib.closing(Ledger(path)) as ledger:
        yield Book(ledger, budget, plan, is_billed=is_billed, day="2026-01-31")


def asked(path, plan, model, **how):
    """Ask about all items; what became of them, and why it stopped."""
    with booked(path, plan, **how) as book:
        stopped = ask_all(plan, model, book)
        return results(plan, book), stopped


@pytest.fixture
def stub():
    with serving(Stub()) as served:
        yield served
