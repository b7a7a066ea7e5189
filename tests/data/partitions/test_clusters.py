"""Clusters of items find what was planted, in arithmetic that is exact in any order."""

import numpy as np
import pytest

from fedrec.config.keys import read_config
from fedrec.data.partitions.assign import assign
from fedrec.data.partitions.clusters import _unit, co_occurrence_vectors, item_clusters
from fedrec.data.partitions.rules import PartitionFacts
from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError
from fedrec.factory.data import open_prepared
from tests.conftest import SMALL


def planted(rng, num_items, tastes):
    """Vectors (V + 1, 20) around as many directions as tastes; the taste of each item."""
    of_item = np.arange(num_items) % tastes
    vectors = rng.normal(size=(tastes, 20))[of_item] + rng.normal(size=(num_items, 20)) / 10
    return np.concatenate([np.zeros((1, 20)), vectors]), of_item


def two_shops(rng, users=40):
    """Sequences of users who have items 1..10 or 11..20, and which of the two."""
    shop = np.arange(users) % 2
    items = [rng.choice(np.arange(1, 11), 6, replace=False) + 10 * side for side in shop]
    offsets = np.arange(users + 1) * 6
    return Sequences(np.concatenate(items).astype(np.int32), offsets.astype(np.int64)), shop


def are_equal_up_to_names(first, second):
    return len(set(zip(first.tolist(), second.tolist(), strict=True))) == len(set(first.tolist()))


@pytest.mark.parametrize("seed", range(3))
def test_planted_directions_are_found(seed):
    vectors, of_item = planted(np.random.default_rng(seed), 60, 4)
    clusters = item_clusters(vectors, 4, np.random.default_rng(seed))
    assert clusters.shape == (61, 4)
    assert clusters[0].sum() == 0
    assert (clusters[1:].sum(axis=1) == 1).all()
    assert are_equal_up_to_names(clusters[1:].argmax(axis=1), of_item)


def test_items_of_the_same_users_are_together():
    sequences, _ = two_shops(np.random.default_rng(0))
    vectors = co_occurrence_vectors(sequences, 20, np.random.default_rng(0))
    clusters = item_clusters(vectors, 2, np.random.default_rng(0))
    assert are_equal_up_to_names(clusters[1:].argmax(axis=1), np.repeat([0, 1], 10))


def test_an_item_is_no_neighbour_of_itself():
    # User 0 has items 1 and 2, user 1 has item 3: nobody shares item 3, whose vector is zero.
    sequences = Sequences(np.array([1, 2, 3], dtype=np.int32), np.array([0, 2, 3]))
    vectors = co_occurrence_vectors(sequences, 3, np.random.default_rng(0))
    assert np.abs(vectors[1:]).max(axis=1).tolist() == [1024, 1024, 0]


def test_products_of_rows_are_exact_so_that_their_order_does_not_matter():
    rows = _unit(np.random.default_rng(0).normal(size=(50, 1000)) ** 5)
    whole = rows.astype(np.int64)
    np.testing.assert_array_equal(rows, whole)
    np.testing.assert_array_equal((rows @ rows.T).astype(np.int64), whole @ whole.T)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 2.0**15, rtol=1e-3)


def test_equal_items_make_no_more_clusters_than_there_are():
    vectors = np.array([[0, 0], [1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.float32)
    assert item_clusters(vectors, 10, np.random.default_rng(0)).shape == (5, 2)


def test_small_alpha_gathers_the_users_of_a_cluster():
    sequences, shop = two_shops(np.random.default_rng(0), users=200)
    facts = PartitionFacts(sequences=sequences, num_items=20, clusters=2, alpha=1e-3)
    found = assign("taste-co-occurrence", 2, facts)
    share = [shop[found == number].mean() for number in (0, 1)]
    assert max(abs(one - 0.5) for one in share) > 0.49


def test_embeddings_that_are_not_there_are_refused():
    sequences, _ = two_shops(np.random.default_rng(0))
    with pytest.raises(ConfigError, match='"taste-semantic" needs semantic embeddings'):
        assign("taste-semantic", 2, PartitionFacts(sequences=sequences))


def test_a_model_without_embeddings_and_shuffled_ones_have_the_same_partition(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path))
    settings = SMALL | {"partition.by": "taste-semantic", "partition.clusters": 4}
    usual = open_prepared(read_config(settings)).assignment
    for other in ({"model.name": "sasrec"}, {"semantics.shuffled": True}):
        np.testing.assert_array_equal(
            open_prepared(read_config(settings | other)).assignment, usual
        )
    even = open_prepared(read_config(SMALL)).assignment
    assert (usual != even).any()
