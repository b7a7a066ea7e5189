import dataclasses
import json
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from safetensors.numpy import load_file

from server.aggregation.strategy_state import Snapshot
from server.checkpoints.content import from_files, to_files
from server.checkpoints.folder import Checkpoint, load_checkpoint, remove_after, save_checkpoint
from server.state.server_state import AcceptedReply, ServerState
from tests.server.checkpoints.small_checkpoints import checkpoint, names, same

ROOT = Path(__file__).parents[3]


# ------------------------------------------------------------------------------- round trip


ARRAYS = st.dictionaries(
    st.text(min_size=1, max_size=4).filter(lambda name: name != "__metadata__"),
    st_numpy.arrays(np.float64, st_numpy.array_shapes(min_dims=0, max_dims=2, min_side=0)),
    max_size=3,
)
PARTITIONS = st.integers(0, 9)
REPLIES = st.dictionaries(
    PARTITIONS, st.builds(AcceptedReply, st.integers(0), st.text()), max_size=3
)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
FIELDS = {
    "weights": ARRAYS,
    "accepted": REPLIES,
    "best": ARRAYS,
    "best_accepted": REPLIES,
    "best_round": st.integers(0),
    "best_value": FINITE,
    "evals_without_improvement": st.integers(0),
    "elapsed": FINITE,
    "targets": st.integers(0),
    "megabytes": FINITE,
    "participants": st.text("0123456789abcdef"),
    "checkpoints": st.lists(st.dictionaries(PARTITIONS, st.sets(PARTITIONS)), max_size=2),
    "traceback": st.text(),
}


@given(st.builds(ServerState, **FIELDS))
def test_a_state_comes_back_bit_for_bit(state):
    one = Checkpoint(line={"round": 1}, state=state, strategy=Snapshot({}, {}))
    assert same(from_files(to_files(one).__getitem__), one)


def test_every_field_of_the_state_is_generated():
    # A new one would be saved and loaded with its default alone.
    saved = {one.name for one in dataclasses.fields(ServerState)} - {"best_outcome"}
    assert set(FIELDS) == saved


def test_a_run_without_checkpoints_has_none(tmp_path):
    assert load_checkpoint(tmp_path) == (None, [])
    (tmp_path / "checkpoints").mkdir()
    assert load_checkpoint(tmp_path) == (None, [])


def test_what_is_saved_is_loaded(tmp_path):
    save_checkpoint(tmp_path, checkpoint(5))
    found, damages = load_checkpoint(tmp_path)
    assert same(found, checkpoint(5))
    assert damages == []
    found.state.weights["z"] += 1  # and can be worked on in place


def test_numbers_of_numpy_in_a_line_become_plain(tmp_path):
    line = {"round": np.int64(2), "loss": np.float32(0.5), "sampled": np.arange(2)}
    checkpoint = Checkpoint(line=line, state=ServerState({}), strategy=Snapshot({}, {}))
    save_checkpoint(tmp_path, checkpoint)
    assert load_checkpoint(tmp_path)[0].line == {"round": 2, "loss": 0.5, "sampled": [0, 1]}


def test_the_files_are_plain_safetensors_and_json(tmp_path):
    folder = save_checkpoint(tmp_path, checkpoint(5))
    assert names(tmp_path) == ["round-00005"]
    files = sorted(path.name for path in folder.iterdir())
    assert files == [
        "best.safetensors",
        "state.json",
        "strategy.safetensors",
        "weights.safetensors",
    ]
    assert load_file(folder / "weights.safetensors")["a"] == 5.0
    assert json.loads((folder / "state.json").read_text())["state"]["best_value"] == 0.1 + 0.2


# ------------------------------------------------------------------------- which are kept


def test_the_last_two_are_kept(tmp_path):
    for number in (5, 10, 15, 99999, 100000):  # the last is longer, and not the last by name
        save_checkpoint(tmp_path, checkpoint(number))
    assert names(tmp_path) == ["round-100000", "round-99999"]
    assert load_checkpoint(tmp_path)[0].round == 100000


def test_those_after_the_round_that_a_run_goes_on_from_are_removed(tmp_path):
    for number in (5, 10):
        save_checkpoint(tmp_path, checkpoint(number))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "checkpoints" / "round-00015").symlink_to(tmp_path / "elsewhere")
    remove_after(tmp_path, 5)
    assert names(tmp_path) == ["round-00005"]
    assert (tmp_path / "elsewhere").is_dir()


def test_a_later_checkpoint_does_not_push_out_the_one_before(tmp_path):
    for number in (5, 10):
        save_checkpoint(tmp_path, checkpoint(number))
    (tmp_path / "checkpoints" / "round-00010" / "state.json").unlink()
    save_checkpoint(tmp_path, checkpoint(6))  # gone on from 5, without remove_after
    assert "round-00005" in names(tmp_path)


def test_a_round_that_is_saved_again_is_replaced(tmp_path):
    save_checkpoint(tmp_path, checkpoint(5))
    save_checkpoint(tmp_path, checkpoint(5, size=4))
    assert names(tmp_path) == ["round-00005"]
    assert load_checkpoint(tmp_path)[0].state.weights["z"].size == 4


def test_a_kill_between_the_two_renames_of_a_replacement_loses_nothing(tmp_path):
    folder = save_checkpoint(tmp_path, checkpoint(5))
    folder.rename(folder.with_name(".round-00005.replaced"))
    assert same(load_checkpoint(tmp_path)[0], checkpoint(5))
    save_checkpoint(tmp_path, checkpoint(10))
    assert names(tmp_path) == ["round-00010"]


def test_the_drafts_of_killed_processes_are_removed(tmp_path):
    draft = tmp_path / "checkpoints" / ".round-00005.draft"
    draft.mkdir(parents=True)
    (draft / "weights.safetensors").write_bytes(b"half")
    assert load_checkpoint(tmp_path) == (None, [])
    save_checkpoint(tmp_path, checkpoint(10))
    assert names(tmp_path) == ["round-00010"]


# --------------------------------------------------------------------------------- damage
