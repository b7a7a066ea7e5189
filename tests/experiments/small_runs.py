"""Keys of runs that take a second."""

TINY = {
    "data.source": "synthetic:users=40,items=60",
    "semantics.encoder": "hashed",
    "semantics.width": 8,
    "model.width": 8,
    "model.hidden": 8,
    "model.max-length": 8,
    "loss.negatives": 8,
    "evaluation.resamples": 20,
}
SMALL = TINY | {
    "federation.rounds": 1,
    "partition.count": 2,
    "federation.share-counts-min-users": 1,
}
