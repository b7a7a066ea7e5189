"""A model that a user brings: its class or function, checked for what training needs of it."""

from collections.abc import Callable
from typing import Any

from torch import nn

from fedrec.config.handed_over import named
from fedrec.errors import ConfigError
from fedrec.models.bert4rec import BERT4Rec
from fedrec.models.bpr_mf import BPRMF
from fedrec.models.dualrec_lstm import DualRecLSTM
from fedrec.models.fpmc import FPMC
from fedrec.models.gru4rec import GRU4Rec
from fedrec.models.hybrid import Hybrid
from fedrec.models.recommender import Recommender
from fedrec.models.sasrec import SASRec
from fedrec.models.sessions.attentive_gru import NARM
from fedrec.models.sessions.session_graph import SRGNN
from fedrec.models.sessions.short_term_attention import STAMP
from fedrec.models.transformers.hstu import HSTU
from fedrec.models.transformers.unisrec import UniSRec, UniSRecID
from fedrec.models.users.neural_cf import NeuralCF
from fedrec.models.users.pfedrec import PFedRec
from fedrec.training.frozen_buffers import written

_OURS: dict[object, str] = {
    Hybrid: "hybrid",
    SASRec: "sasrec",
    BERT4Rec: "bert4rec",
    GRU4Rec: "gru4rec",
    NARM: "narm",
    STAMP: "stamp",
    SRGNN: "sr-gnn",
    DualRecLSTM: "dualrec-lstm",
    BPRMF: "bpr-mf",
    FPMC: "fpmc",
    NeuralCF: "fed-ncf",
    PFedRec: "pfedrec",
    HSTU: "hstu",
    UniSRec: "unisrec",
    UniSRecID: "unisrec-id",
}
HOME = f"{Recommender.__module__}.{Recommender.__name__}"


def model_name(model: str | Callable[..., Any]) -> str:
    """The value of ``model.name`` for a model: its name, or an import string of an object.

    Args:
        model: A name, or a class or function that makes a ``Recommender`` of item rows (V + 1, D)
            and an encoder.

    Raises:
        ConfigError: A class that lacks methods, or no class or function.
    """
    if isinstance(model, str):
        return model
    if isinstance(name := getattr(model, "model_name", None), str) and name:
        return name  # an estimator's class stands for its model
    if model in _OURS:
        return _OURS[model]
    if isinstance(model, nn.Module) or not callable(model):
        raise ConfigError(
            "model must be a name, or a class or function that makes a model of item rows and an "
            f"encoder, got an instance of {type(model).__name__}"
        )
    if isinstance(model, type):
        check_class(model)
    return named("model", model)


def check_class(kind: type) -> None:
    """Refuse a class whose instances could not be trained, naming the methods it lacks.

    Raises:
        ConfigError: No ``Recommender``, or one with abstract methods left.
    """
    if not issubclass(kind, Recommender):
        lacking = sorted(n for n in Recommender.__abstractmethods__ if not hasattr(kind, n))
        needs = f" and give it {', '.join(lacking)}" if lacking else ""
        raise ConfigError(f"model {kind.__name__} is no Recommender; derive it from {HOME}{needs}")
    if lacking := sorted(kind.__abstractmethods__):
        raise ConfigError(f"model {kind.__name__} lacks {', '.join(lacking)}; see {HOME}")


def checked(name: str, model: object) -> Recommender:
    """What a user's factory made, if it is a model.

    Args:
        name: Value of ``model.name``.
        model: As the factory returned it.

    Raises:
        ConfigError: It is none, scores by other than products, or keeps running statistics.
    """
    if isinstance(model, Recommender):
        if not model.scores_by_product:
            raise ConfigError(
                f"model.name {name!r} must score by products of states and output vectors, got "
                "scores_by_product = False, which models with rows of users alone may have"
            )
        _check_buffers(name, model)
        return model
    lacking = sorted(n for n in Recommender.__abstractmethods__ if not hasattr(model, n))
    needs = f" and gives it {', '.join(lacking)}" if lacking else ""
    raise ConfigError(
        f"model.name {name!r} must make a Recommender, got {type(model).__name__}; "
        f"a model derives from {HOME}{needs}"
    )


def _check_buffers(name: str, model: Recommender) -> None:
    """Refuse layers that write to their buffers in training, before any training starts."""
    for place, layer in model.named_modules():
        keeps = isinstance(layer, nn.modules.batchnorm._NormBase) and layer.track_running_stats
        if keeps:
            buffer = "running_mean" if layer.running_mean is not None else "num_batches_tracked"
            raise ConfigError(f"model.name {name!r}: {written(model, f'{place}.{buffer}')}")
