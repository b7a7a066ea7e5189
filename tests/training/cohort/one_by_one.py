"""Users of a cohort trained one by one with torch.optim, written without the cohort engine."""

import copy

import numpy as np
import torch
from torch.nn import functional

from fedrec.config.values.import_strings import import_string
from fedrec.data.sequences import Sequences, history_mask
from fedrec.models.losses import gbce_beta
from fedrec.randomness import generator
from fedrec.training.cohort.loss import CohortLoss
from fedrec.training.cohort.plan import CohortPlan
from fedrec.training.cohort.train import train_cohort
from fedrec.training.dropout import draw_dropout_masks
from fedrec.training.negatives import sampled_negatives, shared_negatives

NUM_ITEMS = 40
LOSSES = ["bce", "gbce", "bpr", "sampled-softmax", "softmax"]
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def shaken(model, dtype=torch.float64):
    stream = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=stream) / 5)
    return model.to(dtype)


def histories(*lengths, seed=3):
    """One user per length; items may come twice."""
    rng = np.random.default_rng(seed)
    rows = [rng.integers(1, NUM_ITEMS - 8, size=length) for length in lengths]
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    return Sequences(np.concatenate(rows).astype(np.int32), offsets)


def plan(**keys):
    return CohortPlan(**({"steps": 3, "learning_rate": 0.1, "max_length": 10} | keys))


def loss_named(name, own_history="leave-out"):
    return CohortLoss(name=name, num_items=NUM_ITEMS, negatives=6, own_history=own_history)


def cohort(model, training, users, plan, loss, round=4, watch=None):
    users = np.array(users)
    told = {"plan": plan, "loss": loss, "seed": 7, "round": round, "watch": watch}
    return train_cohort(model, training, users, **told)


# --- the loop -----------------------------------------------------------------------------------


def cut(history, plan):
    """Windows (inputs and targets), full ones first, the short one last."""
    windows, end = [], len(history) - 1
    while end > 0:
        start = max(end - plan.max_length, 0)
        windows.append((history[start:end], history[start + 1 : end + 1]))
        end = start
        if plan.newest_windows and len(windows) == plan.newest_windows:
            break
    full = [window for window in windows if len(window[0]) == plan.max_length]
    return full[::-1] + [window for window in windows if len(window[0]) < plan.max_length]


def loss_of_one(model, windows, history, plan, loss, user, round, step):
    """Mean over the targets of some windows of one user."""
    total = sum(len(inputs) for inputs, _ in windows)
    table = model.look_up(torch.arange(NUM_ITEMS + 1), dropped_items(plan, round, step))
    vectors = model.output_vectors(table)
    dropout_masks = draw_dropout_masks(
        np.array([user]),
        np.array([total]),
        num_masks=model.num_dropout_masks,
        width=vectors.shape[1],
        dropout=plan.dropout,
        path=(round, step),
        seed=7,
    )
    states, first = [], 0
    for inputs, _ in windows:
        own = (
            None
            if dropout_masks is None
            else dropout_masks[:, :, first : first + len(inputs)].to(vectors.dtype)
        )
        items = torch.from_numpy(inputs.astype(np.int64))[None]
        states.append(model.encode(table, items, torch.tensor([len(inputs)]), own)[0][0])
        first += len(inputs)
    states = torch.cat(states)
    targets = torch.from_numpy(np.concatenate([targets for _, targets in windows]).astype(int))
    scores = states @ vectors.T
    positive = scores.gather(1, targets[:, None])
    keep = loss.own_history == "keep"
    if loss.name == "softmax":
        if not keep:
            others = torch.from_numpy(np.unique(history).astype(int))
            is_other = targets[:, None] != others
            scores[:, others] = scores[:, others].masked_fill(is_other, -torch.inf)
        return functional.cross_entropy(scores[:, 1:], targets - 1)
    if loss.name == "sampled-softmax":
        drawn = shared_negatives(7, round, step, NUM_ITEMS, loss.negatives)
        if not keep:
            drawn = drawn[~np.isin(drawn, history)]
        ratio = np.log(NUM_ITEMS / loss.negatives)
        negative = scores[:, drawn] + ratio
        if keep:
            negative = negative.masked_fill(targets[:, None] == torch.from_numpy(drawn), -torch.inf)
        candidates = torch.cat([positive, negative], dim=1)
        return functional.cross_entropy(candidates, torch.zeros(total, dtype=torch.long))
    count = 1 if loss.name in ("bce", "bpr") else loss.negatives
    stream = generator(7, "negatives", round, step, user)
    if keep:
        places = stream.integers(0, NUM_ITEMS - 1, size=(total, count))
        others = [np.delete(np.arange(1, NUM_ITEMS + 1), target - 1) for target in targets]
        drawn = np.stack([own[at] for own, at in zip(others, places, strict=True)])
    else:
        drawn = sampled_negatives(stream, history_mask([history], NUM_ITEMS), total, count)[0]
    negative = scores.gather(1, torch.from_numpy(drawn))
    if ":" in loss.name:  # a user's own
        return import_string("loss.name", loss.name)(positive[:, 0], negative).mean()
    if loss.name == "bpr":
        return functional.softplus(negative - positive).sum() / total
    beta = 1.0 if loss.name == "bce" else gbce_beta(NUM_ITEMS, loss.negatives, 0.75)
    return (
        beta * functional.softplus(-positive).sum() + functional.softplus(negative).sum()
    ) / total


