"""FederatedAveraging on pfl's SimulatedBackend, written as in its guides; one rank of it."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.data.dataset import Dataset
from pfl.data.federated_dataset import FederatedDataset
from pfl.hyperparam.base import NNTrainHyperParams
from pfl.metrics import Metrics, Weighted
from pfl.model.pytorch import PyTorchModel
from pfl.postprocessor.base import Postprocessor

from benchmarks.users.answers import Answers, turns
from benchmarks.users.work import RATE, Work, fresh, mean_loss, norm_of, opened, reading


class Trained(torch.nn.Module):
    """The model as pfl wants it: ``loss`` of a user's data, and ``metrics``."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work, self.inner, self.step, self.turn = work, fresh(work), 0, 0

    def loss(
        self, users: torch.Tensor, rows: Sequence[np.ndarray], seen: np.ndarray
    ) -> torch.Tensor:
        drawn = self.work.negatives(int(users[0]), seen, self.turn, self.step)
        self.step = (self.step + 1) % self.work.facts.steps
        return mean_loss(self.inner, reading(rows, drawn))

    def metrics(self, users: torch.Tensor) -> dict[str, Weighted]:
        return {"users": Weighted(1.0, len(users))}


class ByTargets(Postprocessor):  # type: ignore[misc]  # pfl is not installed where types are checked
    """Weigh a user's update by its targets."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def postprocess_one_user(self, *, stats: Any, user_context: Any) -> tuple[Any, Metrics]:
        stats.reweight(self.work.targets(int(user_context.user_id)))
        return stats, Metrics()


def serve(answers: Answers, facts: str, followers: Sequence["subprocess.Popen[str]"]) -> None:
    """One iteration a turn, each from the same weights."""
    torch.set_num_threads(1)
    work = opened(facts)
    module = Trained(work)
    model = PyTorchModel(module, torch.optim.SGD, torch.optim.SGD(module.parameters(), lr=1.0))
    algorithm = FederatedAveraging()
    initial = model.get_parameters()
    answers.say(ready=True)
    for number, turn in enumerate(turns()):
        for follower in followers:
            print(turn, file=follower.stdin, flush=True)
        users = work.users(turn)
        module.turn = turn
        data = FederatedDataset(lambda user: user_data(work, user), in_order(users))
        backend = SimulatedBackend(data, data, postprocessors=[ByTargets(work)])
        start = time.perf_counter()
        algorithm.run(
            NNAlgorithmParams(
                # One more than before; only the first one, which warms up, is evaluated.
                central_num_iterations=number + 1,
                evaluation_frequency=10**9,
                train_cohort_size=len(users),
                val_cohort_size=0,
            ),
            backend,
            model,
            NNTrainHyperParams(
                local_num_epochs=work.facts.steps, local_learning_rate=RATE, local_batch_size=None
            ),
            send_metrics_to_platform=False,
        )
        seconds = time.perf_counter() - start
        moved = model.get_model_difference(initial)
        answers.say(seconds=seconds, norm=norm_of(dict(moved.items()), 1.0))
        model.set_parameters(initial)


def user_data(work: Work, user: int) -> Dataset:
    """A user's dataset; its windows go to ``loss`` as they are, for they differ in length."""
    kept = {"rows": work.rows(user), "seen": work.seen(user)}
    return Dataset([torch.tensor([user])], user_id=str(user), train_kwargs=kept)


def in_order(users: Sequence[int]) -> Callable[[], int]:
    """A sampler that gives the users of a turn one after the other: ranks take every other one."""
    stream: Iterator[int] = iter(users)
    return lambda: next(stream)
