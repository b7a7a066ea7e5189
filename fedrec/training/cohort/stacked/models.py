"""Stacked models: several copies with weights of their own in one forward pass.

Users are independent, so one backward pass over the sum of their losses gives each user's own
gradient: nothing but batched matrix products is needed to train many clients at once. A stacked
model is the model itself with every trained array given a leading axis S of weight sets; rows of
its inputs are sorted by set, so that any axis they were flattened into can be split again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedrec.models.layers.blocks import Block, PreNormBlock, SASRecBlock, masks_of_blocks
from fedrec.models.layers.gate import ContextGate
from fedrec.models.layers.transformer import CausalTransformer, kernel_shape
from fedrec.models.recommender import ItemTable, Recommender
from fedrec.models.sasrec import SASRec
from fedrec.native.encoder import Windows, encode_windows
from fedrec.training.cohort.groups.batches import GroupStep, Rectangle
from fedrec.training.cohort.stacked.blocks import Layout, way_by_hand
from fedrec.training.cohort.stacked.encoder import encoded
from fedrec.training.cohort.stacked.layers import StackedLayerNorm, StackedLinear


class _Arrays(Block):
    """Holds the arrays of a block; ``stacked_blocks`` computes with them."""

    def __init__(self, plain: Block) -> None:
        nn.Module.__init__(self)
        own = dict(vars(plain))
        for name in [name for name in own if not name.startswith("_") and name != "training"]:
            setattr(self, name, own[name])
        for name, child in plain.named_children():
            setattr(self, name, stacked(child))


class StackedPreNormBlock(_Arrays, PreNormBlock):
    """Arrays of a pre-norm block."""


class StackedSASRecBlock(_Arrays, SASRecBlock):
    """Arrays of SASRec's block."""


