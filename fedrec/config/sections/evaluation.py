"""Section ``evaluation`` of the run config."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.values.checks import MOST_PASSES, Section, count, one_of, require
from fedrec.config.values.choices import PROTOCOLS, names_in
from fedrec.config.values.import_strings import IMPORT_STRING

_CUTOFF = re.compile(r"0*[1-9][0-9]{0,8}")


@dataclass(frozen=True, kw_only=True)
class Evaluation(Section):
    """Evaluation protocols and metrics."""

    # What a held-out item is ranked against; the first of several is the main one.
    protocol: str = "full"
    # The k of HR@k, NDCG@k and Recall@k, comma-separated; 10 must be one of them.
    at: str = "5,10,20"
    metrics: str = ""  # metrics of yours, comma-separated, each as "package.module:name"
    # So many users are evaluated, drawn by the seed; every figure then says so. 0: all.
    users: int = 0
    # So many users alone are validated on, drawn by the seed; the validation items of all others
    # are trained on, and every figure then says so. 0: all users are validated on.
    validation_users: int = 0
    # Events before the first position that is asked for, where every position of unseen users
    # is evaluated beside their last events; 0: none.
    positions_from: int = 0
    genre_jaccard: bool = False  # genres in common of the first item and the one that came next
    resamples: int = 1000  # bootstrap resamples of a confidence interval
    ncf_negatives: str = ""  # NCF's file of negatives, for the protocol ncf-99

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        protocols = self.protocols
        yield require(bool(protocols), "evaluation.protocol", "a list of protocols", self.protocol)
        for name in protocols:
            yield one_of("evaluation.protocol", name, PROTOCOLS)
        if "ncf-99" in protocols and not self.ncf_negatives:
            yield (
                "evaluation.protocol has ncf-99, which reads its negatives from a file; name it "
                "in evaluation.ncf-negatives"
            )
        if not all(map(_CUTOFF.fullmatch, names_in(self.at))):
            yield (
                f"evaluation.at must be whole numbers of 1 or more such as '5,10,20', "
                f"got {self.at!r}"
            )
        elif 10 not in self.cutoffs:
            yield f"evaluation.at must hold 10, which selects the best round, got {self.at!r}"
        for name in self.user_metrics:
            yield require(
                bool(IMPORT_STRING.fullmatch(name)),
                "evaluation.metrics",
                '"package.module:name" of functions of yours, separated by commas',
                name,
            )
        yield count("evaluation.users", self.users, 0)
        yield count("evaluation.validation-users", self.validation_users, 0)
        yield count("evaluation.positions-from", self.positions_from, 0)
        yield count("evaluation.resamples", self.resamples, most=MOST_PASSES)

    @property
    def protocols(self) -> tuple[str, ...]:
        """All protocols that ranks are made by."""
        return names_in(self.protocol)

    @property
    def main_protocol(self) -> str:
        """The first one: it picks the best round and names the curves."""
        return self.protocols[0]

    @property
    def user_metrics(self) -> tuple[str, ...]:
        """Import strings of the user's own metrics."""
        return names_in(self.metrics)

    @property
    def cutoffs(self) -> tuple[int, ...]:
        """The k of HR@k and NDCG@k."""
        return tuple(int(part) for part in names_in(self.at))
