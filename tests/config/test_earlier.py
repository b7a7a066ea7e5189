"""Configs of earlier versions keep their meaning, in a run's folder and nowhere else."""

import pytest

from experiments.presets import read_preset
from fedrec.config.keys import read_config
from server.checkpoints.resume import differences


@pytest.mark.parametrize(
    ("loss", "own_history"), [("softmax", "keep"), ("sampled-softmax", "leave-out")]
)
def test_a_config_of_an_earlier_run_means_what_it_meant(tmp_path, loss, own_history):
    path = tmp_path / "config.toml"
    path.write_text(f'[loss]\nname = "{loss}"\n')
    alone = read_config(read_preset(str(path)))
    assert (alone.loss.own_history, alone.federation.share_counts_min_users) == ("leave-out", 20)
    (tmp_path / "run.json").write_text("{}")
    ours = read_config(read_preset(str(path)))
    assert (ours.loss.own_history, ours.federation.share_counts_min_users) == (own_history, 1)
    path.write_text(f'[loss]\nname = "{loss}"\nown-history = "leave-out"\n')
    assert read_config(read_preset(str(path))).loss.own_history == "leave-out"


def test_a_key_that_a_checkpoint_lacks_differs_only_from_what_was_done_before():
    then = {"config": {"loss.name": "softmax"}}
    before = {"loss.name": "softmax", "loss.own-history": "keep", "local.batches": "by-length"}
    assert differences(then, {"config": before}) == []
    now = before | {"loss.own-history": "leave-out", "local.batches": "random"}
    assert differences(then, {"config": now}) == [
        "config: local.batches was 'by-length', is 'random'",
        "config: loss.own-history was 'keep', is 'leave-out'",
    ]
