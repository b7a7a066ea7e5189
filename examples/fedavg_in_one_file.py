"""FedAvg on SASRec, from the data to NDCG@10, over the library's parts and without an engine.

Three clients hold 300 synthetic users. Each round every client trains from the global weights; the
server averages their updates by numbers of training targets (McMahan et al., AISTATS 2017). The
engine gives the same weights, bit for bit: ``fedrec run`` with the keys of ``CONFIG``.

Run it: ``python examples/fedavg_in_one_file.py``.
"""

import numpy as np
import torch

import fedrec
from fedrec.config import read_config
from fedrec.data import users_of
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.factory import local_optimizer, make_loss, make_model, make_plan, open_prepared
from fedrec.models.parameters import arrays_of, load_arrays
from fedrec.training import fit
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
config = read_config(CONFIG)
torch.set_num_threads(1)  # as clients compute: another number of threads gives other sums
data = open_prepared(config)
training, num_items = data.full_training, data.dataset.catalog.num_items
clients = [users_of(data.assignment, client) for client in range(config.partition.count)]
length = config.model.max_length
targets = [int(num_targets(training, users, length).sum()) for users in clients]
model = make_model(config, data.dataset.catalog, None, np.zeros(num_items + 1, dtype=np.int64))
loss, plan = make_loss(config, training, num_items, None), make_plan(config, proximal_mu=0.0)
optimizers = [local_optimizer(config, model) for _ in clients]  # each keeps the state of its own


def metric(weights: dict[str, np.ndarray], stage: str) -> float:
    """NDCG@10 of the global model."""
    load_arrays(model, weights, weights)
    found = fedrec.evaluate(model_scorer(model, num_items, length), data.dataset, stage=stage)
    return float(found.loc["NDCG@10", "value"])


names = [name for name, _ in model.named_parameters()]
weights = {name: array.astype(np.float64) for name, array in arrays_of(model, names).items()}
best, best_value = weights, metric(weights, "validation")
print(f"round 0: validation NDCG@10 {best_value:.4f}")
for number in range(1, config.federation.rounds + 1):
    sent = {name: array.astype(np.float32) for name, array in weights.items()}
    average = {name: np.zeros_like(array) for name, array in weights.items()}
    for client, (users, optimizer) in enumerate(zip(clients, optimizers, strict=True)):
        load_arrays(model, sent, names)
        where = {"seed": config.seed, "round": number, "partition": client}
        fit(model, optimizer, loss, training, users, plan=plan, **where)
        share = targets[client] / sum(targets)
        for name, array in arrays_of(model, names).items():
            average[name] += share * (weights[name] + (array.astype(np.float64) - sent[name]))
    weights = average
    value = metric(weights, "validation")
    print(f"round {number}: validation NDCG@10 {value:.4f}")
    if value > best_value:
        best, best_value = weights, value
print(f"test NDCG@10 of the best round: {metric(best, 'test'):.4f}")
