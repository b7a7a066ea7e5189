"""Every closed list of words that a config may give, each of them once.

Layouts of data files are listed by their readers (``fedrec.data.readers.detect``), partition rules
by ``fedrec.data.partitions.rules``, strategies by the server: those lists are registries of code.
"""

import re
from typing import NamedTuple

AMAZON = ("amazon-beauty-2014", "amazon-office-2018")  # nobody publishes them to be fetched
MOVIELENS = ("ml-1m", "ml-100k", "ml-latest-small")
DATASETS = ("synthetic", *MOVIELENS, *AMAZON)  # names, never paths
SOURCE_SEPARATOR = " + "  # the spaces are part of it: a plus alone may stand in a path

DEVICES = ("auto", "cpu", "cuda")

TRACKERS = ("tensorboard", "mlflow", "wandb")  # also names of extras, and as they are imported

LONG_TEXTS = ("cut", "chunks")

VIEWS = ("identity", "semantic", "content")
SIGNALS_MEAN = "signals-mean"  # view: the mean over an item's semantic signals
VECTOR_FORMATS = (".npy", ".npz", ".parquet")
SIGNAL_CONTROLS = ("none", "shuffled", "generic", "title")
_SIGNAL = re.compile(r"signal-([a-z][a-z0-9-]*)")  # text field, or view: signals of one kind
_VECTORS = re.compile(r"vectors-([A-Za-z0-9_-]+)")  # view: a user's own vectors, by their file


class ModelInfo(NamedTuple):
    """A model of fedrec.

    Attributes:
        home: Import string of its class, a ``fedrec.models.recommender.Recommender``.
        encoder: Its sequence encoder; empty where ``model.encoder`` names it.
        has_user_rows: Whether it has a row for each user, private to the client that holds them.
        reads_text: Whether it reads the frozen embedding table whatever ``model.views`` is.
    """

    home: str
    encoder: str = ""
    has_user_rows: bool = False
    reads_text: bool = False


MODELS = {
    "hybrid": ModelInfo("fedrec.models.hybrid:Hybrid"),
    "sasrec": ModelInfo("fedrec.models.sasrec:SASRec", "causal"),
    "bert4rec": ModelInfo("fedrec.models.bert4rec:BERT4Rec", "bidirectional"),
    "gru4rec": ModelInfo("fedrec.models.gru4rec:GRU4Rec", "gru"),
    "narm": ModelInfo("fedrec.models.sessions.attentive_gru:NARM", "attentive-gru"),
    "stamp": ModelInfo("fedrec.models.sessions.short_term_attention:STAMP", "short-term"),
    "sr-gnn": ModelInfo("fedrec.models.sessions.session_graph:SRGNN", "session-graph"),
    "dualrec-lstm": ModelInfo("fedrec.models.dualrec_lstm:DualRecLSTM", "lstm"),
    "bpr-mf": ModelInfo("fedrec.models.bpr_mf:BPRMF", "none", has_user_rows=True),
    "fpmc": ModelInfo("fedrec.models.fpmc:FPMC", "none", has_user_rows=True),
    "fed-ncf": ModelInfo("fedrec.models.users.neural_cf:NeuralCF", "none", has_user_rows=True),
    "pfedrec": ModelInfo("fedrec.models.users.pfedrec:PFedRec", "none", has_user_rows=True),
    "hstu": ModelInfo("fedrec.models.transformers.hstu:HSTU", "pointwise"),
    "unisrec": ModelInfo("fedrec.models.transformers.unisrec:UniSRec", "causal", reads_text=True),
    "unisrec-id": ModelInfo(
        "fedrec.models.transformers.unisrec:UniSRecID", "causal", reads_text=True
    ),
    "lora": ModelInfo("fedrec.llm.lora.recommender:LoraRecommender", "language-model"),
}
OF_USERS = tuple(name for name, info in MODELS.items() if info.has_user_rows)
OF_TEXT = tuple(name for name, info in MODELS.items() if info.reads_text)
BASELINE_MODELS = tuple(name for name in MODELS if name != "hybrid")  # without views
DUALREC_ANSWERS = ("order", "titles", "free")
LORA_AGGREGATIONS = ("ffa", "fedit", "svd", "fedsa")
FUSIONS = ("context", "fixed", "sum", "concat", "item", "attention")
ENCODERS = ("causal", "bidirectional", "gru")
TRANSFORMERS = ("causal", "bidirectional")  # encoders
BLOCKS = ("pre-norm", "sasrec", "ligr")
POSITIONS = ("from-last", "from-first")
TIME_FEATURES = ("hour", "gap", "relative")
IDENTITY_STARTS = ("text", "random")
PRIVATE_PARTS = ("gate-bias", "identity")

