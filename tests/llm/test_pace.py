"""Quotas a minute, back-off and circuit breaker, on a clock of our own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrec.llm.pace import Breaker, Quota, back_off


class Clock:
    """Seconds that pass only by waiting."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds


def begun(calls, **limits):
    """When calls of so many tokens begin."""
    clock = Clock()
    quota, times = Quota(**limits, clock=clock, sleep=clock.sleep), []
    for tokens in calls:
        quota.wait(tokens)
        times.append(clock.now)
    return times


def test_three_requests_a_minute():
    assert begun([1] * 7, requests=3) == [0, 0, 0, 60, 60, 60, 120]


def test_a_hundred_tokens_a_minute():
    # 60 and 40 fit into the first minute, 50 into the next, and so do 50 more; then 10 wait.
    assert begun([60, 40, 50, 50, 10], tokens=100) == [0, 0, 60, 60, 120]


def test_a_call_above_the_quota_waits_for_an_empty_minute():
    assert begun([10, 500, 10], tokens=100) == [0, 60, 120]


def test_no_limit_never_waits():
    assert begun([10**9] * 5) == [0] * 5


@given(st.lists(st.integers(1, 100), max_size=30), st.integers(1, 5), st.integers(100, 300))
def test_no_minute_ever_has_more_than_its_quota(calls, requests, tokens):
    times = begun(calls, requests=requests, tokens=tokens)
    for start in times:
        within = [
            count for time, count in zip(times, calls, strict=True) if start <= time < start + 60
        ]
        assert len(within) <= requests
        assert sum(within) <= tokens


def test_what_the_server_asks_for_holds_everybody():
    clock = Clock()
    quota = Quota(clock=clock, sleep=clock.sleep)
    quota.hold(17.0)
    quota.wait(1)
    assert clock.now == 17.0


def test_back_off_is_drawn_from_the_whole_range_that_doubles():
    stream = np.random.default_rng(0)
    for failures, most in ((1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (20, 60)):
        drawn = [back_off(failures, stream) for _ in range(400)]
        assert 0 <= min(drawn) < most * 0.05
        assert most * 0.95 < max(drawn) <= most


def test_the_breaker_opens_tries_and_closes():
    waited = []
    breaker = Breaker(3, 5.0, 2, sleep=waited.append)
    for _ in range(3):
        assert breaker.enter() == "go"
        breaker.leave("go", failed=True)
    assert breaker.enter() == "try"
    breaker.leave("try", failed=True)
    assert breaker.enter() == "try"
    breaker.leave("try", failed=False)
    assert waited == [5.0, 10.0]
    assert breaker.enter() == "go"


def test_the_breaker_gives_up_after_its_tries():
    breaker = Breaker(1, 5.0, 2, sleep=lambda seconds: None)
    for entered in ("go", "try", "try"):
        assert breaker.enter() == entered
        breaker.leave(entered, failed=True)
    assert breaker.enter() == "stop"


def test_a_success_in_between_keeps_it_closed():
    breaker = Breaker(2, 5.0, 2, sleep=pytest.fail)
    for failed in (True, False, True, False, True):
        assert breaker.enter() == "go"
        breaker.leave("go", failed=failed)
