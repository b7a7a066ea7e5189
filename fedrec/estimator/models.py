"""The estimators of the models that fedrec comes with, and ``fedrec.fit``."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from fedrec.config.config import Value
from fedrec.errors import ConfigError
from fedrec.estimator.estimator import Estimator
from fedrec.estimator.hyperparameters import Hyperparameters

if TYPE_CHECKING:
    import pandas as pd

    from fedrec.data.preparation.store import Dataset


# BCE with four negatives of each event, as in the federated literature.
BCE_OF_FOUR: Mapping[str, Value] = {
    "loss.name": "gbce",
    "loss.calibration": 0.0,
    "loss.negatives": 4,
}


class _Named(Estimator):
    """An estimator of one model."""

    def __init__(
        self,
        settings: Mapping[str, Value] | None = None,
        **hyperparameters: Unpack[Hyperparameters],
    ) -> None:
        super().__init__(self.model_name, settings, **hyperparameters)


class Hybrid(_Named):
    """Hybrid of ID, semantic and content embeddings: ``fedrec.models.hybrid``."""

    model_name = "hybrid"


class SASRec(_Named):
    """SASRec, a causal transformer over item embeddings: ``fedrec.models.sasrec``."""

    model_name = "sasrec"


class BERT4Rec(_Named):
    """BERT4Rec, a bidirectional transformer and the cloze task: ``fedrec.models.bert4rec``."""

    model_name = "bert4rec"


class GRU4Rec(_Named):
    """GRU4Rec, a gated recurrent network over item embeddings: ``fedrec.models.gru4rec``."""

    model_name = "gru4rec"


class NARM(_Named):
    """NARM, recurrent units with attention: ``fedrec.models.sessions.attentive_gru``."""

    model_name = "narm"


class STAMP(_Named):
    """STAMP, attention to the newest item: ``fedrec.models.sessions.short_term_attention``."""

    model_name = "stamp"


class SRGNN(_Named):
    """SR-GNN, a graph network over a history: ``fedrec.models.sessions.session_graph``."""

    model_name = "sr-gnn"


class BPRMF(_Named):
    """Matrix factorisation with the BPR loss: ``fedrec.models.bpr_mf``."""

    model_name = "bpr-mf"
    defaults: ClassVar[Mapping[str, Value]] = {"loss.name": "bpr"}


class FPMC(_Named):
    """Matrix factorisation plus transitions of the newest item: ``fedrec.models.fpmc``."""

    model_name = "fpmc"
    defaults: ClassVar[Mapping[str, Value]] = {"loss.name": "bpr"}


class NeuralCF(_Named):
    """A network over pairs of users and items (FedNCF): ``fedrec.models.users.neural_cf``."""

    model_name = "fed-ncf"
    defaults: ClassVar[Mapping[str, Value]] = BCE_OF_FOUR


class PFedRec(_Named):
    """A score function for each user (PFedRec): ``fedrec.models.users.pfedrec``."""

    model_name = "pfedrec"
    defaults: ClassVar[Mapping[str, Value]] = BCE_OF_FOUR


class HSTU(_Named):
    """HSTU, pointwise attention with a gate: ``fedrec.models.transformers.hstu``."""

    model_name = "hstu"


class UniSRec(_Named):
    """A transformer over adapted texts of items: ``fedrec.models.transformers.unisrec``."""

    model_name = "unisrec"


def fit(
    data: "Dataset | pd.DataFrame",
    settings: Mapping[str, Value] | None = None,
    *,
    model: str | Callable[..., Any] | None = None,
    **hyperparameters: Unpack[Hyperparameters],
) -> Estimator:
    """Make an estimator and fit it: ``fedrec.fit(dataset, {"model.name": "sasrec"}, epochs=20)``.

    Args:
        data: Prepared data, or a DataFrame.
        settings: Dotted config keys.
        model: As for ``Estimator``; wins over the key ``model.name``.
        hyperparameters: See ``Hyperparameters``; they win over ``settings``.

    Raises:
        FedrecError: As ``Estimator`` and ``Estimator.fit``.
    """
    name = model or (settings or {}).get("model.name", "hybrid")
    if not (isinstance(name, str) or callable(name)):
        raise ConfigError(f"model.name must be a string, got {name!r}")
    return Estimator(name, settings, **hyperparameters).fit(data)
