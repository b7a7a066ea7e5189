"""SR-GNN: a gated network over the graph of a history's items.

Wu et al., AAAI 2019 ("Session-based Recommendation with Graph Neural Networks"). The items of a
history are nodes; a node's edges, one for each time that an item came next, weigh alike. In each
step, with the means in and out over a node's edges:

    m_i = [mean_in(W_in v + b_in) ; mean_out(W_out v + b_out)]
    z = sigmoid(W_z m + U_z v),  r = sigmoid(W_r m + U_r v)
    v' = (1 - z) v + z tanh(W_o m + U_o (r v))

and then, with the newest item's node v_n, s = W_3 [v_n ; sum_j (q' sigmoid(W_1 v_n + W_2 v_j + c))
v_j]; the sum runs over positions, as in the authors' code. The score of an item is the product of
s and its embedding. A history asks for the next item at every position, so that each prefix has a
graph of its own: memory grows with the cube of a history's length, and ``model.max-length`` of 50
is plenty.
"""

import torch
from torch import Tensor, nn

from fedrec.models.identity_rows import IdentityRows
from fedrec.models.layers.encoder import TrainingTask
from fedrec.models.recommender import ItemTable


class SessionGraph(nn.Module):
    """The gated graph network of SR-GNN over all prefixes of histories.

    Args:
        width: D of item vectors and states.
        num_steps: Steps along the edges; the paper has one.
    """

    task: TrainingTask = "next"
    needs_times = False

    def __init__(self, width: int, num_steps: int) -> None:
        super().__init__()
        self.num_steps = num_steps
        self.coming = nn.Linear(width, width)
        self.going = nn.Linear(width, width)
        self.from_message = nn.Linear(2 * width, 3 * width)
        self.from_node = nn.Linear(width, 2 * width)
        self.from_reset = nn.Linear(width, width)
        self.of_last = nn.Linear(width, width)
        self.of_each = nn.Linear(width, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)
        self.out = nn.Linear(2 * width, width, bias=False)

    @property
    def num_dropout_masks(self) -> int:
        """One, of the states."""
        return 1

    def forward(self, x: Tensor, indices: Tensor, dropout_masks: Tensor | None = None) -> Tensor:
        """Return the state (B, L, D) after each item.

        Args:
            x: (B, L, D) Item vectors, padded on the right, where states mean nothing.
            indices: (B, L) Number of each item, equal where items are.
            dropout_masks: (1, B, L, D) Dropout mask, or none.
        """
        coming, going = edges(indices)
        # The node of each position (B, T, L, D) in the graph of each prefix of T items.
        nodes = x.unsqueeze(1).expand(-1, x.shape[1], -1, -1)
        for _ in range(self.num_steps):
            message = torch.cat(
                [coming.to(x.dtype) @ self.coming(nodes), going.to(x.dtype) @ self.going(nodes)],
                dim=-1,
            )
            nodes = self._updated(message, nodes)
        places = torch.arange(x.shape[1], device=x.device)
        last = nodes[:, places, places]
        energy = torch.sigmoid(self.of_last(last).unsqueeze(2) + self.of_each(nodes))
        weights = self.score(energy).squeeze(-1) * (places[:, None] >= places[None, :])
        whole = (weights.unsqueeze(2) @ nodes).squeeze(2)
        states: Tensor = self.out(torch.cat([last, whole], dim=-1))
        return states if dropout_masks is None else states * dropout_masks[0]

    def _updated(self, message: Tensor, nodes: Tensor) -> Tensor:
        """The gated unit: what a node is after a message."""
        update_in, reset_in, new_in = self.from_message(message).chunk(3, dim=-1)
        update_own, reset_own = self.from_node(nodes).chunk(2, dim=-1)
        update = torch.sigmoid(update_in + update_own)
        reset = torch.sigmoid(reset_in + reset_own)
        new = torch.tanh(new_in + self.from_reset(reset * nodes))
        return nodes + update * (new - nodes)


def edges(indices: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (B, T, L, L) of what comes into, and goes out of, each position's node.

    Entry (t, q, p) is the weight that position p has for the node of position q in the graph of the
    prefix that ends at t. Positions of one item are one node: they have equal rows. A row sums to
    1, or to 0 where nothing came or went.

    Args:
        indices: (B, L) Number of each item.
    """
    length = indices.shape[1]
    places = torch.arange(length, device=indices.device)
    same = indices.unsqueeze(2) == indices.unsqueeze(1)  # (B, q, p)
    in_prefix = places[None, :] <= places[:, None]  # (t, p)
    # Position p comes into q where the item of p + 1 is that of q, and p + 1 <= t; it goes out of q
    # where the item of p - 1 is that of q, and p <= t.
    nothing = torch.zeros_like(same[:, :, :1])
    into = torch.cat([same[:, :, 1:], nothing], dim=2)
    out_of = torch.cat([nothing, same[:, :, :-1]], dim=2)
    has_next = places[None, :] < places[:, None]
    real = in_prefix[None, :, :, None]  # (1, t, q, 1)
    return (
        _shares(into.unsqueeze(1) & has_next[None, :, None, :] & real),
        _shares(out_of.unsqueeze(1) & in_prefix[None, :, None, :] & real),
    )


def _shares(counted: Tensor) -> Tensor:
    counts = counted.sum(dim=-1, keepdim=True)
    return counted / counts.clamp(min=1)


class SRGNN(IdentityRows):
    """Recommendation by graphs of histories over ID embeddings, tied with the output."""

    encoder: SessionGraph

    def encode(  # type: ignore[override]  # no state is cheaper alone
        self,
        table: ItemTable,
        indices: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None = None,
        times: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """States (B, L, D) at each item, and weights (B, L, 1) that are all 1."""
        rows = table.views[indices, 0]
        states = self.encoder(rows * self.scale, indices, dropout_masks)
        return states, torch.ones_like(rows[..., :1])
