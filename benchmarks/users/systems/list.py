"""The systems that are plain functions here: the cohort engine, a loop, a centralised pass."""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch

from benchmarks.users.work import RATE, Totals, Work, fresh, mean_loss, reading, train_user
from fedrec.models.sasrec import SASRec
from fedrec.randomness import generator
from fedrec.training.cohort.loss import CohortLoss
from fedrec.training.cohort.plan import CohortPlan
from fedrec.training.cohort.train import train_cohort

Run = Callable[[Work, Sequence[int], int, int], Totals]  # work, users, turn, batch size


def engine(work: Work, users: Sequence[int], turn: int, _: int) -> Totals:
    """The cohort engine in torch: all users side by side."""
    return _cohort(work, users, turn, uses_kernel=False)


def kernel(work: Work, users: Sequence[int], turn: int, _: int) -> Totals:
    """The cohort engine with the kernel: user after user."""
    return _cohort(work, users, turn, uses_kernel=True)


def _cohort(work: Work, users: Sequence[int], turn: int, *, uses_kernel: bool) -> Totals:
    cast(SASRec, work.model).encoder.uses_kernel = uses_kernel
    plan = CohortPlan(
        steps=work.facts.steps,
        learning_rate=RATE,
        max_length=work.facts.length,
        group_tokens=work.facts.group_tokens,
        outlier_limit=100.0,  # as every run has it
    )
    done = train_cohort(
        work.model,
        work.training,
        np.array(users),
        plan=plan,
        loss=CohortLoss(name="bce", num_items=work.num_items, uses_kernel=uses_kernel),
        seed=0,
        round=turn,
    )
    return {name: torch.from_numpy(total) for name, total in done.total.items()}


def loop(work: Work, users: Sequence[int], turn: int, _: int) -> Totals:
    """What one would write: every user trains the global weights in a model of its own."""
    own = fresh(work)
    start = dict(work.model.named_parameters())
    totals = {name: torch.zeros_like(value) for name, value in start.items()}
    for user in users:
        with torch.no_grad():
            for name, parameter in own.named_parameters():
                parameter.copy_(start[name])
        train_user(work, own, user, turn)
        with torch.no_grad():
            for name, parameter in own.named_parameters():
                totals[name].add_(parameter - start[name], alpha=work.targets(user))
    return {name: total.detach().cpu() for name, total in totals.items()}


def centralised(work: Work, users: Sequence[int], turn: int, batch_size: int) -> Totals:
    """As many passes over the same windows as a client takes steps, all windows pooled.

    Bucketed by length; negatives are drawn from the whole catalogue, which is cheaper.
    """
    model = fresh(work)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    owned = sorted((row for user in users for row in work.rows(user)), key=len)
    for step in range(work.facts.steps):
        batches = range(0, len(owned), batch_size)
        for first in generator(0, "order", turn, step).permutation(batches):
            rows = owned[first : first + batch_size]
            stream = generator(0, "centralised", turn, step, int(first))
            drawn = stream.integers(1, work.num_items + 1, sum(len(row) - 1 for row in rows))
            optimizer.zero_grad()
            mean_loss(model, reading(rows, drawn, work.device)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return {name: parameter.detach().cpu() for name, parameter in model.named_parameters()}


SYSTEMS: dict[str, Run] = {
    "kernel": kernel,
    "engine": engine,
    "loop": loop,
    "centralised": centralised,
}
