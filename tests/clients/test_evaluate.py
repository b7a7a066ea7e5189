"""Evaluation by a client: which scorer ranks which items with which inputs."""

import numpy as np
import pytest

from fedrec.errors import ConfigError


def test_scorers_by_name(desk):
    client = desk()
    model = client.evaluate()[0].ranks["full"]
    popularity = client.evaluate("popularity")[0].ranks["full"]
    best = client.evaluate("oracle")[0].ranks["full"]
    assert best.mean() < popularity.mean()
    assert not np.array_equal(model, popularity)
    # All counts are equal: everybody's item is in the middle of all that was not seen.
    candidates = client.evaluate("popularity")[0].num_candidates
    np.testing.assert_array_equal(popularity, (candidates + 1) / 2)
    with pytest.raises(ConfigError, match="scorer must be model or one of popularity, item-knn"):
        client.evaluate("guess")


def test_the_test_stage_ranks_the_last_item_and_reads_the_validation_item(desk):
    client = desk()
    sequences, users = client.data.dataset.sequences, client.data.users
    for stage, back in (("validation", 2), ("test", 1)):
        found = client.evaluate(stage=stage)[0]
        assert found.targets.tolist() == [sequences.of(user)[-back] for user in users]
        seen = [len(set(sequences.of(user)[:-back])) for user in users]
        np.testing.assert_array_equal(found.num_candidates, client.num_items - np.array(seen))
