"""Hidden items: which, of whom, and what is asked of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrec.data.sequences import Sequences
from fedrec.training.batches import collate, num_targets
from fedrec.training.cloze import cloze
from fedrec.training.local import Plan, fit, make_optimizer
from fedrec.training.objective import make_objective

NUM_ITEMS = 40
PLAN = Plan(
    epochs=1,
    steps=0,
    batch_size=4,
    max_length=10,
    dropout=0.2,
    identity_dropout=0.2,
    mask_share=0.4,
)
MODELS = [{"name": "bert4rec"}, {"encoder": "bidirectional"}]


def sequences(*lengths):
    """Users whose items are 100 times their number plus 1, 2, 3, ..."""
    rows = [100 * user + np.arange(1, length + 1) for user, length in enumerate(lengths)]
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    return Sequences(np.concatenate(rows).astype(np.int32), offsets)


def hidden(batch, share=0.4, max_length=10, step=0):
    return cloze(batch, share, max_length=max_length, seed=3, round=1, step=step)


@given(
    st.lists(st.integers(2, 30), min_size=1, max_size=6),
    st.integers(2, 9),
    st.floats(0.01, 0.99),
    st.integers(0, 50),
)
def test_what_is_hidden_is_asked_and_nothing_else_changes(lengths, max_length, share, step):
    data, users = sequences(*lengths), np.arange(len(lengths))
    windows = collate(data, users, max_length, windows=0)
    holes = hidden(windows, share, max_length, step)
    assert holes.items.shape[1] <= max_length
    for row, user in enumerate(windows.users):
        length = holes.lengths[row]
        items, targets = holes.items[row], holes.targets[row]
        end = windows.targets[row, windows.lengths[row] - 1] - 100 * user  # place of the last item
        np.testing.assert_array_equal(
            (items + targets)[:length], 100 * user + np.arange(end - length + 1, end + 1)
        )
        assert not items[length:].any()
        assert not targets[length:].any()
        assert (items[:length] == 0).sum() == (targets > 0).sum()
        assert 1 <= (targets > 0).sum() <= min(length - 1, max(1, round(share * length)))
    asked = holes.items[holes.items > 0].tolist() + holes.targets[holes.targets > 0].tolist()
    assert len(asked) == len(set(asked))  # windows share no item
    assert holes.num_targets <= num_targets(data, users, max_length, windows=0).sum()


def test_holes_of_a_user_do_not_depend_on_batch_mates():
    data = sequences(9, 30, 12, 25)
    together = hidden(collate(data, np.arange(4), 10, windows=0))
    for user in range(4):
        alone = hidden(collate(data, np.array([user]), 10, windows=0))
        rows = together.users == user
        width = alone.items.shape[1]
        np.testing.assert_array_equal(together.items[rows][:, :width], alone.items)


def test_steps_hide_other_items_and_now_and_then_the_last_alone():
    data, last, alone = sequences(20), 0, 0
    batch, seen = collate(data, np.array([0]), 20), set()
    for step in range(400):
        places = np.flatnonzero(hidden(batch, 0.4, 20, step).targets[0])
        seen.add(tuple(places))
        last += 19 in places
        alone += places.tolist() == [19]
        assert len(places) in (1, 8)
    assert len(seen) > 300
    assert 18 < alone < 60  # 400 / 11 = 36, give or take three times 6
    assert 140 < last < 230  # 36 and .4 of the others: 182


@pytest.mark.parametrize("loss", ["sampled-softmax", "softmax", "bce", "gbce"])
@pytest.mark.parametrize("settings", MODELS, ids=str)
def test_every_loss_trains_a_model_to_name_what_is_hidden(
    make_tiny, twelve_training, settings, loss
):
    def trained():
        model = make_tiny(**settings)
        optimizer = make_optimizer(model, "adam", learning_rate=0.01, beta_2=0.98, weight_decay=0.0)
        objective = make_objective(
            loss,
            training=twelve_training,
            catalogue=np.arange(1, NUM_ITEMS + 1),
            negatives=10,
            log_q=True,
            calibration=0.75,
        )
        users = np.arange(12)
        keys = {"plan": PLAN, "seed": 0, "round": 1, "partition": 0}
        done = fit(model, optimizer, objective, twelve_training, users, **keys)
        return {n: p.detach().numpy().copy() for n, p in model.named_parameters()}, done

    (start, (after, done), (again, other)) = (
        {n: p.detach().numpy() for n, p in make_tiny(**settings).named_parameters()},
        trained(),
        trained(),
    )
    assert done == other
    assert done.targets == num_targets(twelve_training, np.arange(12), 10).sum()
    for name, array in after.items():
        np.testing.assert_array_equal(array, again[name], err_msg=name)
    # With one view, nothing reads row 0; with several, the gate moves too.
    assert not np.array_equal(after["encoder.mask"], start["encoder.mask"])
    rows = "rows" if settings.get("name") else "views.identity.rows"
    np.testing.assert_array_equal(after[rows][0], start[rows][0])
