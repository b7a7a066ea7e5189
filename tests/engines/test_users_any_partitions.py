"""Where every user is a client, how many SuperNodes carry them changes nothing but the speed."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from fedrec.runs.record import read_rounds
from tests.server.rounds.users_one_by_one import USERS

ABSENT = USERS | {
    "federation.drop-out": 0.3,
    "federation.min-participation": 0.1,
    "federation.rounds": 3,
    "federation.cohort": 12,
    "local.steps": 2,
    "data.source": "synthetic:users=30,items=60",
}
NUM_USERS = 29  # who have enough events
# Same arithmetic on every number of SuperNodes, but for the order of sums.
EQUAL = ("users", "targets", "passes", "bytes_down", "bytes_up", "client_megabytes")
HOW = {
    "sparse": {"federation.row-averaging": "sparse", "federation.clip-norm": 0.2},
    # A step that is the gradient over its root would make 1e-9 of nothing as large as the rest.
    "adam": {
        "strategy.name": "server-adam",
        "strategy.options": "learning-rate = 0.01, epsilon = 0.01",
        "federation.sampling": "poisson",
        "federation.weighting": "uniform",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_a_run_with_one_supernode_per_user_is_that_of_one_and_of_three(
    run_inline, small_config, tmp_path, how
):
    left = {}
    for count in (NUM_USERS, 3, 1):
        held = {
            "partition.count": count,
            "partition.by": "each" if count == NUM_USERS else "uniform",
        }
        folder = run_inline(small_config(ABSENT | HOW[how] | held), tmp_path / str(count))
        with np.load(folder / "ranks.npz") as packed:
            ranks = dict(zip(packed["user"].tolist(), packed["rank_full"].tolist(), strict=True))
        lines = read_rounds(folder / "rounds.jsonl")[0]
        left[count] = (load_file(folder / "model.safetensors"), lines, ranks)
    weights, lines, ranks = left.pop(NUM_USERS)
    assert sum(line["best"] for line in lines) > 1  # the model is not the one that all begin with
    for other, found, others_ranks in left.values():
        for line, one in zip(lines, found, strict=True):
            assert {key: line[key] for key in EQUAL} == {key: one[key] for key in EQUAL}
            assert line["train_loss"] == pytest.approx(one["train_loss"], abs=1e-5)
            gone = [sorted(drop["user"] for drop in each["excluded"]) for each in (line, one)]
            assert gone[0] == gone[1]
            assert line["best"] == one["best"]
        assert max(float(np.abs(weights[n] - other[n]).max()) for n in weights) < 1e-5
        # Two items that score alike to the last bits may change places.
        assert list(ranks) == list(others_ranks)
        assert np.mean([abs(ranks[u] - others_ranks[u]) > 1 for u in ranks]) == 0
