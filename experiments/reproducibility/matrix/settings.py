"""The settings of the matrix: every closed list of the config, each value of it at least once.

A setting is a name and the keys in which it differs from ``COMMON``. None of them is easy: dropout,
sampled negatives, a private gate bias, half of the clients a round, of whom a fifth drop out.
"""

from typing import Any

from experiments.reproducibility.same_bytes import NOTHING_EASY, SMALL
from fedrec.config.values.choices import (
    BLOCKS,
    DOWNLOAD_TYPES,
    ENCODERS,
    FUSIONS,
    LOSSES,
    POSITIONS,
    TIME_FEATURES,
    UPLOAD_TYPES,
)

Keys = dict[str, Any]

OWN = "experiments.reproducibility.matrix.own"
COMMON: Keys = (
    SMALL
    | NOTHING_EASY
    | {
        "data.source": "synthetic:users=150,items=60",
        "partition.by": "uniform",
        "partition.count": 6,
        "semantics.width": 8,
        "model.width": 8,
        "model.hidden": 16,
        "model.max-length": 12,
        "loss.negatives": 20,
        "federation.fraction": 0.75,
        "federation.rounds": 2,
        "federation.evaluate-every": 1,
        "run.checkpoint-every": 2,
    }
)
NO_GATE: Keys = {"model.private": ""}
BCE_OF_FOUR: Keys = {"loss.name": "gbce", "loss.calibration": 0.0, "loss.negatives": 4}

# Options that a strategy cannot do without, or that make it differ from FedAvg.
STRATEGIES: dict[str, str] = {
    "fedavg": "",
    "fedprox": "proximal-mu = 0.01",
    "server-adam": "learning-rate = 0.01",
    "fedavgm": "server-momentum = 0.9",
    "fedadam": "eta = 0.01",
    "fedyogi": "eta = 0.01",
    "fedadagrad": "eta = 0.01",
    "qfedavg": "client-learning-rate = 0.1, q = 0.2",
    "fedmedian": "",
    "fedtrimmedavg": "beta = 0.2",
    "krum": "",
    "multikrum": "num-nodes-to-select = 2",
    "bulyan": "",
    f"{OWN}:HalfWay": "",
}
OF_STRATEGY: dict[str, Keys] = {
    # Nobody drops out where a strategy needs so many replies.
    **{name: {"federation.drop-out": 0.0} for name in ("krum", "multikrum", "bulyan")},
}
SERVER_OPTIMISERS = ("server-adam", "fedavgm", "fedadam", "fedyogi", "fedadagrad")

