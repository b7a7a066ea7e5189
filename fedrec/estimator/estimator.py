"""A recommender as an estimator: fit, evaluate, recommend, save and load, without a federation."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, Unpack, cast

from fedrec.config.config import Value
from fedrec.config.values.checks import one_of, refuse
from fedrec.data.splits import Stage
from fedrec.errors import ConfigError, DataError
from fedrec.estimator.hyperparameters import (
    Hyperparameters,
    estimator_config,
    hyperparameters_of,
)

if TYPE_CHECKING:
    import pandas as pd

    from fedrec.data.preparation.store import Dataset
    from fedrec.estimator.fitting import Fitted
    from fedrec.evaluation.leave_one_out import Scorer
    from fedrec.inference.recommender import ReadyRecommender
    from fedrec.training.centralised import Epoch

STAGES = ("validation", "test")


def _silent(epoch: object) -> None:
    """Let an epoch pass without showing it."""


def _name_of(model: str | Callable[..., Any]) -> str:
    """The value of ``model.name``; torch is imported for an object only."""
    if isinstance(model, str):
        return model
    from fedrec.factory.own_model import model_name

    return model_name(model)


class Estimator:
    """A sequential recommender that is trained on all data in one place.

    It is the centralised baseline of a federation: same config, same seed, same weights.

    Args:
        model: A model's name, a key of ``fedrec.config.values.choices.MODELS``,
            "package.module:name", or a class or function that makes a ``Recommender`` of item rows
            and an encoder.
        settings: Dotted config keys for what has no keyword, as {"scenario.cold-items": 0.1}.
        hyperparameters: See ``Hyperparameters``; ``epochs`` are passes over the data, of which the
            best by validation NDCG@10 is kept, ``patience`` stops early.

    Raises:
        ConfigError: An unknown hyperparameter or a value that cannot be.
    """

    model_name: ClassVar[str] = ""  # of a subclass for one model
    defaults: ClassVar[Mapping[str, Value]] = {}

    def __init__(
        self,
        model: str | Callable[..., Any] = "hybrid",
        settings: Mapping[str, Value] | None = None,
        **hyperparameters: Unpack[Hyperparameters],
    ) -> None:
        given: dict[str, Any] = {**self.defaults, **(settings or {})}
        given["model.name"] = self.model_name or _name_of(model)
        self.config = estimator_config(given, cast(dict[str, Value], hyperparameters))
        self._fitted: Fitted | None = None

    def __repr__(self) -> str:
        """The call that makes it, and whether it is fitted."""
        kind = type(self).__name__
        given = [f"{name}={value!r}" for name, value in hyperparameters_of(self.config).items()]
        words = [] if self.model_name else [repr(self.config.model.name)]
        is_fitted = f", fitted on {self._fitted.dataset.name}" if self._fitted else ""
        return f"<{kind}({', '.join(words + given)}){is_fitted}>"

    def _repr_html_(self) -> str:
        from fedrec.notebook.card import card

        facts: dict[str, object] = dict(hyperparameters_of(self.config))
        fitted = {"fitted on": "not yet"}
        if self._fitted:
            fitted = {"fitted on": repr(self._fitted.dataset), "best epoch": str(self.best_epoch)}
        return card(f"{type(self).__name__} {self.config.model.name}", facts | fitted)

    def fit(
        self,
        data: "Dataset | pd.DataFrame",
        *,
        threads: int | None = None,
        on_epoch: "Callable[[Epoch], object]" = _silent,
    ) -> Self:
        """Train on the events of all users but their last two, which validate and test.

        Args:
            data: Prepared data, or a DataFrame with the columns user, item and time.
            threads: Threads of torch; another number gives other sums. OMP_NUM_THREADS if none,
                else all usable cores.
            on_epoch: Called with each epoch: ``on_epoch=print`` shows how training goes.

        Returns:
            The estimator itself.

        Raises:
            DataError: The data cannot be used.
            ConfigError: Hyperparameters that the data cannot meet, as more negatives than items.
            TrainingError: The loss is NaN or infinite.
        """
        from fedrec.estimator.data import prepared_folder
        from fedrec.estimator.fitting import fitted

        source = str(prepared_folder(data, self.config))
        config = dataclasses.replace(
            self.config, data=dataclasses.replace(self.config.data, source=source)
        )
        self._fitted = fitted(config, threads=threads, on_epoch=on_epoch)
        return self

    def evaluate(
        self, protocol: str = "full", stage: Stage = "test", *, threads: int | None = None
    ) -> "pd.DataFrame":
        """Rank every user's held-out item and average the metrics.

        Args:
            protocol: One of ``fedrec.config.values.choices.PROTOCOLS``.
            stage: "test" (the last event of each user) or "validation" (the one before it).
            threads: Threads of torch.

        Returns:
            One row per metric with the columns value, low and high (95 % bootstrap interval over
            users).

        Raises:
            ConfigError: Not fitted, or an unknown protocol or stage.
        """
        from fedrec.estimator.evaluate import metrics_frame
        from fedrec.estimator.fitting import computing, held_out_ranks
        from fedrec.factory.evaluation import user_metrics

        made = self._made()
        refuse([one_of("stage", stage, STAGES)])
        evaluation = dataclasses.replace(made.config.evaluation, protocol=protocol)
        config = dataclasses.replace(made.config, evaluation=evaluation)
        with computing(threads):
            found = held_out_ranks(dataclasses.replace(made, config=config), stage, protocol)
        return metrics_frame(
            found,
            protocol,
            stage,
            at=evaluation.cutoffs,
            user_metrics=user_metrics(config),
            seed=config.seed,
            resamples=evaluation.resamples,
            label=config.protocol_names[0],
        )

    def recommend(
        self,
        users: Iterable[object] | None = None,
        k: int = 10,
        *,
        exclude_seen: bool = True,
    ) -> "pd.DataFrame":
        """Recommend the k best next items to each of some users.

        Args:
            users: Their original ids; all users if none are given.
            k: Items for each.
            exclude_seen: Leave out what a user has had, the held-out events included.

        Returns:
            One row per user and item with the columns user, item, title (where the data have
            titles), score and rank (1 is the best); fewer than k rows where the catalogue ends.

        Raises:
            ConfigError: Not fitted, or a model that needs to know times.
            DataError: An unknown user.
        """
        from fedrec.estimator.tables import recommendations

        made = self._made()
        if isinstance(users, str) or not (users is None or isinstance(users, Iterable)):
            raise DataError(f"users must be a list of ids, got {users!r}; write [{users!r}]")
        asked = made.dataset.user_ids if users is None else list(users)
        return recommendations(self.recommender, asked, k, exclude_seen=exclude_seen)

    @property
    def recommender(self) -> "ReadyRecommender":
        """The model behind ``recommend``: any history, ranks, nearest items, items that are new."""
        from fedrec.inference.recommender import ReadyRecommender
        from fedrec.inference.search import ItemSearch

        made = self._made()
        if made.config.model.time:
            raise ConfigError(
                f"time = {made.config.model.time!r} reads when events were, and recommendations "
                "are for no known moment; fit a model with time = ''"
            )
        catalog = made.dataset.catalog
        search = ItemSearch(made.model, catalog.num_items, made.config.model.max_length)
        return ReadyRecommender(made.config.model.name, made.config, made.dataset, catalog, search)

    @property
    def item_ids(self) -> list[str]:
        """Ids of the V items of the dataset that it was fitted on."""
        return self._made().dataset.catalog.item_ids

    @property
    def scorer(self) -> "Scorer":
        """Scores of all items by histories, as ``fedrec.evaluate`` takes them."""
        from fedrec.evaluation.model_scorer import model_scorer

        made = self._made()
        return model_scorer(
            made.model, made.dataset.catalog.num_items, made.config.model.max_length
        )

    @property
    def history(self) -> "list[Epoch]":
        """All epochs with training loss and validation NDCG@10; epoch 0 is the initial model."""
        return list(self._made().history)

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights were kept."""
        from fedrec.training.centralised import best_epoch

        return best_epoch(self._made().history)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the fitted model and its data into a folder, which appears whole or not at all.

        Args:
            folder: A new folder.
            overwrite: Replace an estimator that is already there.

        Raises:
            ConfigError: Not fitted.
            ResourceError: The folder exists, or cannot be written.
        """
        from fedrec.estimator.saved import save

        return save(self._made(), Path(folder), overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | Path, *, trust: bool = False) -> Self:
        """Read an estimator that ``save`` wrote; its class may be any that has this model.

        Args:
            folder: Folder that ``save`` wrote.
            trust: Import the modules that its config names, if any; they run with your rights.

        Raises:
            ConfigError: It holds another model than this class's, or names modules and is not
                trusted.
            DataError: A file is missing or damaged.
        """
        from fedrec.estimator.saved import load

        made = load(Path(folder), trust=trust)
        name = made.config.model.name
        if cls.model_name not in ("", name):
            raise ConfigError(
                f"{folder} holds a model {name!r}, not {cls.model_name!r}; "
                "load it with fedrec.Estimator.load"
            )
        self = cls.__new__(cls)
        self.config, self._fitted = made.config, made
        return self

    def _made(self) -> "Fitted":
        if self._fitted is None:
            raise ConfigError(f"{self!r} is not fitted; call fit(dataset) first")
        return self._fitted
