import json
import multiprocessing
import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fedrec.data.preparation.prepared_folder import open_catalog
from fedrec.data.preparation.store import Dataset, open_dataset, prepare
from fedrec.data.readers.tables import Columns
from fedrec.errors import ConfigError, DataError, ResourceError

EVENTS = "user,item,time,title\n" + "".join(
    f"u{user},i{item},{item + 5 * user},Title {item}\n" for user in range(6) for item in range(5)
)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(EVENTS)
    return str(path)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def test_prepared_data_is_opened_as_it_was_made(source, home):
    folder = prepare(source, home=home, seed=0)
    data = open_dataset(folder)
    assert folder.parent == home / "prepared"
    assert folder.name.startswith("events-")
    assert data.sequences.of(0).tolist() == [1, 2, 3, 4, 5]
    assert data.sequences.times[:5].tolist() == [0, 1, 2, 3, 4]
    assert data.catalog.titles[0] == "Title 0"
    assert data.user_ids == [f"u{user}" for user in range(6)]
    assert (data.manifest["users"], data.manifest["items"], data.manifest["events"]) == (6, 5, 30)


def test_opened_arrays_are_mapped_and_cannot_be_written(source, home):
    items = open_dataset(prepare(source, home=home, seed=0)).sequences.items
    assert isinstance(items, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        items[0] = 3


def test_preparing_again_touches_nothing(source, home):
    folder = prepare(source, home=home, seed=0)
    before = (folder / "manifest.json").stat().st_mtime_ns
    assert prepare(source, home=home, seed=1) == folder  # the seed is of the synthetic data only
    assert (folder / "manifest.json").stat().st_mtime_ns == before


def test_another_option_or_another_byte_is_another_folder(source, home):
    first = prepare(source, home=home, seed=0)
    folders = {
        first,
        prepare(source, home=home, seed=0, min_item_events=4),
        prepare(source, home=home, seed=0, columns=Columns(time="")),
    }
    Path(source).write_text(EVENTS + "u0,i0,99,Title 0\n")
    folders.add(prepare(source, home=home, seed=0))
    assert len(folders) == 4


def test_the_data_hash_follows_the_content_not_the_place(source, home, tmp_path):
    first = open_dataset(prepare(source, home=home, seed=0)).data_hash
    moved = tmp_path / "moved.csv"
    moved.write_text(EVENTS)
    assert open_dataset(prepare(str(moved), home=home, seed=0)).data_hash == first
    moved.write_text(EVENTS.replace("Title 4", "Another"))
    assert open_dataset(prepare(str(moved), home=home, seed=0)).data_hash != first


def test_the_catalogue_opens_without_any_interaction(source, home):
    folder = prepare(source, home=home, seed=0)
    whole = open_dataset(folder)
    for name in ("items.npy", "offsets.npy", "times.npy", "users.json"):
        (folder / name).unlink()
    assert open_catalog(folder) == (whole.catalog, whole.data_hash)


@pytest.mark.parametrize(
    "name",
    ["items.npy", "offsets.npy", "times.npy", "users.json", "catalog.json", "manifest.json"],
)
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone"])
def test_a_damaged_folder_is_refused_when_opened_and_made_again_when_prepared(
    source, home, name, damage
):
    folder = prepare(source, home=home, seed=0)
    wanted = open_dataset(folder).data_hash
    path = folder / name
    data = path.read_bytes()
    place = data.index(b'data_hash": "') + 14 if name == "manifest.json" else len(data) - 3
    flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"flip": flipped, "cut": data[:-7], "empty": b""}[damage])
    with pytest.raises(DataError, match=r"is damaged .*delete it and prepare again"):
        open_dataset(folder)
    assert open_dataset(prepare(source, home=home, seed=0)).data_hash == wanted


def test_another_format_version_is_refused_by_number(source, home):
    folder = prepare(source, home=home, seed=0)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    with pytest.raises(DataError, match="format version 99, this fedrec reads 1"):
        open_catalog(folder)