MODELS: dict[str, Keys] = {
    "sasrec": {"model.name": "sasrec"} | NO_GATE,
    "sasrec, two layers and heads": {"model.name": "sasrec", "model.blocks": 2, "model.heads": 2}
    | NO_GATE,
    "bert4rec": {"model.name": "bert4rec", "model.mask-share": 0.4} | NO_GATE,
    "gru4rec": {"model.name": "gru4rec"} | NO_GATE,
    "narm": {"model.name": "narm"} | NO_GATE,
    "stamp": {"model.name": "stamp"} | NO_GATE,
    "sr-gnn": {"model.name": "sr-gnn"} | NO_GATE,
    "dualrec-lstm": {"model.name": "dualrec-lstm", "model.blocks": 2} | NO_GATE,
    "bpr-mf": {"model.name": "bpr-mf", "loss.name": "bpr"} | NO_GATE,
    "fpmc": {"model.name": "fpmc", "loss.name": "bpr"} | NO_GATE,
    "fed-mf": {"model.name": "bpr-mf"} | BCE_OF_FOUR | NO_GATE,
    "fed-ncf": {"model.name": "fed-ncf", "model.blocks": 3} | BCE_OF_FOUR | NO_GATE,
    "pfedrec": {"model.name": "pfedrec"} | BCE_OF_FOUR | NO_GATE,
    "unisrec": {"model.name": "unisrec", "model.experts": 3} | NO_GATE,
    "unisrec-id": {"model.name": "unisrec-id", "model.experts": 3} | NO_GATE,
    "hstu": {"model.name": "hstu", "model.heads": 2} | NO_GATE,
    "of one's own": {"model.name": f"{OWN}:Tempered"} | NO_GATE,
    **{f"encoder {name}": {"model.encoder": name} for name in ENCODERS if name != "causal"},
    **{f"fusion {name}": {"model.fusion": name} | NO_GATE for name in FUSIONS if name != "context"},
    **{
        f"block {name}, {positions}": {
            "model.block": name,
            "model.positions": positions,
            "model.init-std": 0.02,
            "model.heads": 2,
        }
        for name in BLOCKS[1:]
        for positions in POSITIONS
    },
    "identity starts at random": {"model.identity-start": "random"},
}
VIEWS: dict[str, Keys] = {
    "identity": {"model.views": "identity"},
    "semantic": {"model.views": "semantic"},
    "content": {"model.views": "content"},
    "identity and semantic": {"model.views": "identity,semantic"},
    "content and one's own": {"model.views": f"content,{OWN}:title_length"},
}
TIMES: dict[str, Keys] = {
    **{name: {"model.time": name} for name in TIME_FEATURES},
    "all": {"model.time": ",".join(TIME_FEATURES)},
    "hstu": {"model.name": "hstu", "model.time": "relative"} | NO_GATE,
}
LOSS: dict[str, Keys] = {
    **{name: {"loss.name": name} for name in LOSSES if name != "sampled-softmax"},
    "sampled-softmax without log Q": {"loss.log-q": False},
    "gbce, fully calibrated": {"loss.name": "gbce", "loss.calibration": 1.0},
    "of one's own": {"loss.name": f"{OWN}:hinge"},
    **{
        f"{name}, own history kept": {"loss.name": name, "loss.own-history": "keep"}
        for name in LOSSES
    },
}
PRIVATE: dict[str, Keys] = {
    "nothing": {"model.private": ""},
    "identity": {"model.private": "identity"},
    "identity and gate bias": {"model.private": "identity,gate-bias"},
}
LOCAL: dict[str, Keys] = {
    "sgd": {"local.optimizer": "sgd", "local.learning-rate": 0.5},
    "adamw": {"local.optimizer": "adamw", "local.weight-decay": 0.1},
    "state reset": {"local.optimizer-state": "reset"},
    "gradient clipped": {"local.clip-norm": 0.1},
    "two epochs": {"local.steps": 0, "local.epochs": 2},
    "rate falls": {"local.schedule-rounds": 2},
    "all windows": {"local.windows": 0, "model.max-length": 4},
    "random batches": {"local.batches": "random", "local.windows": 0, "model.max-length": 4},
}
DATA: dict[str, Keys] = {
    "two domains": {
        "data.source": "synthetic:users=80,items=80 + synthetic:users=60,items=60",
        "data.min-item-events": 1,
        "partition.by": "domain",
        "partition.count": 2,
        "model.views": "semantic",
    },
    "source of one's own": {"data.source": f"{OWN}:events"},
    "partitions by taste": {"partition.by": "taste"},
    "partitions by clusters of texts": {"partition.by": "taste-semantic"},
    "partitions by clusters of co-occurrence": {"partition.by": "taste-co-occurrence"},
    "partitions by activity": {"partition.by": "activity"},
    "partitions by genre": {"partition.by": "genre", "partition.count": 5},
    "partitions by age": {"partition.by": "age"},
    "partitions by a rule of one's own": {"partition.by": f"{OWN}:dealt"},
    "one partition": {"partition.count": 1, "federation.drop-out": 0.0},
    "cold items": {"scenario.cold-items": 0.2},
    "unseen users": {"scenario.unseen-users": 0.2},
    "some validation users": {"evaluation.validation-users": 15},
    "a sample of users": {"evaluation.users": 20, "evaluation.protocol": "full,candidates-20"},
    "most frequent items": {"data.top-items": 40},
    "sessions of a day": {"data.sessions": "day", "evaluation.protocol": "candidates-20"},
    "few-shot items": {"scenario.few-shot-items": 0.3, "scenario.few-shot-events": 2},
    "short histories": {"scenario.history": 4},
    "half of the events": {"scenario.keep": 0.5, "scenario.cold-items": 0.1},
    "cold items smoothed": {"scenario.cold-items": 0.2, "model.neighbours": 3},
}
SEMANTICS: dict[str, Keys] = {
    "not whitened": {"semantics.whiten": False},
    "shuffled": {"semantics.shuffled": True},
    "titles alone": {"semantics.fields": "title"},
    "encoder of one's own": {"semantics.encoder": f"{OWN}:Letters"},
}
MANY_ITEMS: Keys = {"data.source": "synthetic:users=150,items=240", "data.min-item-events": 1}
EVALUATION: dict[str, Keys] = {
    "uniform-99": MANY_ITEMS | {"evaluation.protocol": "uniform-99"},
    "popularity-100 and full": MANY_ITEMS | {"evaluation.protocol": "popularity-100,full"},
    "metric of one's own": {
        "evaluation.protocol": "full",
        "evaluation.metrics": f"{OWN}:mean_percentile",
    },
    "some of the partitions": {"federation.evaluate-fraction": 0.5},
    "no counts": {"federation.share-counts": False},
    "all clients, none drops out": {"federation.fraction": 1.0, "federation.drop-out": 0.0},
}
USER: Keys = {
    "federation.unit": "user",
    "federation.cohort": 24,
    "federation.fraction": 1.0,
    "local.optimizer": "sgd",
    "local.learning-rate": 0.5,
    "local.optimizer-state": "reset",
    "model.private": "",
}
USERS: dict[str, Keys] = {
    "fixed cohorts": {},
    "poisson": {"federation.sampling": "poisson"},
    "shuffled passes": {"federation.sampling": "shuffled"},
    "equal weights": {"federation.weighting": "uniform"},
    "sparse rows": {"federation.row-averaging": "sparse"},
    "updates clipped": {"federation.clip-norm": 0.2},
    **{f"upload {name}": {"federation.upload": name} for name in UPLOAD_TYPES if name != "float32"},
    **{f"download {name}": {"federation.download": name} for name in DOWNLOAD_TYPES[1:]},
    "poisson, int8, float16 and clipped": {
        "federation.sampling": "poisson",
        "federation.upload": "int8",
        "federation.download": "float16",
        "federation.clip-norm": 0.2,
    },
    "small groups": {"local.group-tokens": 16, "local.steps": 0},
    "all windows": {"local.windows": 0, "model.max-length": 4},
    "encoder gru": {"model.encoder": "gru"},
    "sasrec": {"model.name": "sasrec"},
    "fusion attention": {"model.fusion": "attention"},
    "softmax": {"loss.name": "softmax"},
    **{
        f"{name}, own history kept": {"loss.name": name, "loss.own-history": "keep"}
        for name in LOSSES
    },
    "block sasrec": {"model.block": "sasrec"},
    "block ligr": {"model.block": "ligr"},
    "adam": {"local.optimizer": "adam", "local.learning-rate": 0.01},
    **{
        name: {"strategy.name": name, "strategy.options": STRATEGIES[name]}
        for name in SERVER_OPTIMISERS
    },
}

