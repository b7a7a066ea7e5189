"""The oracle of the synthetic data: what nothing can rank better than."""

import dataclasses

import numpy as np
import pytest

from fedrec.baselines.oracle import oracle_ranks, oracle_scorer, oracle_scores
from fedrec.data.preparation.store import open_dataset, prepare
from fedrec.data.splits import history, targets, training_counts
from fedrec.data.synthetic.world import SyntheticSpec, make_world
from fedrec.errors import DataError
from fedrec.evaluation.ranking import ranks_of


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(prepare("synthetic", home=tmp_path_factory.mktemp("home"), seed=1))


def ndcg_at_10(ranks):
    return np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0).mean()


def test_its_ranking_is_several_times_better_than_popularity(dataset):
    counts = training_counts(dataset.sequences, dataset.catalog.num_items).astype(float)
    num_users = dataset.sequences.num_users
    seen = np.zeros((num_users, len(counts)), dtype=bool)
    for user in range(num_users):
        seen[user, history(dataset.sequences, user, "test")] = True
    wanted = targets(dataset.sequences, "test")
    popular = ndcg_at_10(ranks_of(np.tile(counts, (num_users, 1)), wanted, seen))
    best = ndcg_at_10(oracle_ranks(dataset, "test"))
    assert best > 0.55
    assert best > 5 * popular


def test_its_scores_are_the_probabilities_of_the_last_item_and_the_users_taste(dataset):
    world = make_world(SyntheticSpec(), seed=1)
    users = np.array([3, 17])
    scores = oracle_scores(dataset, users, "validation")
    for row, user in enumerate(users):
        last = history(dataset.sequences, int(user), "validation")[-1]
        number = int(dataset.catalog.item_ids[last - 1][1:])
        person = np.array([int(dataset.user_ids[user][1:])])
        true = world.probabilities(person, np.array([number]))[0]
        for item in (1, 2, 100):
            assert scores[row, item] == true[int(dataset.catalog.item_ids[item - 1][1:])]


def test_the_scorer_finds_the_user_by_the_history(dataset):
    users = np.arange(40)
    for stage in ("validation", "test"):
        histories = [history(dataset.sequences, user, stage) for user in range(40)]
        scores = oracle_scorer(dataset)(histories).scores
        np.testing.assert_allclose(scores, oracle_scores(dataset, users, stage), rtol=1e-12)


def test_a_history_that_is_nobodys_gets_the_mean_taste(dataset):
    scored = oracle_scorer(dataset)([np.array([5], dtype=np.int32)])
    assert scored.scores.shape == (1, dataset.catalog.num_items + 1)
    assert scored.scores[0, 1:].sum() > 0.9


def test_other_data_has_no_oracle(dataset):
    foreign = dataclasses.replace(dataset, manifest={**dataset.manifest, "facts": {}})
    with pytest.raises(DataError, match="oracle of 'synthetic' is unknown"):
        oracle_ranks(foreign, "test")
    facts = {**dataset.manifest["facts"], "generator": 0}
    old = dataclasses.replace(dataset, manifest={**dataset.manifest, "facts": facts})
    with pytest.raises(DataError, match="version 0 of the generator"):
        oracle_ranks(old, "test")
