"""A model of your own: checked by ``fedrec.testing``, fitted in one place, then federated.

The model sums up a history by an exponential moving average of its item embeddings, whose decay is
learned: no encoder, one parameter beside the embeddings.

Run it: ``python examples/own_model.py``.
"""

import torch
from torch import Tensor, nn

import fedrec
from fedrec.models import ItemTable, Recommender
from fedrec.testing import check_model


class MovingAverage(Recommender):
    """Scores the next item against the moving average of the items before it."""

    num_dropout_masks = 0
    view_names = ("identity",)
    item_arrays = ("rows",)  # has a row per item and is read by look_up alone

    def __init__(self, rows: Tensor, encoder: nn.Module) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.as_tensor(rows).clone())  # (V + 1, D), row 0 is padding
        self.decay = nn.Parameter(torch.zeros(()))

    def look_up(self, items: Tensor, unknown: Tensor | None = None) -> ItemTable:
        """One view (K, 1, D) of items (K,)."""
        rows = self.rows.index_select(0, items)
        return ItemTable(rows.unsqueeze(1), torch.zeros_like(rows[:, 0]))

    def output_vectors(self, table: ItemTable) -> Tensor:
        """The rows (K, D): input and output are tied."""
        return table.views[:, 0]

    def encode(self, table: ItemTable, places: Tensor, *rest: object) -> tuple[Tensor, Tensor]:
        """States (B, L, D) after each item of places (B, L), and view weights (B, L, 1)."""
        read = table.views[places, 0]
        ages = torch.arange(places.shape[1])
        ages = ages[:, None] - ages  # (L, L), negative for items that come later
        kept = torch.sigmoid(self.decay + 1) ** ages.clamp(min=0) * (ages >= 0)
        states = torch.einsum("lm,bmd->bld", kept / kept.sum(dim=1, keepdim=True), read)
        return 4 * states, torch.ones_like(read[..., :1])


check_model(MovingAverage)
print("MovingAverage can be trained, sent, saved and stacked")

dataset = fedrec.Dataset.load("synthetic:users=300,items=120")
model = fedrec.Estimator(
    MovingAverage, width=16, max_length=20, loss="softmax", learning_rate=0.05, epochs=4,
    semantics_encoder="hashed",
).fit(dataset)  # fmt: skip
print(model.evaluate().loc[["HR@10", "NDCG@10"]].round(3))

run = fedrec.simulate(
    {
        "partition.count": 3,
        "federation.rounds": 4,
        "model.width": 16,
        "model.max-length": 20,
        "loss.name": "softmax",
        "local.learning-rate": 0.05,
        "semantics.encoder": "hashed",
    },
    data=dataset,
    model=MovingAverage,
)
print(f"federated over 3 clients: test NDCG@10 {run.metrics['test']['NDCG@10']['value']:.3f}")
print(f"traffic: {run.rounds['bytes_up'].sum() / 1e6:.2f} MB up")
