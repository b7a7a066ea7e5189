"""Sequential recommenders, their parts, their losses and the groups of their parameters."""

from typing import TYPE_CHECKING

from fedrec.lazy import lazy_exports

if TYPE_CHECKING:
    from fedrec.models.bert4rec import BERT4Rec
    from fedrec.models.bpr_mf import BPRMF
    from fedrec.models.gru4rec import GRU4Rec
    from fedrec.models.hybrid import Hybrid
    from fedrec.models.identity_rows import IdentityRows
    from fedrec.models.losses import LOSSES, LossFunction, LossOptions
    from fedrec.models.parameters import (
        NamedArrays,
        ParameterGroups,
        arrays_of,
        groups_of,
        load_arrays,
    )
    from fedrec.models.parts import ModelParts
    from fedrec.models.recommender import (
        ItemTable,
        Recommender,
        catalogue_of,
        output_embeddings,
        score_next,
    )
    from fedrec.models.sasrec import SASRec

__all__ = [
    "BPRMF",
    "LOSSES",
    "BERT4Rec",
    "GRU4Rec",
    "Hybrid",
    "IdentityRows",
    "ItemTable",
    "LossFunction",
    "LossOptions",
    "ModelParts",
    "NamedArrays",
    "ParameterGroups",
    "Recommender",
    "SASRec",
    "arrays_of",
    "catalogue_of",
    "groups_of",
    "load_arrays",
    "output_embeddings",
    "score_next",
]

_HOMES = {
    "BERT4Rec": "bert4rec",
    "BPRMF": "bpr_mf",
    "GRU4Rec": "gru4rec",
    "Hybrid": "hybrid",
    "IdentityRows": "identity_rows",
    "ItemTable": "recommender",
    "LOSSES": "losses",
    "LossFunction": "losses",
    "LossOptions": "losses",
    "ModelParts": "parts",
    "NamedArrays": "parameters",
    "ParameterGroups": "parameters",
    "Recommender": "recommender",
    "SASRec": "sasrec",
    "arrays_of": "parameters",
    "catalogue_of": "recommender",
    "groups_of": "parameters",
    "load_arrays": "parameters",
    "output_embeddings": "recommender",
    "score_next": "recommender",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