SOFTMAX: Keys = {
    "model.name": "sasrec",
    "loss.name": "softmax",
    "model.block": "sasrec",
} | NO_GATE
KERNEL: dict[str, Keys] = {  # a width that it takes; a C++ compiler is asked for
    "hybrid": {},
    "batches": SOFTMAX | {"local.batches": "random"},
    "users, int8": USER | SOFTMAX | {"local.steps": 1, "federation.upload": "int8"},
    "users, several steps": USER | {"model.name": "sasrec", "local.steps": 2},
    "users, float16 and clipped": USER
    | {"model.name": "sasrec", "loss.name": "bpr", "local.steps": 2}
    | {"federation.upload": "float16", "federation.clip-norm": 0.2},
}


def settings() -> dict[str, Keys]:
    """Every setting: its name -> all keys that it sets, without folder and engine."""
    strategies = {
        name.rpartition(":")[2]: {"strategy.name": name, "strategy.options": options}
        | OF_STRATEGY.get(name, {})
        for name, options in STRATEGIES.items()
    }
    tables = {
        "strategy": strategies,
        "model": MODELS,
        "views": VIEWS,
        "time": TIMES,
        "loss": LOSS,
        "private": PRIVATE,
        "local": LOCAL,
        "data": DATA,
        "semantics": SEMANTICS,
        "evaluation": EVALUATION,
        "users": {name: USER | keys for name, keys in USERS.items()},
        "kernel": {
            name: {"local.kernel": "native", "model.width": 16} | keys
            for name, keys in KERNEL.items()
        },
    }
    return {
        f"{group}: {name}": _without_gate(COMMON | keys)
        for group, table in tables.items()
        for name, keys in table.items()
    }


def _without_gate(keys: Keys) -> Keys:
    """A model of one view, or of domains without IDs, keeps the private part that it has."""
    views = keys.get("model.views", "identity,semantic,content")
    return keys | NO_GATE if "," not in views else keys
