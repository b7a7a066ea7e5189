"""LightGCN: its graph, its loss and whom it scores."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from fedrec.baselines import lightgcn
from fedrec.baselines.item_knn import users_by_items
from fedrec.baselines.lightgcn import LightGCNOptions, lightgcn_scorer
from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError, DataError

ROWS = [[1, 2, 2], [2, 3], [1, 2, 3, 4, 5], []]
ITEMS = 5
SMALL = LightGCNOptions(width=4, passes=16, evaluate_every=2, patience=3, learning_rate=0.05)


def sequences(rows: list[list[int]]) -> Sequences:
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Sequences(np.array([item for row in rows for item in row], dtype=np.int32), offsets)


def graph():
    return lightgcn.normalised_graph(users_by_items([np.array(row, int) for row in ROWS], ITEMS))


def by_neighbours(start: torch.Tensor, layers: int) -> torch.Tensor:
    """E of the paper's equations (3) and (4), node after node."""
    had = [set(row) for row in ROWS]
    of_item = [{user for user, items in enumerate(had) if item in items} for item in range(6)]
    users = len(ROWS)
    every = [start]
    for _ in range(layers):
        last, rows = every[-1], []
        for items in had:
            rows.append(
                sum(
                    (
                        last[users + i] / (len(items) ** 0.5 * len(of_item[i]) ** 0.5)
                        for i in sorted(items)
                    ),
                    torch.zeros(start.shape[1]),
                )
            )
        for some in of_item:
            rows.append(
                sum(
                    (last[u] / (len(some) ** 0.5 * len(had[u]) ** 0.5) for u in sorted(some)),
                    torch.zeros(start.shape[1]),
                )
            )
        every.append(torch.stack(rows))
    return torch.stack(every).mean(dim=0)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_gradient_is_that_of_the_papers_loss_over_neighbours(layers):
    options = LightGCNOptions(width=3, layers=layers, l2=0.3)
    start = lightgcn.start_rows(len(ROWS) + ITEMS + 1, options, seed=5)
    triples = np.array([[0, 2, 0], [4 + 1, 4 + 2, 4 + 2], [4 + 3, 4 + 4, 4 + 5]])
    leaf = torch.from_numpy(start.copy()).requires_grad_()
    rows = by_neighbours(leaf, layers)
    found = lightgcn.averaged_layers(graph(), start, layers)
    torch.testing.assert_close(torch.from_numpy(found), rows.detach())
    loss = torch.zeros(())
    for u, i, j in triples.T:
        margin = rows[u] @ rows[i] - rows[u] @ rows[j]
        squares = sum(leaf[node].square().sum() for node in (u, i, j))
        loss = loss + (options.l2 / 2 * squares - functional.logsigmoid(margin)) / 3
    loss.backward()
    steps = lightgcn.gradient(graph(), start, triples, options)
    torch.testing.assert_close(torch.from_numpy(steps), leaf.grad)


def test_steps_are_adams():
    weights = np.array([[1.0, -2.0]], dtype=np.float32)
    expected = torch.from_numpy(weights.copy()).requires_grad_()
    ours, theirs = lightgcn._Adam(weights, 0.1), torch.optim.Adam([expected], lr=0.1)
    for slope in ([[3.0, -1.0]], [[0.5, 2.0]], [[-1.0, 0.0]]):
        ours.step(np.array(slope, dtype=np.float32))
        expected.grad = torch.tensor(slope)
        theirs.step()
    torch.testing.assert_close(torch.from_numpy(weights), expected.detach())


def test_negatives_are_what_a_user_has_not_had_in_training():
    had = users_by_items([np.array(row, int) for row in ROWS], ITEMS)
    drawn = np.concatenate([lightgcn._triples(had, np.random.default_rng(n)).T for n in range(60)])
    users, items, others = drawn[:, 0], drawn[:, 1] - 4, drawn[:, 2] - 4
    # User 2 has had everything, user 3 nothing.
    assert {(u, i) for u, i in zip(users, items, strict=True)} == {(0, 1), (0, 2), (1, 2), (1, 3)}
    assert set(others[users == 0].tolist()) == {3, 4, 5}
    assert set(others[users == 1].tolist()) == {1, 4, 5}


def test_users_of_two_tastes_are_told_apart_by_the_best_pass():
    """Two groups of users and of items without an event between them."""
    rows = [[1, 2], [2, 3], [1, 3], [4, 5], [5, 6], [4, 6]]
    missing = np.array([3, 1, 2, 6, 4, 5])
    users = np.arange(6) * 2
    figures = []

    def validate(scorer):
        scores = scorer([np.array([1])] * 6, users).scores
        figures.append(
            float(
                (scores[:, 1:].argsort(axis=1)[:, ::-1][:, :3] + 1 == missing[:, None])
                .any(axis=1)
                .mean()
            )
        )
        return figures[-1]

    def fitted():
        return lightgcn_scorer(sequences(rows), 6, users, seed=1, validate=validate, options=SMALL)(
            [np.array([4]), np.array([1])], np.array([0, 6])
        ).scores

    scores = fitted()
    assert max(figures) == 1.0
    assert len(figures) < 8, "no better validation ended the training"
    assert scores[0, 1:4].min() > scores[0, 4:].max()  # whatever the history says
    assert scores[1, 4:].min() > scores[1, 1:4].max()
    np.testing.assert_array_equal(fitted(), scores)


def test_scores_are_alike_in_any_company():
    users = np.arange(4)
    score = lightgcn_scorer(
        sequences(ROWS), ITEMS, users, seed=0, validate=lambda _: 0.0, options=SMALL
    )
    together = score([np.array([1])] * 4, users).scores
    for user in users:
        alone = score([np.array([1])], users[user : user + 1]).scores[0]
        np.testing.assert_array_equal(alone, together[user])


def test_whom_it_does_not_know_it_does_not_score():
    score = lightgcn_scorer(
        sequences([[1], [2]]), 2, np.array([3, 5]), seed=0, validate=lambda _: 0.0, options=SMALL
    )
    with pytest.raises(DataError, match="a user who is not in its graph"):
        score([np.array([1])], np.array([4]))
    with pytest.raises(ConfigError, match="choose a baseline that reads histories"):
        score([np.array([1])])
