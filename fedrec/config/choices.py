"""Every closed list of words that a config may give, each of them once.

Layouts of data files are listed by their readers (``fedrec.data.readers.detect``), partition rules
by ``fedrec.data.partition``, strategies by the server: those lists are registries of code.
"""

AMAZON = ("amazon-beauty-2014", "amazon-office-2018")  # nobody publishes them to be fetched
MOVIELENS = ("ml-1m", "ml-100k", "ml-latest-small")
DATASETS = ("synthetic", *MOVIELENS, *AMAZON)  # names, never paths
SOURCE_SEPARATOR = " + "  # the spaces are part of it: a plus alone may stand in a path

DEVICES = ("auto", "cpu", "cuda")

VIEWS = ("identity", "semantic", "content")
BASELINE_MODELS = ("sasrec", "bert4rec", "gru4rec", "bpr-mf")  # of item IDs alone
MODELS = ("hybrid", *BASELINE_MODELS)
FUSIONS = ("context", "fixed", "sum", "concat", "item", "attention")
ENCODERS = ("causal", "bidirectional", "gru")
TIME_FEATURES = ("hour", "gap", "relative")
IDENTITY_STARTS = ("text", "random")
PRIVATE_PARTS = ("gate-bias", "identity")

LOSSES = ("sampled-softmax", "softmax", "bce", "gbce", "bpr")
OPTIMIZERS = ("adam", "adamw", "sgd")
OPTIMIZER_STATES = ("keep", "reset")

UNITS = ("partition", "user")
SAMPLINGS = ("fixed", "poisson")
WEIGHTINGS = ("num-examples", "uniform")
ROW_AVERAGINGS = ("all", "sparse")
DOWNLOAD_TYPES = ("float32", "float16")
UPLOAD_TYPES = ("float32", "float16", "int8")

PROTOCOLS = ("full", "uniform-100", "uniform-99", "popularity-100", "ncf-99")
QUERY_TIME = "+query-time"  # behind the name of a protocol: the model knows when it is asked


def names_in(text: str) -> tuple[str, ...]:
    """The names in a comma-separated string: ``"title, genres"`` gives two."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def sources_in(source: str) -> tuple[str, ...]:
    """The sources in a value of ``data.source``, joined by " + "; "" where one is missing."""
    # A plus at either end joins, too: spaces around a value are lost on the way here.
    return tuple(part.strip() for part in f" {source} ".split(SOURCE_SEPARATOR))
