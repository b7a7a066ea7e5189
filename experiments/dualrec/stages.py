"""The stages after the first: reranking, the language model, and the table of all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.dualrec.language import answer
from experiments.dualrec.lists import COUNTED, Asked, StageOne
from experiments.dualrec.table import Row, row_of, write_table
from fedrec.config.config import Config
from fedrec.config.sections.dualrec import Dualrec
from fedrec.dualrec.published import exhibit_of_published_scoring, random_lists
from fedrec.dualrec.rerank import (
    choose_weight,
    cosine_to_predicted,
    reciprocal_ranks,
    reranked,
    reranked_as_published,
)
from fedrec.dualrec.title_forms import shown_titles
from fedrec.factory.devices import device
from fedrec.factory.table import make_table
from fedrec.inference.opening import open_recommender
from fedrec.llm.chat import LanguageModel
from fedrec.llm.opening import is_address, model_folder, open_model
from fedrec.runs.directory import locked

ANSWERS = "answers.jsonl"
SETTING = "dualrec.language-model"
FIVE = 5  # films that the published scoring calls a hit


@dataclass(frozen=True)
class Finished:
    """What the later stages left.

    Attributes:
        folder: Their folder, beside that of the run.
        rows: Rows of the table.
    """

    folder: Path
    rows: list[Row]


def run_stages(
    run: Path, settings: Dualrec, *, trust: bool = False, advance: Callable[[], None] | None = None
) -> Finished:
    """Rerank the lists of a finished first stage, ask the language model, write the table.

    A command that was killed goes on: what the language model answered is kept.

    Args:
        run: Folder of the first stage's run.
        settings: Section ``dualrec``.
        trust: Import the modules that the run's config names, if any.
        advance: Called after each call of the language model.

    Raises:
        FedrecError: The run cannot be opened, or the language model cannot be asked.
    """
    folder = run.with_name(f"{run.name}-dualrec")
    ready = open_recommender(run, trust=trust)
    stage = StageOne(ready, settings.candidates, settings.users)
    catalog, config = ready.dataset.catalog, ready.config
    genres = catalog.genre_matrix()
    test, validation = stage.asked("test"), stage.asked("validation")
    own = stage.lists(test.histories)
    table = make_table(config.semantics, catalog, seed=config.seed).vectors
    weight, mixed = _mixed(stage, validation, own, table)
    model = language_model(settings, config)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        answered = answer(
            settings,
            model,
            catalog,
            test.histories,
            own,
            seed=config.seed,
            ledger=folder / ANSWERS,
            advance=advance or (lambda: None),
        )
        named = {name: stage.counted(name, test.histories) for name in COUNTED}
        lists: dict[str, NDArray[np.int64]] = {
            **named,
            f"stage 1: {config.model.name}": own,
            "stage 1, reranked by sentence embeddings as published": reranked_as_published(
                own, own[:, 0], table
            ).astype(np.int64),
            f"stage 1, reranked with weight {weight:g} (chosen on validation)": mixed,
            f"stage 1, then {model.name} ({settings.answers})": answered.lists,
        }
        truth = test.items[:, 0]
        rows = [row_of(name, one, truth, genres, seed=config.seed) for name, one in lists.items()]
        facts = {
            "run": run.name,
            "users": len(test.users),
            "candidates": settings.candidates,
            "language_model": [model.name, model.revision],
            "answers": settings.answers,
            "shares": answered.shares,
            "faults": answered.faults,
            "rerank_weight": weight,
            "exhibit": _exhibit(stage, table, genres),
        }
        write_table(folder, rows, facts)
    return Finished(folder, rows)


def check_stages(settings: Dualrec) -> None:
    """Refuse later stages that could not begin, before the first one has taken its time.

    Raises:
        FedrecError: There is no such language model, or no such adapters.
    """
    model_folder(settings.language_model, SETTING)
    if settings.adapters:
        from experiments.dualrec.adapters import read_adapters

        read_adapters(Path(settings.adapters))


def language_model(settings: Dualrec, config: Config) -> LanguageModel:
    """The language model of section ``dualrec``, with adapters merged in where a run is named.

    Raises:
        FedrecError: There is no such model, or the adapters are of another one.
    """
    if is_address(settings.language_model):
        return open_model(
            settings.language_model, setting=SETTING, name=settings.model_name, seed=config.seed
        )
    where = str(device(config))
    model = open_model(settings.language_model, setting=SETTING, device=where)
    if settings.adapters:
        from experiments.dualrec.adapters import merge_adapters

        merge_adapters(model, Path(settings.adapters))
    return model


def _mixed(
    stage: StageOne, validation: Asked, own: NDArray[np.int64], table: NDArray[np.float32]
) -> tuple[float, NDArray[np.int64]]:
    """Weight that the validation users chose, and the test lists reranked by it."""
    lists = stage.lists(validation.histories)
    cosine = cosine_to_predicted(lists, lists[:, 0], table)
    chosen = choose_weight(lists, reciprocal_ranks(lists), cosine, validation.items[:, 0])
    of_test = cosine_to_predicted(own, own[:, 0], table)
    mixed = reranked(own, reciprocal_ranks(own), of_test, chosen.weight)
    return chosen.weight, mixed.astype(np.int64)


def _exhibit(
    stage: StageOne, table: NDArray[np.float32], genres: NDArray[np.float32]
) -> dict[str, list[dict[str, Any]]]:
    """What the published scoring gives to random lists, to Markov and to stage 1."""
    asked = stage.asked("test", following=FIVE)
    catalog, seed = stage.ready.dataset.catalog, stage.config.seed
    own = stage.lists(asked.histories)
    lists = {
        "random": random_lists(
            len(asked.users),
            catalog.num_items,
            stage.length,
            seed=seed,
            excluded=[history.tolist() for history in asked.histories],
        ),
        "markov": stage.counted("markov", asked.histories),
        f"stage 1: {stage.config.model.name}": own,
    }
    titles = shown_titles(catalog)
    return {
        name: [
            {
                "scoring": one.scoring,
                "users": one.users,
                **{f"HR@{k}": value for k, value in one.hit_rate.items()},
                **{f"NDCG@{k}": value for k, value in one.ndcg.items()},
                "genre_jaccard": one.genre_jaccard,
            }
            for one in exhibit_of_published_scoring(
                rows, own[:, 0], asked.items, titles, table, genres=genres
            )
        ]
        for name, rows in lists.items()
    }
