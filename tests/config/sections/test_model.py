"""Section ``model``: what a list of names without a name means."""

from fedrec.config.keys import read_config


def test_commas_without_a_name_keep_nothing_private():
    assert not read_config({"model.private": ",,,"}).model.is_personalised
    assert read_config({"model.private": "gate-bias"}).model.is_personalised
    user = {"federation.unit": "user", "local.optimizer-state": "reset", "model.private": " , "}
    read_config(user)  # not refused as a user with private parameters
