"""Every user is a client: 16 people a round, one gradient each, Adam on the server.

Updates are clipped and sent as 8-bit integers; the numbers of bytes are those of a deployment in
which each person's device receives the model and sends its own update.

Run it: ``python examples/one_person_clients.py``.
"""

import fedrec

run = fedrec.simulate(
    {
        "data.source": "synthetic:users=300,items=120",
        "partition.count": 2,  # processes that simulate the people's devices
        "federation.unit": "user",
        "federation.cohort": 16,
        "federation.rounds": 20,
        "federation.evaluate-every": 5,
        "federation.clip-norm": 1.0,
        "federation.upload": "int8",
        "model.name": "sasrec",
        "model.width": 16,
        "model.hidden": 32,
        "model.max-length": 20,
        "loss.name": "softmax",
        "local.optimizer": "sgd",
        "local.optimizer-state": "reset",
        "local.learning-rate": 1.0,
        "strategy.name": "server-adam",
        "strategy.options": "learning-rate = 0.01",
    }
)
for number, line in run.rounds.dropna(subset="NDCG@10").iterrows():
    print(
        f"round {number:2}: validation NDCG@10 {line['NDCG@10']:.3f}, "
        f"{line['client_megabytes']:.4f} MB per person so far"
    )
test = run.metrics["test"]["NDCG@10"]
print(f"test NDCG@10 {test['value']:.3f} [{test['low']:.3f}, {test['high']:.3f}]")