LOSSES_OF_USERS = ("bpr", "bce", "gbce")  # with negatives of each target's own
LOSSES = ("sampled-softmax", "softmax", "bce", "gbce", "bpr")
BATCHES = ("by-length", "random")
KERNELS = ("auto", "native", "torch")
OWN_HISTORIES = ("leave-out", "keep")
OPTIMIZERS = ("adam", "adamw", "sgd")
OPTIMIZER_STATES = ("keep", "reset")

UNITS = ("partition", "user")
SAMPLINGS = ("fixed", "poisson", "shuffled")  # of users
WEIGHTINGS = ("num-examples", "uniform")
ROW_AVERAGINGS = ("all", "sparse")
DOWNLOAD_TYPES = ("float32", "float16", "int8")
UPLOAD_TYPES = DOWNLOAD_TYPES

SESSIONS = ("", "day")  # what a user is: a person, or a day of one

PROTOCOLS = ("full", "uniform-100", "uniform-99", "candidates-20", "popularity-100", "ncf-99")
QUERY_TIME = "+query-time"  # behind the name of a protocol: the model knows when it is asked
_SAMPLE = re.compile(r"\+([0-9]+)-users")  # and that a sample of so many users was evaluated

_VALIDATION = re.compile(r"\+([0-9]+)-validation-users")  # and the others' validation items trained


def protocol_suffix(users: int, validation_users: int, *, knows_time: bool) -> str:
    """What stands behind the name of a protocol in results.

    Args:
        users: ``evaluation.users``, the sample of users that is evaluated; 0 for all.
        validation_users: ``evaluation.validation-users``; 0 for all.
        knows_time: Whether the model knows when it is asked.
    """
    sample = f"+{users}-users" if users else ""
    validation = f"+{validation_users}-validation-users" if validation_users else ""
    return sample + validation + QUERY_TIME * knows_time


def sample_of(protocol: str) -> int:
    """Number of sampled users behind the name of a protocol; 0 for everybody."""
    found = _SAMPLE.search(protocol)
    return int(found[1]) if found else 0


def validation_users_of(protocol: str) -> int:
    """Number of validation users behind the name of a protocol; 0 where all users are."""
    found = _VALIDATION.search(protocol)
    return int(found[1]) if found else 0


def plain_protocol(protocol: str) -> str:
    """The protocol of a name in results, without what stands behind it."""
    return protocol.partition("+")[0]


def names_in(text: str) -> tuple[str, ...]:
    """The names in a comma-separated string: ``"title, genres"`` gives two."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def sources_in(source: str) -> tuple[str, ...]:
    """The sources in a value of ``data.source``, joined by " + "; "" where one is missing."""
    # A plus at either end joins, too: spaces around a value are lost on the way here.
    return tuple(part.strip() for part in f" {source} ".split(SOURCE_SEPARATOR))


def view_name(view: str) -> str:
    """How a view is called in a model: its name, or that of the function behind a colon."""
    return view.rpartition(":")[2]


def signal_kind(name: str) -> str:
    """The kind of signals that a text field or view "signal-KIND" names; "" for any other."""
    found = _SIGNAL.fullmatch(name)
    return found[1] if found else ""


def reads_signals(name: str) -> bool:
    """Whether a text field or view is made of semantic signals."""
    return name == SIGNALS_MEAN or bool(signal_kind(name))


def vectors_file(view: str) -> str:
    """The name, without folder and ending, of the file that a view "vectors-NAME" is made of."""
    found = _VECTORS.fullmatch(view)
    return found[1] if found else ""
