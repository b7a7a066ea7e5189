"""Users whose training breaks go alone, the same ones however users are spread over SuperNodes."""

import numpy as np
import pytest

from fedrec.errors import ParticipationError
from fedrec.training.negatives import shared_negatives
from fedrec.training.updates.bounds import LARGEST_LOSS, norm_of
from server.replies.train_users import NOT_FINITE
from server.rounds import train_round
from tests.server.rounds.users_one_by_one import USERS, apart, one_by_one

TOO_LARGE = "times as long as the weights (federation.outlier-limit), or its loss above 1e+06"
EACH = {"partition.count": 60, "partition.by": "each"}
SPREADS = [{"partition.count": 1}, {"partition.count": 3}, EACH]
WILD = USERS | {"model.name": "sasrec"}


def moved_by(start, users):
    """The weights after a round of these users alone."""
    weight = sum(one.targets for one in users)
    return {
        name: array + sum(one.targets * one.update[name] for one in users) / weight
        for name, array in start.items()
    }


@pytest.mark.parametrize("steps", [1, 2])
def test_the_same_users_go_too_far_in_any_partition(small_federation, opened, precision, steps):
    # At these rates some go further than the weights are long, which shall be too far here.
    wild = WILD | {"local.learning-rate": {1: 6.0, 2: 3.0}[steps], "local.steps": steps}
    federation, state = small_federation(wild)
    start, users = dict(state.weights), list(one_by_one(federation, opened, precision))
    size = norm_of(start.values())
    norms = np.sort([one.norm for one in users if one.norm > size])
    place = int(np.argmax(norms[1:] / norms[:-1]))
    limit = float(np.sqrt(norms[place] * norms[place + 1]) / size)  # in the widest gap
    kept = [one for one in users if one.norm <= limit * size]
    assert 0 < len(kept) < len(users)
    for spread in SPREADS:
        federation, state = small_federation(wild | spread | {"federation.outlier-limit": limit})
        line = train_round(federation, state, 1)
        gone = {one["user"] for one in line["excluded"]}
        assert gone == {one.user for one in users} - {one.user for one in kept}
        assert all(one["reason"].endswith(TOO_LARGE) for one in line["excluded"])
        assert line["users"] == {"sampled": 20, "aggregated": len(kept)}
        assert line["targets"] == steps * sum(one.targets for one in kept)
        losses = [one.loss for one in kept]
        mean = np.average(losses, weights=[one.targets for one in kept])
        assert line["train_loss"] == pytest.approx(mean, rel=1e-5)
        # Of weights that moved by numbers of the order of 10.
        assert apart(state.weights, moved_by(start, kept)) < 30 * precision.atol


def items_of_one(federation, opened, steps):
    """Item -> the only user of the round that reads it."""
    num_items, training, _ = opened(federation.config)
    sampled = federation.clients.population.sample(20, sampling="fixed", seed=0, round=1).tolist()
    drawn = [shared_negatives(0, 1, step, num_items, 4) for step in range(steps)]
    readers = {
        item: [user for user in sampled if item in training.of(user)]
        for item in set(range(1, num_items + 1)) - set(np.concatenate(drawn).tolist())
    }
    return {item: users[0] for item, users in sorted(readers.items()) if len(users) == 1}


def with_a_nan_and_a_huge_user(federation, opened, start):
    """Weights that break two users of the round, and who: NaN or infinity in one, much in another.

    A row that only one user reads is made so long that its logits overflow. Another is made a low
    enough target of its only reader, whose loss then is finite and of no use to anybody.
    """
    only = items_of_one(federation, opened, 1)
    (nan_item, nan_user), *others = only.items()
    for item, user in others:
        for sign in (1, -1):
            weights = {name: array.copy() for name, array in start.items()}
            weights["rows"][nan_item] = 1e38
            weights["rows"][item] = sign * 1e9 * np.arange(8)
            sent = {name: array.astype(np.float32) for name, array in weights.items()}
            users = one_by_one(federation, opened, sent=sent)
            losses = {one.user: one.loss for one in users}
            if user != nan_user and LARGEST_LOSS < losses[user] < np.inf:
                assert not np.isfinite(losses[nan_user])
                assert sum(loss < 100 for loss in losses.values()) == 18
                return weights, nan_user, user
    raise AssertionError("no user of the round breaks like that; choose another seed")


