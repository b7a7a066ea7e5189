from experiments.api import resume as resume
from experiments.api import simulate as simulate
from experiments.sweep.api import sweep as sweep
from fedrec.data.preparation.store import Dataset as Dataset
from fedrec.estimator.estimator import Estimator as Estimator
from fedrec.estimator.evaluate import evaluate as evaluate
from fedrec.estimator.models import BPRMF as BPRMF
from fedrec.estimator.models import FPMC as FPMC
from fedrec.estimator.models import HSTU as HSTU
from fedrec.estimator.models import NARM as NARM
from fedrec.estimator.models import SRGNN as SRGNN
from fedrec.estimator.models import STAMP as STAMP
from fedrec.estimator.models import BERT4Rec as BERT4Rec
from fedrec.estimator.models import GRU4Rec as GRU4Rec
from fedrec.estimator.models import Hybrid as Hybrid
from fedrec.estimator.models import NeuralCF as NeuralCF
from fedrec.estimator.models import PFedRec as PFedRec
from fedrec.estimator.models import SASRec as SASRec
from fedrec.estimator.models import UniSRec as UniSRec
from fedrec.estimator.models import fit as fit
from fedrec.inference.opening import open_recommender as open_recommender
from fedrec.report.comparison.comparison import compare as compare
from fedrec.runs.record import load as load
from fedrec.version import __version__ as __version__

__all__ = [
    "BPRMF",
    "FPMC",
    "HSTU",
    "NARM",
    "SRGNN",
    "STAMP",
    "BERT4Rec",
    "Dataset",
    "Estimator",
    "GRU4Rec",
    "Hybrid",
    "NeuralCF",
    "PFedRec",
    "SASRec",
    "UniSRec",
    "__version__",
    "compare",
    "evaluate",
    "fit",
    "load",
    "open_recommender",
    "resume",
    "simulate",
    "sweep",
]
