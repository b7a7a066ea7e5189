"""Prepared data: resolved once per process, again where the home or a file has changed."""

import os

import numpy as np

from fedrec.factory.data import open_prepared


def test_equal_configs_share_one_object(small_home, small_config):
    assert open_prepared(small_config()) is open_prepared(small_config())
    # What no data depend on makes no difference either.
    assert open_prepared(small_config({"local.learning-rate": 0.5})) is open_prepared(
        small_config()
    )


def test_settings_that_the_data_depend_on_make_another_object(small_home, small_config):
    plain = open_prepared(small_config())
    for change in ({"partition.count": 2}, {"scenario.keep": 0.5}, {"semantics.width": 7}):
        assert open_prepared(small_config(change)) is not plain


def test_another_home_is_opened_again(small_home, small_config, tmp_path, monkeypatch):
    first = open_prepared(small_config())
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path / "other"))
    second = open_prepared(small_config())
    assert second.dataset.folder.is_relative_to(tmp_path / "other")
    assert second.dataset.data_hash == first.dataset.data_hash


def test_a_file_that_changes_is_read_again(fedrec_home, small_config, tmp_path):
    rows = [f"u{user},i{(user + step) % 9},{step}" for user in range(9) for step in range(6)]
    path = tmp_path / "events.csv"
    path.write_text("\n".join(["user,item,time", *rows]))
    config = small_config({"data.source": str(path)})
    before = open_prepared(config)
    assert open_prepared(config) is before
    path.write_text("\n".join(["user,item,time", *rows[:-6]]))  # one user less
    os.utime(path, ns=(1, 1))
    after = open_prepared(config)
    assert (before.dataset.sequences.num_users, after.dataset.sequences.num_users) == (9, 8)


def test_the_embedding_table_is_there_only_for_models_that_read_it(small_home, small_config):
    assert open_prepared(small_config()).table.vectors.shape[1] == 6
    assert open_prepared(small_config({"model.name": "sasrec"})).table is None


def test_every_user_is_in_a_partition_of_the_config(small_home, small_config):
    prepared = open_prepared(small_config({"partition.count": 3}))
    assert len(prepared.assignment) == prepared.dataset.sequences.num_users
    assert np.unique(prepared.assignment).tolist() == [0, 1, 2]