def test_a_huge_and_a_nan_user_are_excluded_in_any_partition(small_federation, opened):
    few = WILD | {"loss.negatives": 4}
    federation, state = small_federation(few)
    broken, nan_user, huge_user = with_a_nan_and_a_huge_user(federation, opened, state.weights)
    found = []
    for spread in SPREADS:
        federation, state = small_federation(few | spread)
        state.weights = dict(broken)
        line = train_round(federation, state, 1)
        reasons = {one["user"]: one["reason"] for one in line["excluded"]}
        assert set(reasons) == {nan_user, huge_user}
        assert reasons[nan_user] == NOT_FINITE
        assert reasons[huge_user].endswith(TOO_LARGE)
        assert line["users"] == {"sampled": 20, "aggregated": 18}
        found.append(state.weights)
    assert all(apart(one, found[0]) < 1e-5 for one in found)
    assert apart(found[0], broken) > 1e-3


# --- whole partitions ----------------------------------------------------------------------------


def test_a_partition_whose_users_all_broke_is_no_loss_of_a_reply(small_federation, opened):
    few = WILD | {"loss.negatives": 4} | EACH
    federation, state = small_federation(few)
    (item, user), *_ = items_of_one(federation, opened, 1).items()
    state.weights["rows"][item] = 1e38
    start = {name: array.copy() for name, array in state.weights.items()}
    line = train_round(federation, state, 1)
    [held_by] = federation.clients.population.by_partition(np.array([user]))
    assert line["excluded"] == [
        {"partition": held_by, "user": user, "reason": NOT_FINITE, "while": "train"}
    ]
    assert line["aggregated"] == [p for p in line["sampled"] if p != held_by]
    assert line["users"] == {"sampled": 20, "aggregated": 19}
    assert line["retried"] == []
    assert held_by not in state.accepted
    assert apart(state.weights, start) > 1e-3


@pytest.mark.parametrize("how", [{}, {"federation.row-averaging": "sparse", "local.steps": 2}])
def test_a_round_whose_users_all_broke_fails_by_their_number(small_federation, how):
    federation, state = small_federation(WILD | how)
    state.weights["rows"][:] = 1e38
    start = {name: array.copy() for name, array in state.weights.items()}
    with pytest.raises(ParticipationError) as failed:
        train_round(federation, state, 1)
    first = federation.clients.population.sample(20, sampling="fixed", seed=0, round=1)
    user = int(federation.clients.population.by_partition(first)[0][0])
    assert str(failed.value) == (
        "round 1: 0 of 20 clients sent a usable reply, 10 are needed "
        "(federation.min-participation = 0.5); first reason: "
        f"user {user} of partition 0: {NOT_FINITE}; "
        "the training of 20 users diverged: lower local.learning-rate"
    )
    for attempt in ("round 1, try 1", "round 1, try 2"):
        assert {one["user"] for one in failed.value.excluded[attempt]} == set(first.tolist())
    assert apart(state.weights, start) == 0


def test_users_that_broke_count_against_participation(small_federation, opened):
    changes = WILD | {"loss.negatives": 4, "federation.min-participation": 1.0}
    federation, state = small_federation(changes | {"federation.drop-out": 0.0})
    (item, user), *_ = items_of_one(federation, opened, 1).items()
    state.weights["rows"][item] = 1e38
    with pytest.raises(ParticipationError, match=rf"19 of 20 .* 20 are needed .* user {user} of"):
        train_round(federation, state, 1)


def test_a_simulated_drop_out_hides_no_other_reason(small_federation):
    changes = WILD | {"federation.drop-out": 0.5}
    federation, state = small_federation(changes)
    state.weights["rows"][:] = 1e38
    with pytest.raises(
        ParticipationError, match=r"first reason: user .*: its update or loss is NaN"
    ):
        train_round(federation, state, 1)
