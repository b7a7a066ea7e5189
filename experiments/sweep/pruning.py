"""Stop configs early that fall behind on validation: by the percentile rule of optuna.

At some rounds, the rungs, all configs wait for each other. One whose best validation so far, in the
mean over its seeds, is below a percentile of all that have reached the rung is stopped. So what is
stopped depends neither on the number of runs at a time nor on their speed. With a third kept at
each rung this is successive halving with eta = 3 (Jamieson & Talwalkar, AISTATS 2016).
"""

import importlib.util
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedrec.config.config import Config
from fedrec.config.keys import flatten
from fedrec.errors import ConfigError, ResourceError

# Name -> percentage of the configs that go on at a rung, rungs as shares of the rounds.
RULES: dict[str, tuple[float, tuple[float, ...]]] = {
    "median": (50.0, (1 / 4, 1 / 2, 3 / 4)),
    "halving": (100 / 3, (1 / 9, 1 / 3)),
}
# Sections and keys in which configs must agree, or their validation cannot be compared.
_SAME = ("data.", "scenario.", "evaluation.", "federation.rounds", "federation.evaluate-every")


@dataclass(frozen=True)
class Pruning:
    """How configs are stopped early.

    Attributes:
        rule: One of ``RULES``.
        at: Rounds of the rungs; shares of the rounds by the rule if empty.
    """

    rule: str
    at: tuple[int, ...] = ()

    def check(self) -> None:
        """Refuse an unknown rule, and rounds that are none.

        Raises:
            ConfigError: A line for each.
            ResourceError: optuna is not installed.
        """
        problems = []
        if self.rule not in RULES:
            problems.append(f"--prune must be one of {', '.join(RULES)}, got {self.rule!r}")
        problems += [f"--prune-at must be rounds of 1 or more, got {r}" for r in self.at if r < 1]
        if problems:
            raise ConfigError(*problems)
        if importlib.util.find_spec("optuna") is None:
            raise ResourceError(
                "--prune needs optuna, which the extra sweep holds: pip install 'optuna>=5.0'"
            )

    def rungs(self, configs: Sequence[Config]) -> list[int]:
        """The rounds at which configs are compared, each an evaluated one before the last.

        Raises:
            ConfigError: Configs that differ in what their validation depends on, or no round left.
        """
        kept = [
            {key: value for key, value in flatten(one).items() if key.startswith(_SAME)}
            for one in configs
        ]
        if other := [key for key in kept[0] if len({repr(one[key]) for one in kept}) > 1]:
            raise ConfigError(
                f"--prune compares configs on the same validation at the same round, but the grid "
                f"varies {', '.join(other)}; leave --prune out"
            )
        plan = configs[0].federation
        rounds, every = plan.rounds, plan.evaluate_every
        wanted = self.at or tuple(math.ceil(share * rounds) for share in RULES[self.rule][1])
        found = sorted({math.ceil(one / every) * every for one in wanted})
        if rungs := [rung for rung in found if rung < rounds]:
            return rungs
        raise ConfigError(
            f"--prune has no round to compare configs at: federation.rounds = {rounds} and "
            f"federation.evaluate-every = {every} leave none before the last; leave it out"
        )

    def going_on(self, values: Mapping[str, float], round: int) -> set[str]:
        """The configs that go on after a rung.

        Args:
            values: Config -> its best validation metric so far, higher is better.
            round: Round of the rung.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            direction="maximize",
            pruner=optuna.pruners.PercentilePruner(RULES[self.rule][0], n_startup_trials=0),
        )
        for value in values.values():
            study.add_trial(
                optuna.trial.create_trial(value=value, intermediate_values={round: value})
            )
        kept = set()
        for name, value in values.items():
            trial = study.ask()
            trial.report(value, round)
            if not trial.should_prune():
                kept.add(name)
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        return kept
