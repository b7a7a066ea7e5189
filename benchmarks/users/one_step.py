"""One local step: passes of cohorts of 32 users against a centralised pass at batch 32 in torch.

The model and recipe of the preset ml-1m-users (SASRec, length 200, full softmax, Adam on the
server): as it ships, which rounds updates to int8, with clipped updates, and with whole numbers,
each in torch and with the kernel. All in this process, on one thread, turn about, each on the same
users.
"""

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.users.rounds import federation_of
from benchmarks.users.table import markdown
from experiments.presets import read_preset
from fedrec.config.config import Config
from fedrec.config.keys import read_config
from fedrec.data.splits import training_counts
from fedrec.factory.data import open_prepared
from fedrec.factory.model import make_model
from fedrec.factory.table import open_table
from fedrec.factory.training import make_cohort_loss, make_cohort_plan, make_loss, make_plan
from fedrec.models.recommender import Recommender
from fedrec.randomness import generator
from fedrec.training.batches import trainable_users
from fedrec.training.cohort.train import train_cohort
from fedrec.training.local import Plan, fit, make_optimizer
from server.rounds import train_round

COHORT = 32
FIRST = "centralised, torch"  # what the others are held against
TARGETS = {
    "float32, kernel": 0.55,
    "as it ships (int8), kernel": 1.0,
    "clipped, kernel": 1.1,
}
Pass = Callable[[np.ndarray, int], int]  # users, turn -> tokens


def table(source: str, format: str, clients: int, turns: int) -> dict[str, Any]:
    """Cost per token of a pass over so many users, over that of the centralised pass."""
    torch.set_num_threads(1)
    by_torch, by_kernel = (
        read_config(
            read_preset("ml-1m-users")
            | {
                "data.source": source,
                "data.format": format,
                "federation.cohort": COHORT,
                "partition.count": 1,
                "local.kernel": kernel,
            }
        )
        for kernel in ("torch", "native")
    )
    passes = {
        FIRST: centralised(by_torch),
        "centralised, kernel": centralised(by_kernel),
        "float32, torch": engine(by_torch, upload="float32"),
        "float32, kernel": engine(by_kernel, upload="float32"),
        "as it ships (int8), torch": engine(by_torch),
        "as it ships (int8), kernel": engine(by_kernel),
        "clipped, kernel": engine(by_kernel, upload="float32", clip_norm=1.0),
        "whole rounds as it ships, inline": rounds(by_kernel),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in passes}
    training = open_prepared(by_torch).full_training
    everybody = trainable_users(training, np.arange(training.num_users))
    for turn in range(turns + 1):  # the first one warms up
        count = min(clients, len(everybody)) // COHORT * COHORT
        users = generator(0, "one-step", turn).choice(everybody, count, replace=False)
        for name, one in passes.items():
            wall, cpu = time.perf_counter(), time.process_time()
            tokens = one(users, turn)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if turn:
                taken[name].append((wall / tokens, cpu / tokens))
    rows = [row_of(name, taken[name], taken[FIRST]) for name in passes]
    print(markdown(rows))
    return {"rows": rows, "turns": taken}


def row_of(
    name: str, own: list[tuple[float, float]], centralised: list[tuple[float, float]]
) -> dict[str, Any]:
    """Medians over turns of ratios within one."""
    wall, cpu = (
        [mine[which] / other[which] for mine, other in zip(own, centralised, strict=True)]
        for which in (0, 1)
    )
    cost, target = statistics.median(cpu), TARGETS.get(name)
    return {
        "system": name,
        "CPU us/token": statistics.median(1e6 * seconds for _, seconds in own),
        "CPU over centralised": cost,
        "from": min(cpu),
        "to": max(cpu),
        "wall over centralised": statistics.median(wall),
        "target": "" if target is None else f"<= {target:g}",
        "met": "" if target is None else "yes" if cost <= target else "no",
    }


def initial(config: Config) -> Recommender:
    """The model that a run starts with."""
    dataset = open_prepared(config).dataset
    counts = training_counts(dataset.sequences, dataset.catalog.num_items)
    return make_model(config, dataset.catalog, open_table(config, dataset.catalog), counts)


def centralised(config: Config) -> Pass:
    """Adam on random batches of 32 users."""
    prepared = open_prepared(config)
    dataset, training = prepared.dataset, prepared.full_training
    model = initial(config)
    optimizer = make_optimizer(model, "adam", learning_rate=1e-3, beta_2=0.98, weight_decay=0.0)
    loss = make_loss(config, training, dataset.catalog.num_items, dataset.domains)
    noise = make_plan(config, 0.0)
    plan = Plan(
        epochs=1,
        steps=0,
        batch_size=COHORT,
        random_batches=True,
        windows=0,
        max_length=noise.max_length,
        dropout=noise.dropout,
        identity_dropout=noise.identity_dropout,
        proximal_mu=0.0,
        clip_norm=0.0,
    )

    def one(users: np.ndarray, turn: int) -> int:
        return fit(
            model, optimizer, loss, training, users, plan=plan, seed=0, round=turn + 1, partition=0
        ).targets

    return one


def engine(config: Config, **changed: Any) -> Pass:
    """The mean update of 32 users after the other, Adam behind each.

    Args:
        config: Config of the preset.
        changed: Fields of the plan that are not the preset's.
    """
    prepared = open_prepared(config)
    dataset, training = prepared.dataset, prepared.full_training
    model = copy.deepcopy(initial(config))
    optimizer = make_optimizer(model, "adam", learning_rate=1e-3, beta_2=0.98, weight_decay=0.0)
    plan = replace(make_cohort_plan(config, 0.0), **changed)
    loss = make_cohort_loss(config, dataset.catalog.num_items)

    def one(users: np.ndarray, turn: int) -> int:
        tokens = 0
        for number, cohort in enumerate(np.split(users, len(users) // COHORT)):
            done = train_cohort(
                model, training, cohort, plan=plan, loss=loss, seed=0, round=1000 * turn + number
            )
            for name, parameter in model.named_parameters():
                if name in done.total:
                    mean = torch.from_numpy(done.total[name] / -done.weight)
                    parameter.grad = mean.to(parameter)
            optimizer.step()
            tokens += int(done.targets.sum())
        return tokens

    return one


def rounds(config: Config) -> Pass:
    """The server's own rounds, messages and checks and all; it draws as many users itself."""
    federation, state = federation_of(config)
    done = iter(range(1, 10**9))

    def one(users: np.ndarray, turn: int) -> int:
        lines = [train_round(federation, state, next(done)) for _ in range(len(users) // COHORT)]
        return sum(int(line["targets"]) for line in lines)

    return one
