"""Clients that drop out by the seed: the same ones every time, on record, excluded from sums."""

import numpy as np
import pytest
from flwr.app import RecordDict

from fedrec import protocol
from fedrec.errors import ParticipationError
from server.checkpoints.folder import load_checkpoint
from server.messages.exchange import SampledNodes
from server.sampling.excluded import DROPPED_OUT
from server.sampling.population import required_replies
from server.sampling.unavailable import Unavailability

MANY = {"partition.count": 6, "federation.rounds": 4, "federation.min-participation": 0.1}


class Overheard(SampledNodes):
    """A grid that keeps the weights and examples of every train reply that passes."""

    def __init__(self, grid):
        super().__init__(grid, grid.get_node_ids())
        self.heard = []

    def pull_messages(self, message_ids):
        replies = list(self._grid.pull_messages(message_ids))
        for reply in replies:
            content: RecordDict = reply.content
            if protocol.ARRAYS in content.array_records:
                facts = content.config_records[protocol.METADATA]
                weights = content.array_records[protocol.ARRAYS]
                examples = content.metric_records[protocol.METRICS][protocol.NUM_EXAMPLES]
                arrays = {name: array.numpy().copy() for name, array in weights.items()}
                self.heard.append(
                    (facts[protocol.ROUND], facts[protocol.PARTITION], examples, arrays)
                )
        return replies


HALF = MANY | {"federation.drop-out": 0.5}


def test_drop_outs_are_the_same_every_time_and_no_fault(
    run_inline, run_once, small_config, tmp_path, left_by, about
):
    config = small_config(HALF | {"seed": 3})
    once, again = run_once(config), run_inline(config, tmp_path / "again")
    assert left_by(once) == left_by(again)
    assert about(once)["status"] == "done"
    _, lines = left_by(once)
    for line in lines[1:]:
        gone = [one["partition"] for one in line["excluded"]]
        assert sorted(line["aggregated"] + gone) == line["sampled"]
        assert all(
            (one["reason"], one["while"]) == (DROPPED_OUT, "train") for one in line["excluded"]
        )
    assert any(line["excluded"] for line in lines)


def test_another_seed_drops_others(run_once, small_config, left_by):
    used = []
    for seed in (3, 4):
        lines = left_by(run_once(small_config(HALF | {"seed": seed})))[1]
        used.append([line["aggregated"] for line in lines])
    assert used[0] != used[1]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_as_many_drop_out_as_were_asked_for(share):
    drawn = Unavailability(dropout_rate=share, seed=1)
    gone = sum(len(drawn.of_training(round, 0, range(20))) for round in range(500))
    deviation = (share * (1 - share) / 10_000) ** 0.5
    assert abs(gone / 10_000 - share) < 4 * deviation


def test_who_drops_out_depends_on_round_and_partition_alone():
    drawn = Unavailability(dropout_rate=0.5, seed=1)
    everyone = drawn.of_training(7, 0, range(100))
    assert drawn.of_training(7, 0, range(50)) == {p: r for p, r in everyone.items() if p < 50}
    assert drawn.of_training(8, 0, range(100)) != everyone
    assert drawn.of_training(7, 1, range(100)) != everyone  # a second attempt is another draw


def test_the_weights_are_the_mean_over_those_who_replied(run_inline, small_config, left_by):
    changes = {"federation.drop-out": 0.5, "federation.rounds": 2, "run.checkpoint-every": 1}
    grids = []

    def overhear(grid):
        grids.append(Overheard(grid))
        return grids[0]

    folder = run_inline(small_config(MANY | changes | {"seed": 6}), wrap=overhear)
    after = load_checkpoint(folder)[0].state.weights
    # The checkpoint of round 1 holds what round 2 began with.
    for path in (folder / "checkpoints" / "round-00002").iterdir():
        path.unlink()
    before = load_checkpoint(folder)[0].state.weights

    heard = [(p, examples, sent) for round, p, examples, sent in grids[0].heard if round == 2]
    line = left_by(folder)[1][2]
    assert 0 < len(heard) < 6
    assert sorted(p for p, _, _ in heard) == line["aggregated"]
    assert len(line["aggregated"]) + len(line["excluded"]) == 6
    total = sum(examples for _, examples, _ in heard)
    for name, start in before.items():
        # What travels is float32; the server adds each change to its own float64 weights.
        moved = [n * (sent[name] - start.astype(np.float32).astype(float)) for _, n, sent in heard]
        np.testing.assert_allclose(after[name], start + sum(moved) / total, rtol=0, atol=1e-12)
        assert np.any(after[name] != start)


def test_too_many_drop_outs_end_the_run_with_3(run_inline, small_config, tmp_path, about):
    config = small_config({"federation.drop-out": 0.99, "partition.count": 6})
    with pytest.raises(
        ParticipationError, match=r"round 1: [01] of 6 clients .* 3 are needed"
    ) as end:
        run_inline(config, tmp_path / "run")
    assert end.value.exit_code == 3
    ended = about(tmp_path / "run")
    assert (ended["status"], ended["exit_code"]) == ("failed", 3)
    assert DROPPED_OUT in ended["reason"]


def test_a_run_is_never_done_with_a_round_that_had_too_few(
    run_inline, small_config, tmp_path, left_by, about
):
    ends = set()
    for seed in range(5):
        folder = tmp_path / str(seed)
        config = small_config({"federation.drop-out": 0.5, "seed": seed})
        try:
            run_inline(config, folder)
        except ParticipationError:
            assert about(folder)["status"] == "failed"
        else:
            assert about(folder)["status"] == "done"
            lines = left_by(folder)[1]
            assert len(lines) == 1 + config.federation.rounds
            assert all(len(line["aggregated"]) >= required_replies(0.5, 3) for line in lines[1:])
        ends.add(about(folder)["status"])
    assert ends == {"failed", "done"}
