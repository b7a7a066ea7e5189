"""Fine-tuning and scoring by titles: the loss of the answer's tokens, and ranks of candidates."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fedrec.errors import ConfigError
from fedrec.evaluation.gates import gate_sums
from fedrec.evaluation.leave_one_out import Scores
from fedrec.llm.lora.recommender import LoraRecommender
from fedrec.llm.quiet import one_quiet_thread
from fedrec.models.recommender import Recommender
from fedrec.randomness import generator
from fedrec.training.batches import Batch
from fedrec.training.objective import StepSeeds


def answer_objective(model: Recommender, batch: Batch, seeds: StepSeeds) -> Tensor:
    """Mean loss over the tokens of the answers, one answer for each row of a batch.

    The place in a row that is asked for is drawn anew for each user, round and step. The loss is
    masked to the answer; DUALRec's code has it over prompt and padding, too.

    Args:
        model: A ``LoraRecommender``.
        batch: Rows of a client's users.
        seeds: Seeds of the step.
    """
    assert isinstance(model, LoraRecommender)
    prompts, answers = [], []
    for row, user in enumerate(batch.users.tolist()):
        stream = generator(seeds.seed, "lora", "place", seeds.round, seeds.step, user)
        place = int(stream.integers(batch.lengths[row]))
        prompts.append(model.prompts.prompt(batch.items[row, : place + 1]))
        answers.append(model.prompts.answer(int(batch.targets[row, place])))
    first = int(batch.users[0])
    drawn = generator(seeds.seed, "lora", "dropout", seeds.round, seeds.step, first)
    with one_quiet_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(drawn.integers(2**63)))  # peft's dropout knows the global stream only
        sums, counts = model.answer_losses(prompts, answers)
        return sums.sum() / counts.sum()


class TitleScorer:
    """Scorer of candidates by their titles; see ``fedrec.evaluation.leave_one_out.Scorer``.

    Args:
        model: Language model with adapters; put into evaluation mode.
        num_items: V.
    """

    def __init__(self, model: LoraRecommender, num_items: int) -> None:
        self._model, self._num_items = model.eval(), num_items

    def __call__(
        self,
        histories: Sequence[np.ndarray],
        users: np.ndarray | None = None,
        times: Sequence[np.ndarray] | None = None,
        /,
    ) -> Scores:
        """No scores of the whole catalogue: each would cost a pass of the language model."""
        rows = len(histories)
        ones = np.ones(rows, dtype=np.int64)
        lengths = np.array([len(history) for history in histories])
        gates = gate_sums(
            np.ones((rows, 1, 1), dtype=np.float32),
            frequency=np.zeros((rows, 1)),
            lengths=ones,
            histories=lengths,
        )
        return Scores(np.empty((rows, 0), dtype=np.float32), gates)

    def score_candidates(self, histories: Sequence[np.ndarray], drawn: np.ndarray) -> np.ndarray:
        """Scores (B, K) of candidates (B, K); those of item 0 are 0.

        Raises:
            ConfigError: A title that is no token.
        """
        prompts = self._model.prompts
        scores = np.zeros(drawn.shape)
        for row, history in enumerate(histories):
            real = np.flatnonzero(drawn[row])
            if not len(real):
                continue
            titles = [prompts.answer(int(item)) for item in drawn[row, real]]
            if not all(titles):
                raise ConfigError("lora.base: its tokenizer makes no token of a title")
            scores[row, real] = self._model.score_titles(prompts.prompt(history), titles)
        return scores
