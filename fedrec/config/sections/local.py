"""Section ``local`` of the run config."""

from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.values.checks import MOST_PASSES, Section, count, one_of, rate, share
from fedrec.config.values.choices import BATCHES, KERNELS, OPTIMIZER_STATES, OPTIMIZERS


@dataclass(frozen=True, kw_only=True)
class Local(Section):
    """Hyperparameters of local training: what one client does in one round."""

    epochs: int = 1  # passes over the local data in a round, where steps is 0
    steps: int = 0  # batches a round; 0: whole epochs
    batch_size: int = 8  # sequences in a batch; with unit = user, the windows of a step
    # Users of a batch, where a client holds many: alike in length, or random ones.
    batches: str = "by-length"
    optimizer: str = "adam"  # local optimiser
    # Local learning rate, that of the first round where it is scheduled.
    learning_rate: float = 2e-3
    schedule_rounds: int = 0  # rounds in which the learning rate falls linearly to 0; 0: it stays
    beta_1: float = 0.9  # decay of Adam's first moment
    beta_2: float = 0.98  # decay of Adam's second moment
    epsilon: float = 1e-8  # Adam's term for numerical stability
    weight_decay: float = 0.0  # weight decay of the local optimiser
    clip_norm: float = 0.0  # bound on the norm of the local gradient; 0: no clipping
    optimizer_state: str = "keep"  # whether a client's optimiser keeps its state between rounds
    # Stretches of model.max-length targets of a history that are trained on, newest first; 0: all.
    windows: int = 1
    group_tokens: int = 4096  # targets that are trained side by side, with unit = user
    # What computes transformers and softmax losses on a CPU: torch, or kernels in C++, compiled at
    # first use; auto takes torch where there is no compiler.
    kernel: str = "torch"

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield count("local.epochs", self.epochs, most=MOST_PASSES)
        yield count("local.steps", self.steps, 0, most=MOST_PASSES)
        yield count("local.batch-size", self.batch_size)
        yield one_of("local.batches", self.batches, BATCHES)
        yield one_of("local.optimizer", self.optimizer, OPTIMIZERS)
        yield rate("local.learning-rate", self.learning_rate)
        yield count("local.schedule-rounds", self.schedule_rounds, 0)
        yield share("local.beta-1", self.beta_1)
        yield share("local.beta-2", self.beta_2)
        yield rate("local.epsilon", self.epsilon)
        yield rate("local.weight-decay", self.weight_decay, positive=False)
        yield rate("local.clip-norm", self.clip_norm, positive=False)
        yield one_of("local.optimizer-state", self.optimizer_state, OPTIMIZER_STATES)
        yield count("local.windows", self.windows, 0)
        yield count("local.group-tokens", self.group_tokens)
        yield one_of("local.kernel", self.kernel, KERNELS)
