"""Sequential recommenders, their parts, their losses and the groups of their parameters."""

from typing import TYPE_CHECKING

from fedrec.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from fedrec.models.bert4rec import BERT4Rec
    from fedrec.models.bpr_mf import BPRMF
    from fedrec.models.dualrec_lstm import DualRecLSTM
    from fedrec.models.fpmc import FPMC
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
    from fedrec.models.parts import ItemFeatures, ModelParts
    from fedrec.models.recommender import (
        ItemTable,
        Recommender,
        catalogue_of,
        output_embeddings,
        score_next,
    )
    from fedrec.models.sasrec import SASRec
    from fedrec.models.sessions.attentive_gru import NARM
    from fedrec.models.sessions.session_graph import SRGNN
    from fedrec.models.sessions.short_term_attention import STAMP
    from fedrec.models.transformers.hstu import HSTU
    from fedrec.models.transformers.unisrec import UniSRec, UniSRecID
    from fedrec.models.users.neural_cf import NeuralCF
    from fedrec.models.users.pfedrec import PFedRec

__all__ = [
    "BPRMF",
    "FPMC",
    "HSTU",
    "LOSSES",
    "NARM",
    "SRGNN",
    "STAMP",
    "BERT4Rec",
    "DualRecLSTM",
    "GRU4Rec",
    "Hybrid",
    "IdentityRows",
    "ItemFeatures",
    "ItemTable",
    "LossFunction",
    "LossOptions",
    "ModelParts",
    "NamedArrays",
    "NeuralCF",
    "PFedRec",
    "ParameterGroups",
    "Recommender",
    "SASRec",
    "UniSRec",
    "UniSRecID",
    "arrays_of",
    "catalogue_of",
    "groups_of",
    "load_arrays",
    "output_embeddings",
    "score_next",
]

_HOMES = {
    "BERT4Rec": "fedrec.models.bert4rec",
    "BPRMF": "fedrec.models.bpr_mf",
    "DualRecLSTM": "fedrec.models.dualrec_lstm",
    "FPMC": "fedrec.models.fpmc",
    "GRU4Rec": "fedrec.models.gru4rec",
    "HSTU": "fedrec.models.transformers.hstu",
    "Hybrid": "fedrec.models.hybrid",
    "IdentityRows": "fedrec.models.identity_rows",
    "ItemFeatures": "fedrec.models.parts",
    "ItemTable": "fedrec.models.recommender",
    "LOSSES": "fedrec.models.losses",
    "LossFunction": "fedrec.models.losses",
    "LossOptions": "fedrec.models.losses",
    "ModelParts": "fedrec.models.parts",
    "NARM": "fedrec.models.sessions.attentive_gru",
    "NamedArrays": "fedrec.models.parameters",
    "NeuralCF": "fedrec.models.users.neural_cf",
    "PFedRec": "fedrec.models.users.pfedrec",
    "ParameterGroups": "fedrec.models.parameters",
    "Recommender": "fedrec.models.recommender",
    "SASRec": "fedrec.models.sasrec",
    "SRGNN": "fedrec.models.sessions.session_graph",
    "STAMP": "fedrec.models.sessions.short_term_attention",
    "UniSRec": "fedrec.models.transformers.unisrec",
    "UniSRecID": "fedrec.models.transformers.unisrec",
    "arrays_of": "fedrec.models.parameters",
    "catalogue_of": "fedrec.models.recommender",
    "groups_of": "fedrec.models.parameters",
    "load_arrays": "fedrec.models.parameters",
    "output_embeddings": "fedrec.models.recommender",
    "score_next": "fedrec.models.recommender",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
