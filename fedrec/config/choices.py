"""Names that a config may give."""

AMAZON = ("amazon-beauty-2014", "amazon-office-2018")  # nobody publishes them to be fetched
DATASETS = ("synthetic", "ml-1m", "ml-100k", "ml-latest-small", *AMAZON)  # names, never paths
VIEWS = ("identity", "semantic", "content")
REFERENCES = ("sasrec", "bert4rec", "gru4rec", "bpr-mf")  # of item identities alone
MODELS = ("hybrid", *REFERENCES)
MIXES = ("context", "fixed", "sum", "concat", "item", "attention")
ENCODERS = ("causal", "bidirectional", "gru")
LOSSES = ("sampled-softmax", "softmax", "bce", "gbce", "bpr")
QUERY_TIME = "+query-time"  # behind the name of a protocol: the model knows when it is asked


def names_in(text: str) -> tuple[str, ...]:
    """The names in a comma-separated string: ``"title, genres"`` gives two."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