def test_nothing_is_ever_unpickled(source, home):
    folder = prepare(source, home=home, seed=0)

    with (folder / "items.npy").open("wb") as file:
        np.save(file, np.array([Bomb()], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="is damaged"):
        open_dataset(folder)
    (folder / "items.npy").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match="is damaged"):
        open_dataset(folder)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


@pytest.mark.slow
def test_processes_that_prepare_at_once_get_one_and_the_same_folder(source, home):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        folders = pool.starmap(prepare_there, [(source, home)] * 6)
    assert len(set(folders)) == 1
    assert [path.name for path in (home / "prepared").iterdir() if path.is_dir()] == [
        Path(folders[0]).name
    ]
    assert open_dataset(Path(folders[0])).manifest["events"] == 30


def prepare_there(source, home):
    return str(prepare(source, home=home, seed=0))


def test_a_failed_write_leaves_nothing_and_says_where(source, home, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ResourceError, match=r"No space left on device.*FEDREC_HOME"):
        prepare(source, home=home, seed=0)
    assert not [path for path in (home / "prepared").iterdir() if path.is_dir()]


def test_a_frame_becomes_a_dataset_in_memory_or_in_a_folder(home):
    frame = pd.DataFrame({"user": [1, 1, 1], "item": [5, 6, 5], "time": [1, 2, 3]})
    memory = Dataset.from_frame(frame, min_item_events=1)
    stored = Dataset.from_frame(frame, min_item_events=1, home=home)
    assert memory.sequences.items.tolist() == stored.sequences.items.tolist() == [1, 2, 1]
    assert memory.data_hash == stored.data_hash
    assert memory.folder is None
    assert open_dataset(stored.folder).user_ids == ["1"]


def test_a_function_of_the_users_own_is_a_source(home, tmp_path, monkeypatch):
    (tmp_path / "own_events.py").write_text(
        "import pandas as pd\n"
        "def load():\n"
        "    return pd.DataFrame({'user': [1] * 3, 'item': [5, 6, 5], 'time': [1, 2, 3]})\n"
        "def nothing():\n"
        "    return 7\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    folder = prepare("own_events:load", home=home, seed=0, min_item_events=1)
    assert open_dataset(folder).sequences.items.tolist() == [1, 2, 1]
    with pytest.raises(DataError, match="returned int, expected a pandas DataFrame"):
        prepare("own_events:nothing", home=home, seed=0)
    with pytest.raises(ConfigError, match="cannot be imported"):
        prepare("own_events:absent", home=home, seed=0)


@pytest.mark.parametrize(
    ("source_name", "format_name", "error", "words"),
    [
        ("nowhere.csv", "auto", DataError, r"data\.source 'nowhere\.csv' does not exist"),
        ("ml-1m", "auto", ResourceError, r"ml-1m is not at .*`fedrec data get ml-1m`"),
        ("synthetic", "xml", ConfigError, r"data\.format 'xml' is unknown; one of auto"),
    ],
)
def test_a_source_that_is_none_says_what_would_be(home, source_name, format_name, error, words):
    with pytest.raises(error, match=words):
        prepare(source_name, home=home, seed=0, format=format_name)


def test_a_downloaded_set_is_found_by_its_name(home, tmp_path):
    folder = tmp_path / "ml-1m"
    folder.mkdir()
    (folder / "movies.dat").write_text("1::A (1990)::War\n2::B (1991)::War\n")
    (folder / "users.dat").write_text("1::F::1::10::02138\n")
    (folder / "ratings.dat").write_text("1::1::5::1\n1::2::5::2\n1::1::4::3\n")
    (home / "downloads").mkdir(parents=True)
    shutil.make_archive(str(home / "downloads" / "ml-1m"), "zip", tmp_path, "ml-1m")
    data = open_dataset(prepare("ml-1m", home=home, seed=0, min_item_events=1))
    assert (data.name, data.catalog.titles) == ("ml-1m", ["A (1990)", "B (1991)"])
    assert data.attributes["zip"] == ["0"]
    # The folder holds the same data in another form: another key, the same hash.
    again = open_dataset(prepare(str(folder), home=home, seed=0, min_item_events=1))
    assert again.data_hash == data.data_hash
