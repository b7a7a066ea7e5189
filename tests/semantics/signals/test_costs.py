"""Cost: booked for every call, never above its limit, and told beforehand."""

import pytest

from fedrec.llm.chat import Answer, Chat, Fault
from fedrec.semantics.signals.budget import Budget, Prices
from fedrec.semantics.signals.estimate import assumed, estimate, measured
from fedrec.semantics.signals.write import ask_all
from tests.semantics.signals.conftest import Scripted, asked, booked, items
from tests.semantics.signals.stub import BAD, good_answer

PRICES = Prices(prompt=2.0, completion=8.0)  # a million


def answer(read, written):
    return Answer(text="", is_cut=False, prompt_tokens=read, completion_tokens=written, seconds=1.0)


def chat(key="a/1", characters=84):
    return Chat(key=key, messages=({"role": "user", "content": "x" * characters},))


def test_the_cost_of_tokens_by_hand():
    assert PRICES.cost(500_000, 250_000) == 3.0  # .5 * 2 + .25 * 8


def test_a_call_is_bounded_by_its_bytes_and_its_limit_of_tokens():
    budget = Budget(PRICES, None, max_tokens=50)
    assert chat().bytes == 100  # 84 and 16 for the template
    assert budget.bound(chat().bytes) == pytest.approx((100 * 2 + 50 * 8) / 1e6, rel=1e-12)


def test_what_is_under_way_counts_until_it_is_over():
    bound = (100 * 2 + 50 * 8) / 1e6
    budget = Budget(PRICES, max_cost=2.5 * bound, max_tokens=50)
    assert budget.begin(chat("a/1"))
    assert budget.begin(chat("b/1"))
    assert not budget.begin(chat("c/1"))
    budget.end(chat("a/1"), answer(10, 5))  # cheaper than its bound, so that there is room
    assert budget.begin(chat("c/1"))


@pytest.mark.parametrize(
    ("fault", "cost"),
    [
        (Fault(kind="rate-limit", told="", is_unbilled=True), 0.0),
        (Fault(kind="timeout", told=""), (100 * 2 + 50 * 8) / 1e6),  # may be billed in full
        (Fault(kind="refused", told="", prompt_tokens=30), 30 * 2 / 1e6),
    ],
)
def test_failed_calls_are_booked(fault, cost):
    budget = Budget(PRICES, None, max_tokens=50)
    budget.begin(chat())
    budget.end(chat(), fault)
    assert budget.spent == pytest.approx(cost, rel=1e-12)


def test_the_limit_stops_before_and_not_after(tmp_path, plan_for):
    model = Scripted()
    plan = plan_for(model, items(30))
    limit = 0.01
    with booked(tmp_path / "ledger.jsonl", plan, prices=PRICES, max_cost=limit) as book:
        assert ask_all(plan, model, book) == "the cost limit is reached"
        bound = Budget(PRICES, None, plan.decoding.max_tokens).bound(
            plan.chat(plan.keys[0], 1).bytes + 200
        )
        assert limit - bound < book.spent <= limit  # one more call could have exceeded it
        spent, made = book.spent, len(model.asked)
    assert 0 < made < 30
    with booked(tmp_path / "ledger.jsonl", plan, prices=PRICES, max_cost=limit) as book:
        assert book.spent == pytest.approx(spent, rel=1e-12)  # it is counted over all runs
        ask_all(plan, model, book)
    assert len(model.asked) == made


def test_an_estimate_from_twenty_items_is_within_ten_percent_of_what_happens(tmp_path, plan_for):
    """Every fourth item needs two answers; answers differ in length."""

    def text(item, attempt):
        is_bad = attempt == 1 and sum(item.encode()) % 4 == 0
        return BAD["loop"] if is_bad else good_answer(item)

    model = Scripted(text)
    plan = plan_for(model, items(300))
    path = tmp_path / "ledger.jsonl"
    with booked(path, plan) as book:
        ask_all(plan, model, book, first=40)
        before = (sum(book.calls.values()), book.prompt_tokens, book.completion_tokens)
        rates = measured(plan, book)
        told = estimate(plan, book, rates, prices=PRICES)
        seconds = book.seconds
        ask_all(plan, model, book)
        happened = (sum(book.calls.values()), book.prompt_tokens, book.completion_tokens)
        took = book.seconds - seconds
    assert rates.items == 40
    real = [after - earlier for after, earlier in zip(happened, before, strict=True)]
    assert told.items == 260
    assert told.calls == pytest.approx(real[0], rel=0.1)
    assert told.prompt_tokens == pytest.approx(real[1], rel=0.1)
    assert told.completion_tokens == pytest.approx(real[2], rel=0.1)
    assert told.cost == pytest.approx(PRICES.cost(real[1], real[2]), rel=0.1)
    assert told.seconds == pytest.approx(took, rel=0.1)


def test_without_a_measurement_the_rates_are_called_assumed(tmp_path, plan_for):
    plan = plan_for(Scripted(), items(30))
    with booked(tmp_path / "ledger.jsonl", plan) as book:
        assert measured(plan, book) is None
        told = estimate(plan, book, assumed(plan, None), prices=PRICES)
        assert (told.items, told.calls, told.seconds, told.rates.items) == (30, 30, None, 0)
        stated = estimate(plan, book, assumed(plan, 2.0), prices=PRICES, parallel=4)
        assert stated.seconds == 15.0  # 30 calls of 2 seconds, 4 at a time
        slow = estimate(plan, book, assumed(plan, 2.0), prices=PRICES, parallel=4, requests=60)
        assert slow.seconds == 30.0  # 60 a minute


def test_nine_items_are_no_measurement(tmp_path, plan_for):
    model = Scripted()
    for count, is_enough in ((9, False), (10, True)):
        plan = plan_for(model, items(count))
        asked(tmp_path / f"{count}.jsonl", plan, model)
        with booked(tmp_path / f"{count}.jsonl", plan) as book:
            assert (measured(plan, book) is not None) == is_enough
