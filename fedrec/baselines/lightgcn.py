"""LightGCN: embeddings averaged over the graph of users and items, trained by BPR.

He et al., SIGIR 2020. With the binary matrix X of users and items, and the degrees D of its graph:

    S = D^-1/2 [[0, X], [X^T, 0]] D^-1/2,   E = (E0 + S E0 + ... + S^K E0) / (K + 1)
    score(u, i) = <E_u, E_i>
    loss = mean over (u, i, j) of -ln sigmoid(score(u, i) - score(u, j))
           + lambda / 2 (|E0_u|^2 + |E0_i|^2 + |E0_j|^2)

It is centralised only: a step needs the neighbours of every node, thus everybody's events in one
place, and neighbours of an item are users. What is called federated LightGCN either sends them or
is another model. A user is the embedding that training made of the training events: a history says
nothing, nor do order and time. Negatives are drawn from all items but the user's training events.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from fedrec.baselines.item_knn import users_by_items
from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError, DataError
from fedrec.evaluation.gates import no_gates
from fedrec.evaluation.leave_one_out import Scorer, Scores
from fedrec.models.layers.fixed_shapes import products
from fedrec.randomness import generator

Rows = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class LightGCNOptions:
    """Settings of the training; the paper's, but for batches and rate: experiments/results.

    Attributes:
        width: D of an embedding.
        layers: K.
        start_std: Standard deviation of E0, as in the authors' code.
        learning_rate: Rate of Adam.
        l2: lambda.
        batch_size: Events of a step, at least.
        most_steps: Steps of a pass, at most: a step of few events costs as much as one of many.
        passes: Passes over the events, at most.
        evaluate_every: Passes between two validations.
        patience: Validations without a better one that end the training.
    """

    width: int = 64
    layers: int = 3
    start_std: float = 0.1
    learning_rate: float = 0.02
    l2: float = 1e-4
    batch_size: int = 2048
    most_steps: int = 16
    passes: int = 200
    evaluate_every: int = 10
    patience: int = 5


def lightgcn_scorer(
    training: Sequences,
    num_items: int,
    users: NDArray[np.integer],
    *,
    seed: int,
    validate: Callable[[Scorer], float],
    options: LightGCNOptions | None = None,
) -> Scorer:
    """Train on the graph and score items for the users in it, by the best pass.

    The same data and seed give the same bytes: sparse products take one thread.

    Args:
        training: Training parts of U users.
        num_items: V.
        users: (U,) Their global numbers, ascending.
        seed: Seed of the run.
        validate: Figure of a scorer, the higher the better.
        options: Settings; the defaults if not given.
    """
    options = options or LightGCNOptions()
    had = users_by_items([training.of(user) for user in range(training.num_users)], num_items)
    best, figure, behind = None, -np.inf, 0
    for done, rows in enumerate(_trained(had, options, seed), start=1):
        if done % options.evaluate_every and done < options.passes:
            continue
        scorer = _scorer(rows, users)
        found = validate(scorer)
        behind = 0 if found > figure else behind + 1
        if found > figure:
            best, figure = scorer, found
        if behind >= options.patience:
            break
    return best or _scorer(start_rows(sum(had.shape), options, seed), users)


def normalised_graph(had: sparse.csr_array) -> sparse.csr_array:
    """S (N, N) float32 of the matrix (U, V + 1) of users and items; nodes are users, then items."""
    both = sparse.block_array([[None, had], [had.T, None]], format="csr")
    degrees = np.asarray(both.sum(axis=1)).reshape(-1)
    scale = np.divide(1.0, np.sqrt(degrees), out=np.zeros_like(degrees), where=degrees > 0)
    normed = sparse.diags_array(scale) @ both @ sparse.diags_array(scale)
    return sparse.csr_array(normed.astype(np.float32))


def averaged_layers(graph: sparse.csr_array, rows: Rows, layers: int) -> Rows:
    """E (N, D) of E0 (N, D): the mean of its K + 1 layers."""
    layer, total = rows, rows.copy()
    for _ in range(layers):
        layer = graph @ layer
        total += layer
    return total / np.float32(layers + 1)


def gradient(
    graph: sparse.csr_array,
    start: Rows,
    triples: NDArray[np.int64],
    options: LightGCNOptions,
) -> Rows:
    """Gradient (N, D) of the loss with respect to E0.

    The loss is a function of the products of pairs of nodes, so that its gradient with respect to
    E is W E with a symmetric sparse W; E is a symmetric matrix times E0, so that of E0 follows by
    the same average over layers.

    Args:
        graph: (N, N) S.
        start: (N, D) E0.
        triples: (3, n) Nodes u, i and j.
        options: Settings.
    """
    rows = averaged_layers(graph, start, options.layers)
    user, had, other = triples
    margin = np.einsum("nd,nd->n", rows[user], rows[had] - rows[other])
    slope = -1 / (1 + np.exp(np.clip(margin, -80, 80))) / len(user)
    nodes = len(start)
    pairs = sparse.csr_array(
        (np.concatenate([slope, -slope]), (np.tile(user, 2), np.concatenate([had, other]))),
        shape=(nodes, nodes),
        dtype=np.float32,
    )
    by_layers = averaged_layers(graph, (pairs + pairs.T) @ rows, options.layers)
    times = np.bincount(triples.reshape(-1), minlength=nodes).astype(np.float32)
    return by_layers + np.float32(options.l2 / len(user)) * times[:, None] * start


def start_rows(nodes: int, options: LightGCNOptions, seed: int) -> Rows:
    """E0 (N, D) before training."""
    drawn = generator(seed, "weights", "lightgcn").standard_normal((nodes, options.width))
    return (options.start_std * drawn).astype(np.float32)


def _trained(had: sparse.csr_array, options: LightGCNOptions, seed: int) -> Iterator[Rows]:
    """E (N, D) after each pass."""
    graph = normalised_graph(had)
    start = start_rows(graph.shape[0], options, seed)
    adam = _Adam(start, options.learning_rate)
    for number in range(options.passes):
        triples = _triples(had, generator(seed, "lightgcn", number))
        size = max(options.batch_size, -(-triples.shape[1] // options.most_steps))
        for first in range(0, triples.shape[1], size):
            some = triples[:, first : first + size]
            adam.step(gradient(graph, start, some, options))
        yield averaged_layers(graph, start, options.layers)


class _Adam:
    """Adam (Kingma & Ba, ICLR 2015) over one array, changed in place."""

    def __init__(self, weights: Rows, rate: float) -> None:
        self._weights, self._rate, self._steps = weights, rate, 0
        self._mean, self._square = np.zeros_like(weights), np.zeros_like(weights)

    def step(self, slope: Rows) -> None:
        """Go one step against a gradient of the shape of the weights."""
        self._steps += 1
        self._mean += np.float32(0.1) * (slope - self._mean)
        self._square += np.float32(0.001) * (slope * slope - self._square)
        rate = np.float32(self._rate / (1 - 0.9**self._steps))
        size = np.sqrt(self._square / np.float32(1 - 0.999**self._steps))
        self._weights -= rate * self._mean / (size + np.float32(1e-8))


def _triples(had: sparse.csr_array, stream: np.random.Generator) -> NDArray[np.int64]:
    """Nodes (3, n) of all events in random order: the user, the item, an item not had.

    A user who has had every item has no negative and is left out.
    """
    users, items = had.nonzero()
    num_users, size = had.shape
    pairs = np.sort(users.astype(np.int64) * size + items)
    can = np.bincount(users, minlength=num_users)[users] < size - 1
    order = stream.permutation(np.flatnonzero(can))
    users, items = users[order].astype(np.int64), items[order].astype(np.int64)
    others = np.zeros_like(items)
    wrong = np.arange(len(order))
    while len(wrong):
        others[wrong] = stream.integers(1, size, size=len(wrong))
        asked = users[wrong] * size + others[wrong]
        place = np.searchsorted(pairs, asked).clip(max=len(pairs) - 1)
        wrong = wrong[pairs[place] == asked]
    return np.stack([users, num_users + items, num_users + others])


def _scorer(rows: Rows, users: NDArray[np.integer]) -> Scorer:
    of_users, of_items = np.split(rows, [len(users)])
    states, vectors = torch.from_numpy(of_users), torch.from_numpy(of_items)

    def score(
        histories: Sequence[np.ndarray], asked: np.ndarray | None = None, *_: object
    ) -> Scores:
        if asked is None:
            raise ConfigError(
                "lightgcn scores for users of the graph that it was trained on, not for a history; "
                "choose a baseline that reads histories, such as 'ease'"
            )
        place = np.searchsorted(users, asked).clip(max=max(0, len(users) - 1))
        if (users[place] != asked).any():
            raise DataError("lightgcn was asked for a user who is not in its graph")
        return Scores(products(states[torch.from_numpy(place)], vectors).numpy(), no_gates())

    return score
