"""FedAvg on SASRec, from the data to NDCG@10, over the library's parts and without an engine.

Three clients hold 300 synthetic users. Each round every client trains from the global weights; the
server averages their updates by numbers of training targets (McMahan et al., AISTATS 2017). The
engine gives the same weights, bit for bit: ``fedrec run`` with the keys of ``CONFIG``.

Run it: ``python examples/fedavg_in_one_file.py``.
"""

import numpy as np
import torch

import fedrec
from fedrec.config.sections.model import Model
from fedrec.data import PartitionFacts, assign, training_part, users_of
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.factory.build_model import build_model
from fedrec.models.parameters import arrays_of, load_arrays
from fedrec.training import Plan, fit, make_objective, make_optimizer
from fedrec.training.batches import num_targets

CONFIG = {
    "data.source": "synthetic:users=300,items=120",
    "partition.count": 3,
    "federation.rounds": 4,
    "local.learning-rate": 0.01,
    "loss.name": "softmax",
    "model.name": "sasrec",
    "model.width": 16,
    "model.hidden": 32,
    "model.max-length": 20,
}
SEED, CLIENTS, ROUNDS, LENGTH = 0, 3, 4, 20

torch.set_num_threads(1)  # as clients compute: another number of threads gives other sums
dataset = fedrec.Dataset.load("synthetic:users=300,items=120")
training, num_items = training_part(dataset.sequences), dataset.catalog.num_items
facts = PartitionFacts(sequences=training, seed=SEED)
holder = assign("uniform", CLIENTS, facts)  # (U,) client of each user
clients = [users_of(holder, client) for client in range(CLIENTS)]
targets = [int(num_targets(training, users, LENGTH).sum()) for users in clients]

model = build_model(
    Model(name="sasrec", width=16, hidden=32, max_length=LENGTH),
    num_items=num_items,
    semantic=None,
    content=dataset.catalog.content_features(),
    frequency=np.zeros(num_items + 1),
    seed=SEED,
)
objective = make_objective(
    "softmax",
    training=training,
    catalogue=np.arange(1, num_items + 1),
    negatives=0,
    log_q=True,
    calibration=0.0,
)
plan = Plan(epochs=1, steps=0, batch_size=8, max_length=LENGTH, dropout=0.2, identity_dropout=0.0)
optimizers = [  # each client keeps the state of its own
    make_optimizer(model, "adam", learning_rate=0.01, beta_2=0.98, weight_decay=0.0)
    for _ in clients
]


def metric(weights: dict[str, np.ndarray], stage: str) -> float:
    """NDCG@10 of the global model."""
    load_arrays(model, weights, weights)
    found = fedrec.evaluate(model_scorer(model, num_items, LENGTH), dataset, stage=stage)
    return float(found.loc["NDCG@10", "value"])


names = [name for name, _ in model.named_parameters()]
weights = {name: array.astype(np.float64) for name, array in arrays_of(model, names).items()}
best, best_value = weights, metric(weights, "validation")
print(f"round 0: validation NDCG@10 {best_value:.4f}")
for number in range(1, ROUNDS + 1):
    sent = {name: array.astype(np.float32) for name, array in weights.items()}
    average = {name: np.zeros_like(array) for name, array in weights.items()}
    for client, users in enumerate(clients):
        load_arrays(model, sent, names)
        fit(
            model,
            optimizers[client],
            objective,
            training,
            users,
            plan=plan,
            seed=SEED,
            round=number,
            partition=client,
        )
        share = targets[client] / sum(targets)
        for name, array in arrays_of(model, names).items():
            average[name] += share * (weights[name] + (array.astype(np.float64) - sent[name]))
    weights = average
    value = metric(weights, "validation")
    print(f"round {number}: validation NDCG@10 {value:.4f}")
    if value > best_value:
        best, best_value = weights, value
print(f"test NDCG@10 of the best round: {metric(best, 'test'):.4f}")
