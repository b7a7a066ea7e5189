import numpy as np
import pytest
import torch

import fedrec.evaluation.leave_one_out as held_out_module
from fedrec.baselines.popularity import popularity_scorer
from fedrec.data.sequences import Sequences
from fedrec.evaluation.leave_one_out import leave_one_out_ranks
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.models.recommender import catalogue_of, score_next

NUM_ITEMS = 40


@pytest.fixture
def model(make_tiny):
    made = make_tiny()
    stream = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=stream) / 3)
    return made


def ranked(scorer, sequences, users=None, stage="validation"):
    return leave_one_out_ranks(
        scorer,
        sequences,
        np.arange(sequences.num_users) if users is None else users,
        stage=stage,
        protocols=("full",),
        num_items=NUM_ITEMS,
        counts=None,
        seed=0,
    )


def test_histories_scored_together_equal_those_scored_alone(model):
    score = model_scorer(model, NUM_ITEMS, max_length=10)
    histories = [np.array([3, 4]), np.array([9]), np.arange(1, 9)]
    together, alones = score(histories), [score([history]) for history in histories]
    for row, alone in enumerate(alones):
        np.testing.assert_allclose(together.scores[row], alone.scores[0], rtol=0, atol=1e-5)
    summed = sum(alone.gates for alone in alones)
    np.testing.assert_allclose(together.gates, summed, rtol=0, atol=1e-6)


def test_a_hidden_next_item_takes_one_of_the_places(make_tiny):
    score = model_scorer(make_tiny(name="bert4rec"), NUM_ITEMS, max_length=4)
    long, short = np.array([30, 1, 2, 3]), np.array([1, 2, 3])
    np.testing.assert_array_equal(score([long]).scores, score([short]).scores)
    assert not np.array_equal(score([short]).scores, score([short[1:]]).scores)


def test_times_reach_the_model_up_to_the_moment_of_the_target(make_tiny, twelve_users):
    model = make_tiny(time="hour,gap,relative", max_length=4)
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            drawn = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
            parameter.add_(drawn / 3)
    times = np.cumsum(np.arange(twelve_users.num_events, dtype=np.int64) * 997 % 40_000)
    timed = Sequences(twelve_users.items, twelve_users.offsets, times)
    score = model_scorer(model, NUM_ITEMS, max_length=4)
    found = leave_one_out_ranks(
        score,
        timed,
        np.array([9]),
        stage="test",
        protocols=("full",),
        num_items=NUM_ITEMS,
        counts=None,
        seed=0,
        with_times=True,
    )
    row, when = timed.of(9), timed.times_of(9)
    expected = score_next(
        model,
        catalogue_of(model, NUM_ITEMS),
        torch.from_numpy(row[-5:-1].astype(np.int64))[None],
        torch.tensor([4]),
        times=torch.from_numpy(when[-6:])[None],  # the event before, four items, the target
    )[0][0]
    others = np.setdiff1d(np.arange(1, NUM_ITEMS + 1), row)
    assert found.ranks["full"][0] == 1 + (expected[others] > expected[row[-1]]).sum()


def test_only_the_last_items_of_a_long_history_are_read(model):
    score = model_scorer(model, NUM_ITEMS, max_length=4)
    long, short = np.array([30, 31, 1, 2, 3, 4]), np.array([1, 2, 3, 4])
    np.testing.assert_array_equal(score([long]).scores, score([short]).scores)


def test_scoring_leaves_no_gradients_and_what_is_trained_stays_trainable(model):
    score = model_scorer(model.train(), NUM_ITEMS, max_length=10)
    score([np.array([1, 2])])
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_ranks_do_not_depend_on_who_is_ranked_together(model, twelve_users, monkeypatch):
    score = model_scorer(model, NUM_ITEMS, max_length=10)
    together = ranked(score, twelve_users)
    monkeypatch.setattr(held_out_module, "BATCH", 1)
    alone = ranked(score, twelve_users)
    np.testing.assert_array_equal(together.ranks["full"], alone.ranks["full"])
    np.testing.assert_allclose(together.gates, alone.gates, rtol=0, atol=1e-6)


def test_ranks_come_in_the_order_of_the_users_given(model, twelve_users):
    score = model_scorer(model, NUM_ITEMS, max_length=10)
    everybody = ranked(score, twelve_users)
    some = ranked(score, twelve_users, users=np.array([9, 2, 5]))
    np.testing.assert_array_equal(some.users, [9, 2, 5])
    np.testing.assert_array_equal(some.targets, everybody.targets[[9, 2, 5]])
    np.testing.assert_array_equal(some.ranks["full"], everybody.ranks["full"][[9, 2, 5]])


@pytest.mark.parametrize(("stage", "back"), [("validation", 2), ("test", 1)])
def test_ranks_by_the_slow_loop(model, twelve_users, stage, back):
    score = model_scorer(model, NUM_ITEMS, max_length=10)
    found = ranked(score, twelve_users, stage=stage)
    for user in range(12):
        row = twelve_users.of(user)
        history, target = row[:-back], row[-back]
        scores = score([history]).scores[0]
        others = [item for item in range(1, NUM_ITEMS + 1) if item not in [*history, target]]
        assert found.ranks["full"][user] == 1 + sum(scores[others] > scores[target])
        assert found.num_candidates[user] == 1 + len(others)


def test_popularity_ranks_by_counts(twelve_users):
    counts = np.arange(NUM_ITEMS + 1)  # item 40 is the most popular
    found = ranked(popularity_scorer(counts), twelve_users)
    for user in range(12):
        row = twelve_users.of(user)
        unseen = set(range(1, NUM_ITEMS + 1)) - set(row[:-2].tolist())
        assert found.ranks["full"][user] == sum(item >= row[-2] for item in unseen)
    assert found.gates.shape[-1] == 1  # no views
