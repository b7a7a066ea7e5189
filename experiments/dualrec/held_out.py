"""``python -m experiments.dualrec.held_out RUN``: what adapters are worth on held-out answers.

The loss a token of the next title, in nats, of the language model as it is and with the adapters
of a finished run, on the test items of users whom no training has seen (or of all).
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from experiments.dualrec.adapters import read_adapters
from experiments.dualrec.lists import sample_of
from fedrec.data.evaluated import evaluated_users
from fedrec.data.splits import history, targets
from fedrec.factory.data import open_prepared
from fedrec.factory.model import make_model
from fedrec.llm.lora.recommender import LoraRecommender
from fedrec.llm.quiet import one_quiet_thread
from fedrec.models.parameters import groups_of, load_arrays

BATCH = 8


def held_out_losses(folder: Path, users: int) -> dict[str, dict[str, float]]:
    """Loss of an answer's token before and after training, over the same users.

    Args:
        folder: Folder of a complete run with model.name = "lora".
        users: How many test users, a seeded sample; fewer if there are fewer.

    Returns:
        "base" and "adapters": loss, its standard error over users, users, tokens; "difference":
        loss and standard error of the paired difference.

    Raises:
        ConfigError: A run of another model, or one that keeps B with its clients.
        DataError: A file is missing or damaged.
    """
    adapters = read_adapters(folder)
    config = adapters.config
    dataset = open_prepared(config).dataset
    catalog, sequences = dataset.catalog, dataset.sequences
    model = make_model(config, catalog, None, np.zeros(catalog.num_items + 1, dtype=np.int64))
    assert isinstance(model, LoraRecommender)
    model.eval()
    able = evaluated_users(
        sequences.num_users, "test", seed=config.seed, unseen=config.scenario.unseen_users
    )
    asked = sample_of(able, users, "test", config.seed)
    wanted = targets(sequences, "test")
    prompts = [model.prompts.prompt(history(sequences, int(user), "test")) for user in asked]
    answers = [model.prompts.answer(int(wanted[user])) for user in asked]
    before = _losses(model, prompts, answers)
    load_arrays(model, adapters.weights, groups_of(model).shared)
    after = _losses(model, prompts, answers)
    tokens = np.array([len(answer) for answer in answers], dtype=np.float64)
    return {
        "base": _told(before, tokens),
        "adapters": _told(after, tokens),
        "difference": _told(after - before, tokens),
    }


def _losses(
    model: LoraRecommender, prompts: list[list[int]], answers: list[list[int]]
) -> np.ndarray:
    """(U,) Sums of the loss over each answer."""
    found = []
    with torch.inference_mode(), one_quiet_thread():
        for start in range(0, len(prompts), BATCH):
            sums, _ = model.answer_losses(
                prompts[start : start + BATCH], answers[start : start + BATCH]
            )
            found.append(sums.double().numpy())
    return np.concatenate(found)


def _told(sums: np.ndarray, tokens: np.ndarray) -> dict[str, float]:
    """A ratio of sums over users, and its standard error by the delta method."""
    loss = float(sums.sum() / tokens.sum())
    rest = sums - loss * tokens
    error = float(np.sqrt(np.square(rest).sum() * len(rest) / max(len(rest) - 1, 1)) / tokens.sum())
    return {"loss": loss, "error": error, "users": len(sums), "tokens": int(tokens.sum())}


def main(
    run: Annotated[Path, typer.Argument(help="Folder of a run with model.name = lora.")],
    users: Annotated[int, typer.Option(help="Test users, a seeded sample.")] = 64,
) -> None:
    """Print the loss a token of the next title, without and with the adapters of a run."""
    for name, told in held_out_losses(run, users).items():
        typer.echo(
            f"{name}: {told['loss']:.4f} nats a token (standard error {told['error']:.4f}; "
            f"{told['users']} users, {told['tokens']:,} tokens)"
        )


if __name__ == "__main__":
    typer.run(main)
