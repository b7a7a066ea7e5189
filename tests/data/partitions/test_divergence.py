"""The divergence of a partition is said in words, by examples on the same users."""

import numpy as np
import pytest

from fedrec.data.partitions.divergence import Divergence, divergence_of
from fedrec.data.partitions.rules import PartitionFacts
from fedrec.data.sequences import Sequences

EXAMPLES = {"random": 0.01, "mild": 0.1, "strong": 0.3}


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        (0.0, "as even as users dealt out at random"),
        (0.015, "as even as users dealt out at random"),
        (0.016, "between random and mild"),
        (0.1, "between mild and strong"),
        (0.3, "beyond strong"),
    ],
)
def test_the_words_are_those_of_the_examples_around(bits, words):
    assert Divergence("genres", bits, EXAMPLES).words == words


def two_tastes():
    """200 users of 5 events: the even ones have items 1 and 2, the odd ones 3 and 4."""
    rng = np.random.default_rng(0)
    items = [rng.integers(1, 3, 5) + 2 * (user % 2) for user in range(200)]
    return Sequences(np.concatenate(items).astype(np.int32), np.arange(201) * 5)


GENRES = np.array([[0, 0], [1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.float32)


@pytest.mark.parametrize(("genres", "of"), [(GENRES, "genres"), (None, "item clusters")])
def test_a_partition_of_two_tastes_is_beyond_all_examples(genres, of):
    facts = PartitionFacts(sequences=two_tastes(), genres=genres, num_items=4, clusters=2)
    apart = divergence_of(np.arange(200, dtype=np.int32) % 2, "activity", facts)
    # A half against a whole: H(3/4, 1/4) - H(1)/2 - H(1/2, 1/2)/2 = 0.8113 - 0.5 bits.
    assert (apart.of, apart.words) == (of, "beyond strong")
    assert apart.bits == pytest.approx(0.3113, abs=1e-4)
    assert sorted(apart.examples.values()) == list(apart.examples.values())


def test_users_at_random_are_even():
    facts = PartitionFacts(sequences=two_tastes(), genres=GENRES)
    mixed = divergence_of(np.arange(200, dtype=np.int32) // 2 % 2, "uniform", facts)
    assert mixed.bits < 1e-6
    assert mixed.words == "as even as users dealt out at random"


def test_a_rule_by_clusters_is_measured_by_its_clusters():
    facts = PartitionFacts(sequences=two_tastes(), genres=GENRES, num_items=4, clusters=2)
    found = divergence_of(np.arange(200, dtype=np.int32) % 2, "taste-co-occurrence", facts)
    assert found.of == "item clusters"