def dropped_items(plan, round, step):
    if plan.identity_dropout == 0:
        return None
    stream = generator(7, "identity", round, step)
    return torch.from_numpy(stream.random(NUM_ITEMS + 1) < plan.identity_dropout)


def chosen_windows(windows, plan, user, round, step):
    if plan.batch_size == 0 or plan.batch_size >= len(windows):
        return windows
    order = generator(7, "windows", round, user).permutation(len(windows))
    numbers = [order[(step * plan.batch_size + i) % len(windows)] for i in range(plan.batch_size)]
    return [windows[number] for number in sorted(numbers)]


def update_of_one(model, history, plan, loss, user, round):
    """Update by parameter name, and mean loss over targets."""
    own = copy.deepcopy(model)
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    optimizer = kinds[plan.optimizer](
        own.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay
    )
    start = {name: value.detach().clone() for name, value in own.named_parameters()}
    losses, counts = [], []
    for step in range(plan.steps):
        windows = chosen_windows(cut(history, plan), plan, user, round, step)
        value = loss_of_one(own, windows, history, plan, loss, user, round, step)
        losses.append(value.item())
        counts.append(sum(len(inputs) for inputs, _ in windows))
        for name, parameter in own.named_parameters():
            pull = (parameter - start[name]).square().sum()
            value = value + plan.proximal_mu / 2 * pull
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    moved = {name: value.detach() - start[name] for name, value in own.named_parameters()}
    return moved, float(np.average(losses, weights=counts))


def by_the_loop(model, training, users, plan, loss, round=4):
    total = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
    weights, losses, norms = [], [], []
    for user in users:
        history = training.of(user)
        update, mean = update_of_one(model, history, plan, loss, user, round)
        norm = float(torch.cat([value.flatten() for value in update.values()]).norm())
        targets = sum(len(inputs) for inputs, _ in cut(history, plan))
        weights.append(targets if plan.weighting == "num-examples" else 1)
        scale = min(1.0, plan.clip_norm / norm) if plan.clip_norm else 1.0
        for name, value in update.items():
            total[name] += weights[-1] * scale * value
        losses.append(mean)
        norms.append(norm)
    return total, sum(weights), losses, norms


def assert_equal_to_the_loop(model, training, users, plan, loss):
    got = cohort(model, training, users, plan, loss)
    trained = [user for user in users if len(training.of(user)) > 1]
    total, weight, losses, norms = by_the_loop(model, training, sorted(trained), plan, loss)
    tolerance = TOLERANCE[next(model.parameters()).dtype]
    assert got.weight == weight
    assert list(got.users) == sorted(trained)
    assert len(got.excluded) == 0
    for name, value in total.items():
        mean = value.numpy() / weight
        np.testing.assert_allclose(
            got.total[name] / got.weight, mean, atol=tolerance, rtol=0, err_msg=name
        )
    np.testing.assert_allclose(got.losses, losses, rtol=10 * tolerance)
    if not plan.is_one_gradient:
        np.testing.assert_allclose(got.norms, norms, rtol=10 * tolerance)
