"""Shared, private and frozen parameters of a model as named arrays."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fedrec.errors import MessageError
from fedrec.models.recommender import Recommender

NamedArrays = dict[str, np.ndarray]

# Word of model.private -> parameter.
PRIVATE_NAMES = {"gate-bias": "gate.bias", "identity": "views.identity.rows"}


@dataclass(frozen=True)
class ParameterGroups:
    """Names of a model's arrays, each in exactly one group.

    Attributes:
        shared: Trained parameters that travel.
        private: Trained parameters that stay with the client.
        frozen: Parameters that are not trained, such as a language model under its adapters; and
            buffers: the semantic table, content features, item frequencies.
    """

    shared: tuple[str, ...]
    private: tuple[str, ...]
    frozen: tuple[str, ...]


def groups_of(model: Recommender, private: Iterable[str] = ()) -> ParameterGroups:
    """Sort the arrays of a model into shared, private and frozen.

    Parameters that need no gradient are frozen: they never travel, so that all clients must have
    the same ones by themselves (``frozen_parameters``).

    Args:
        model: The recommender.
        private: Words of ``model.private``: ``gate-bias``, ``identity``; rows of users and
            ``own_parameters`` are private without a word.
    """
    kept = {PRIVATE_NAMES[word] for word in private}
    kept |= {*model.user_arrays, *model.own_parameters}
    parameters = dict(model.named_parameters())
    trained = [name for name, parameter in parameters.items() if parameter.requires_grad]
    fixed = [name for name in parameters if name not in set(trained)]
    return ParameterGroups(
        shared=tuple(name for name in trained if name not in kept),
        private=tuple(name for name in trained if name in kept),
        frozen=(*fixed, *(name for name, _ in model.named_buffers())),
    )


def frozen_parameters(model: nn.Module) -> dict[str, Tensor]:
    """Parameters by name that are not trained and never sent."""
    return {n: p.detach() for n, p in model.named_parameters() if not p.requires_grad}


def arrays_of(model: nn.Module, names: Iterable[str]) -> NamedArrays:
    """Copies of the named parameters."""
    parameters = dict(model.named_parameters())
    return {name: parameters[name].detach().cpu().numpy().copy() for name in names}


def load_arrays(model: nn.Module, arrays: Mapping[str, np.ndarray], names: Iterable[str]) -> None:
    """Write arrays into the named parameters of a model.

    Raises:
        MessageError: The message names or shapes differ from the model's.
    """
    parameters = dict(model.named_parameters())
    expected = set(names)
    if set(arrays) != expected:
        raise MessageError(
            f"weights named {sorted(set(arrays) ^ expected)} are on one side only; "
            "the code or model.* of client and server differ"
        )
    with torch.no_grad():
        for name, array in arrays.items():
            if tuple(array.shape) != tuple(parameters[name].shape):
                raise MessageError(
                    f"weights {name!r} have shape {tuple(array.shape)}, the model here "
                    f"{tuple(parameters[name].shape)}; model.* or the data differ"
                )
            parameters[name].copy_(torch.from_numpy(np.array(array)))


def anchor_of(model: nn.Module, names: Iterable[str]) -> dict[str, Tensor]:
    """Detached copies of the named parameters: what the FedProx term pulls towards."""
    parameters = dict(model.named_parameters())
    return {name: parameters[name].detach().clone() for name in names}


def optimizer_arrays(model: nn.Module, optimizer: torch.optim.Optimizer) -> NamedArrays:
    """State of an optimiser by parameter name: ``gate.bias/exp_avg``, ``gate.bias/step``."""
    return {
        f"{name}/{key}": value.detach().cpu().numpy().copy()
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def load_optimizer_arrays(
    model: nn.Module, optimizer: torch.optim.Optimizer, arrays: Mapping[str, np.ndarray]
) -> None:
    """Write back what ``optimizer_arrays`` gave."""
    parameters = dict(model.named_parameters())
    for key, array in arrays.items():
        name, _, field = key.rpartition("/")
        value = torch.from_numpy(np.array(array))
        device = torch.device("cpu") if field == "step" else parameters[name].device
        optimizer.state[parameters[name]][field] = value.to(device)
