"""Context gate: weights over an item's views from the sequence and the item."""

import torch
from torch import Tensor, nn

NUM_FEATURES = 3  # log frequency, never seen, log history length


class ContextGate(nn.Module):
    """Weights over the views of an item, from the sequence so far and how well the item is known.

    The context is what precedes the item; the features tell how often the item was seen in training
    (an item never seen has no identity worth trusting) and how long the history is. With a zero
    context the weights depend on the item alone, which is how output embeddings are made.

    Args:
        num_views: N, how many views are mixed.
        width: D of the context.
    """

    def __init__(self, num_views: int, width: int) -> None:
        super().__init__()
        self.from_context = nn.Linear(width, num_views, bias=False)
        self.from_facts = nn.Linear(NUM_FEATURES, num_views, bias=False)
        self.bias = nn.Parameter(torch.zeros(num_views))
        # Every view starts with the same say, whatever the context.
        nn.init.zeros_(self.from_context.weight)
        nn.init.zeros_(self.from_facts.weight)

    def forward(
        self, views: Tensor, context: Tensor | None, features: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the mixture (..., D) and the weights (..., N) that made it, each row summing to 1.

        Args:
            views: (..., N, D) The views of each item.
            context: (..., D) What is known before the item, or none for the item alone.
            features: (..., 3) Features of ``gate_features``.
        """
        weights = self.weights(context, features)
        return weighted_sum(views, weights), weights

    def weights(self, context: Tensor | None, features: Tensor) -> Tensor:
        """The weights (..., N); the views themselves have no part in them."""
        scores: Tensor = self.from_facts(features) + self.bias
        if context is not None:
            scores = scores + self.from_context(context)
        return scores.softmax(dim=-1)


def gate_features(frequency: Tensor, history_length: Tensor) -> Tensor:
    """Features (..., 3) of items: log frequency, whether never seen, log length of the history.

    Args:
        frequency: (...) Training events of the item over all clients, 0 for a cold one.
        history_length: (...) How many items precede in what the model reads, so below its
            ``max_length``; 0 when the item stands alone.
    """
    return torch.stack(
        [torch.log1p(frequency) / 5, (frequency == 0).float(), torch.log1p(history_length) / 5],
        dim=-1,
    )


def weighted_sum(views: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum (..., D) of views (..., N, D) by weights (..., N)."""
    return (views * weights.unsqueeze(-1)).sum(dim=-2)


def running_mean(x: Tensor, is_seen: Tensor | None = None) -> Tensor:
    """Mean (B, L, D) of the vectors before each position; zero before the first.

    Args:
        x: (B, L, D) Inputs of the layer.
        is_seen: (B, L) Whether each of them counts, where not all do.
    """
    if is_seen is not None:
        seen = is_seen.to(x.dtype).unsqueeze(-1)
        x = x * seen
        return (x.cumsum(dim=1) - x) / (seen.cumsum(dim=1) - seen).clamp(min=1)
    before = x.cumsum(dim=1) - x
    count = torch.arange(x.shape[1], device=x.device, dtype=x.dtype).clamp(min=1)
    return before / count[None, :, None]