class StackedTransformer(CausalTransformer):
    """The transformer with positions (S, P, D) and stacked blocks."""

    def __init__(self, plain: CausalTransformer) -> None:
        nn.Module.__init__(self)
        self.counts_from_first = plain.counts_from_first
        self.uses_kernel = plain.uses_kernel
        self.positions = nn.Parameter(plain.positions[None])
        self.blocks = nn.ModuleList(stacked(block) for block in plain.blocks)
        self.final_norm = stacked(plain.final_norm)

    def forward(  # type: ignore[override]  # in training, all states are asked for
        self, x: Tensor, lengths: Tensor, dropout_masks: Tensor | None = None
    ) -> Tensor:
        """Return the state (U * B, L, D) after each item; see ``CausalTransformer``."""
        from_end = lengths[:, None] - 1 - torch.arange(x.shape[1], device=x.device)
        whole = Rectangle(0, 1, x.shape[1], lengths)
        return self.over(x, from_end.clamp(min=0), [whole], dropout_masks)

    def over(
        self, x: Tensor, from_end: Tensor, parts: Sequence[Rectangle], dropout_masks: Tensor | None
    ) -> Tensor:
        """Return states (U, M, D) of positions that lie in rectangles.

        Args:
            x: (U, M, D) Item vectors.
            from_end: (U, M) How many positions follow in the window.
            parts: Rectangles where windows lie among the M columns.
            dropout_masks: (num_masks, U, M, D) Dropout masks or none.
        """
        sets, longest, _ = self.positions.shape
        if (shape := kernel_shape(self, x) if self.uses_kernel else None) is not None:
            users, columns, width = x.shape
            flat = None if dropout_masks is None else dropout_masks.flatten(1, 2)
            own = windows_in(parts, users, columns, sets)
            states = encode_windows(
                x.reshape(-1, width), own, flat, shape, list(self.parameters()), sets
            )
            return states.view_as(x)
        first = torch.arange(sets, device=x.device).repeat_interleave(len(x) // sets) * longest
        places = _from_first(from_end, parts) if self.counts_from_first else from_end
        indices = (places + first[:, None]).view(-1)
        blocks = list(self.typed_blocks)
        if not all(way_by_hand(block) for block in blocks):
            return self._block_by_block(x, indices, parts, dropout_masks)
        layout = Layout(
            indices,
            parts,
            dropout_masks,
            blocks[0].num_heads if blocks else 1,
            self.final_norm.eps,
        )
        final = self.final_norm
        return encoded(x, layout, self.positions, blocks, final.weight, final.bias)

    def _block_by_block(
        self,
        x: Tensor,
        indices: Tensor,
        parts: Sequence[Rectangle],
        dropout_masks: Tensor | None,
    ) -> Tensor:
        """States (U, M, D) by autograd; ``indices`` (U * M,) are rows of all positions."""
        x = x + self.positions.flatten(0, 1).index_select(0, indices).view_as(x)
        if dropout_masks is not None:
            x = x * dropout_masks[0]
        done = []
        for part in parts:
            windows = part.cut(x)
            masks = None if dropout_masks is None else part.cut(dropout_masks, axis=1)
            blocks = self.typed_blocks
            for block, own in zip(blocks, masks_of_blocks(masks, blocks), strict=True):
                windows = block(windows, own)
            done.append(windows.reshape(len(x), -1, x.shape[-1]))
        out: Tensor = self.final_norm(torch.cat(done, dim=1))
        return out


def windows_in(parts: Sequence[Rectangle], users: int, columns: int, sets: int) -> Windows:
    """The windows of U users among their M columns, user after user.

    Args:
        parts: Rectangles where windows lie.
        users: U.
        columns: M.
        sets: S, number of weight sets, of as many users each.
    """
    first = torch.arange(users)[:, None] * columns
    begins = [first + part.first + torch.arange(part.count) * part.length for part in parts]
    lengths = torch.cat([part.lengths.view(users, -1) for part in parts], dim=1)
    owners = torch.arange(users) // (users // sets)
    return Windows(
        first=torch.cat(begins, dim=1).reshape(-1),
        length=lengths.reshape(-1).contiguous(),
        set=owners.repeat_interleave(lengths.shape[1]),
    )


def _from_first(from_end: Tensor, parts: Sequence[Rectangle]) -> Tensor:
    """(U, M) Place of each column in its window."""
    own = [torch.arange(part.length, device=from_end.device).repeat(part.count) for part in parts]
    return torch.cat(own).expand_as(from_end)


class StackedGate(ContextGate):
    """The gate with a bias (S, N) and stacked layers."""

    def __init__(self, plain: ContextGate) -> None:
        nn.Module.__init__(self)
        self.from_context = stacked(plain.from_context)
        self.from_facts = stacked(plain.from_facts)
        self.bias = nn.Parameter(plain.bias[None])

    def weights(self, context: Tensor | None, features: Tensor) -> Tensor:
        """The weights (..., N); see ``ContextGate``."""
        scores: Tensor = self.from_facts(features)
        if context is not None:
            scores = scores + self.from_context(context)
        sets, views = self.bias.shape
        scores = scores.view(sets, -1, views) + self.bias.unsqueeze(1)
        return scores.softmax(dim=-1).view(*features.shape[:-1], views)


class StackedSASRec(SASRec):
    """SASRec whose rows (S * R, D) take their gradient only where they are read.

    A table of gathered rows is several times as large as what one step reads of it; a dense
    gradient for every reading of it would cost as much as half a block.
    """

    def __init__(self, plain: SASRec) -> None:
        nn.Module.__init__(self)
        self.rows = plain.rows
        self.encoder = stacked(cast(nn.Module, plain.encoder))
        self.scale = plain.scale

    def look_up(self, items: Tensor, unknown: Tensor | None = None) -> ItemTable:
        """All rows (S * R, 1, D) as one view: ``items`` (S * R,) are their numbers in order."""
        return ItemTable(self.rows.unsqueeze(1), self.rows.detach()[:, 0])

    def output_vectors(self, table: ItemTable) -> Tensor:
        """The rows (S * R, D) themselves, a leaf."""
        return self.rows

    def states(self, rows: Tensor, step: GroupStep) -> Tensor:
        """The states (U, M, D) of all windows, whatever their lengths, from the rows they read."""
        encoder = cast(StackedTransformer, self.encoder)
        return encoder.over(rows * self.scale, step.from_end, step.rectangles, step.dropout_masks)


class _ReadRows(torch.autograd.Function):
    """Rows of a table at several sets of places; a single sparse gradient for all of them."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, *places: Tensor) -> tuple[Tensor, ...]:
        """Rows (..., D) of a table (R, D) at each of some places (...)."""
        ctx.save_for_backward(*places)
        ctx.shape = table.shape
        return tuple(functional.embedding(some, table) for some in places)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        where = torch.cat([some.reshape(-1) for some in ctx.saved_tensors])
        values = torch.cat([one.reshape(-1, ctx.shape[1]) for one in gradients])
        to_table = torch.sparse_coo_tensor(
            where.unsqueeze(0), values, ctx.shape, check_invariants=False
        )
        return to_table, *[None] * len(gradients)


def read_rows(table: Tensor, places: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Rows (..., D) of a table (R, D) at each of some places (...)."""
    # torch leaves ``apply`` unannotated
    out: tuple[Tensor, ...] = _ReadRows.apply(table, *places)  # type: ignore[no-untyped-call]
    return out


_KINDS: dict[type[nn.Module], Callable[..., nn.Module]] = {
    nn.Linear: StackedLinear,
    nn.LayerNorm: StackedLayerNorm,
    PreNormBlock: StackedPreNormBlock,
    SASRecBlock: StackedSASRecBlock,
    CausalTransformer: StackedTransformer,
    ContextGate: StackedGate,
    SASRec: StackedSASRec,
}


def stackable(model: Recommender) -> bool:
    """Whether every trained array lies in a module that can be stacked or has a row per item."""
    items = set(model.item_arrays)

    def holds(module: nn.Module, place: str) -> bool:
        own = {name for name, _ in module.named_parameters(place, recurse=False)}
        parts = ((child, f"{place}.{name}".lstrip(".")) for name, child in module.named_children())
        return (type(module) in _KINDS or own <= items) and all(holds(*part) for part in parts)

    return holds(model, "")


def stacked(module: nn.Module) -> Any:
    """A stacked twin with one weight set; ``assign`` gives it others. The original is untouched."""
    if type(module) in _KINDS:
        return _KINDS[type(module)](module)
    twin = module.__new__(type(module))
    state = dict(module.__dict__)
    for registry in ("_parameters", "_buffers"):
        state[registry] = dict(state[registry])
    twin.__dict__ = state
    twin._modules = {name: stacked(child) for name, child in module.named_children()}
    return twin


def assign(module: nn.Module, arrays: Mapping[str, Tensor]) -> None:
    """Put other tensors, of any shape, in the place of named parameters and buffers."""
    for name, array in arrays.items():
        owner, _, leaf = name.rpartition(".")
        holder = module.get_submodule(owner)
        registry = holder._parameters if leaf in holder._parameters else holder._buffers
        # The registry takes any tensor; setattr would insist on a Parameter, made anew each time.
        registry[leaf] = array  # type: ignore[assignment]
