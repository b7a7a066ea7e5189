"""``check_model``: whether a model can be trained, sent, saved and stacked as fedrec does it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from fedrec.config.failures import user_code_failures
from fedrec.config.sections.model import Model
from fedrec.errors import FedrecError
from fedrec.factory.build_model import build_model
from fedrec.factory.own_model import model_name
from fedrec.models.parameters import arrays_of, groups_of, load_arrays
from fedrec.models.recommender import Recommender
from fedrec.testing.conformance import (
    LENGTHS,
    MAX_LENGTH,
    NUM_ITEMS,
    ConformanceError,
    check_finite,
    demand,
    have_same_bytes,
)
from fedrec.testing.model_states import check_states
from fedrec.testing.model_training import check_side_by_side, check_training

Build = Callable[[int], Recommender]

_SMALL: dict[str, Any] = {
    "width": 8,
    "blocks": 2,
    "heads": 2,
    "hidden": 16,
    "max_length": MAX_LENGTH,
}


def check_model(model: str | Callable[..., Any], **settings: Any) -> None:
    """Check a model on a catalogue of 40 items: shapes, causality, training, bytes on the wire.

    Args:
        model: As ``fedrec.simulate`` takes it: a class or function that makes a ``Recommender`` of
            item rows (V + 1, D) and an encoder, "package.module:name", or a model's name.
        settings: Keys of the config's section ``model``, such as ``width``; a small model without.

    Raises:
        ConformanceError: The first thing that does not hold, in one line.
    """
    try:
        chosen = Model(**(_SMALL | settings | {"name": model_name(model)}))
    except FedrecError as error:
        raise ConformanceError(str(error)) from error

    def build(seed: int) -> Recommender:
        return _built(chosen, seed)

    with user_code_failures(f"model {chosen.name!r} failed in its checks", ConformanceError):
        _check_weights(build)
        _check_groups(build)
        check_states(build(0))
        check_training(build)
        _check_saving(build)
        if not (build(0).user_arrays or build(0).task != "next" or build(0).needs_times):
            check_side_by_side(build(0))


def small_model(name: str) -> Recommender:
    """A small model of ours on the 40 items."""
    return _built(Model(**(_SMALL | {"name": name})), seed=0)


def _built(settings: Model, seed: int) -> Recommender:
    rng = np.random.default_rng(3)
    semantic = rng.normal(size=(NUM_ITEMS + 1, 6)).astype(np.float32)
    content = rng.normal(size=(NUM_ITEMS + 1, 5)).astype(np.float32)
    semantic[0] = content[0] = 0
    try:
        return build_model(
            settings,
            num_items=NUM_ITEMS,
            semantic=semantic,
            content=content,
            frequency=np.arange(NUM_ITEMS + 1),
            seed=seed,
            users=np.arange(len(LENGTHS)),
        )
    except FedrecError as error:
        raise ConformanceError(str(error)) from error
    except Exception as error:
        raise ConformanceError(
            f"model {settings.name!r} could not be made of item rows "
            f"({NUM_ITEMS + 1}, {settings.width}) and an encoder: {error}"
        ) from error


def _check_weights(build: Build) -> None:
    names = [name for name, _ in build(0).named_parameters()]
    demand(bool(names), "the model has no trained parameters")
    first, again = (arrays_of(build(0), names) for _ in range(2))
    check_finite(first, "initial weights")
    demand(
        have_same_bytes(first, again),
        "two models of the same seed start from other weights; draw none from a global generator",
    )
    for name, array in first.items():
        demand(
            array.dtype == np.float32, f"weights {name!r} are {array.dtype}, clients send float32"
        )


def _check_groups(build: Build) -> None:
    """Names on the wire: stable, and each in one group."""
    one, other = groups_of(build(0)), groups_of(build(1))
    demand(one == other, "the names of the model's parameters change with its seed")
    demand(bool(one.shared), "no parameter is shared, so that a federation would learn nothing")
    all_names = [*one.shared, *one.private, *one.frozen]
    demand(len(set(all_names)) == len(all_names), "a name is both a trained parameter and a buffer")
    model = build(0)
    lacking = sorted({*model.item_arrays, *model.user_arrays} - set(all_names))
    demand(not lacking, f"item_arrays or user_arrays name {lacking}, which the model does not have")
    arrays = dict(model.named_parameters()) | dict(model.named_buffers())
    for name in model.item_arrays:
        rows = len(arrays[name])
        demand(
            rows == NUM_ITEMS + 1,
            f"item_arrays names {name!r}, which has {rows} rows, expected {NUM_ITEMS + 1}",
        )


def _check_saving(build: Build) -> None:
    """Weights that were sent make another instance the same model."""
    names = [name for name, _ in build(0).named_parameters()]
    source, target = build(0), build(1)
    load_arrays(target, arrays_of(source, names), names)
    demand(
        have_same_bytes(arrays_of(source, names), arrays_of(target, names)),
        "weights that are loaded into another instance come back as other bytes",
    )
    items = torch.arange(NUM_ITEMS + 1)
    with torch.no_grad():
        vectors = [each.eval().output_vectors(each.look_up(items)) for each in (source, target)]
    demand(
        torch.equal(*vectors),
        "two instances with the same weights give items other vectors: something beside the "
        "parameters and buffers decides",
    )
