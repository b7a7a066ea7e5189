import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedrec.errors import ConfigError
from fedrec.semantics import raw_vectors as raw_module
from fedrec.semantics import table as table_module
from fedrec.semantics.cache import array_sha256
from fedrec.semantics.encoders import open_encoder
from fedrec.semantics.table import embed_new_items, embedding_table, table_key

HASHED = open_encoder("hashed")
ITEMS = [("10", "Heat."), ("20", "Alien.")]


def key(encoder=HASHED, items=ITEMS, *, width=4, whiten=True, shuffle_seed=None) -> str:
    return table_key(encoder, items, width=width, whiten=whiten, shuffle_seed=shuffle_seed)


@pytest.fixture
def hashed_table(films, tmp_path):
    return embedding_table(films, encoder="hashed", width=4, home=tmp_path)


def test_the_table_has_one_row_per_item_after_the_padding(hashed_table):
    assert hashed_table.vectors.shape == (7, 4)
    assert hashed_table.vectors.dtype == np.float32
    assert not hashed_table.vectors[0].any()
    assert np.abs(hashed_table.vectors[1:]).sum(axis=1).all()
    assert hashed_table.width == 4
    assert hashed_table.components == 4
    assert hashed_table.sha256 == array_sha256(hashed_table.vectors)
    assert (hashed_table.encoder, hashed_table.encoder_sha256) == ("hashed", HASHED.sha256)


def test_items_of_one_genre_lie_nearer(films, tmp_path):
    table = embedding_table(films, encoder="hashed", width=5, whiten=False, home=tmp_path)
    near = table.vectors[1:] @ table.vectors[1:].T
    crime = np.array([True, True, False, False, True, False])
    assert near[crime][:, crime].mean() > near[crime][:, ~crime].mean()


def test_a_second_call_opens_the_same_bytes(hashed_table, films, tmp_path, monkeypatch):
    monkeypatch.setattr(table_module, "reduced", None)  # calling it would fail
    again = embedding_table(films, encoder="hashed", width=4, home=tmp_path)
    assert again.sha256 == hashed_table.sha256
    assert again.key == hashed_table.key


def test_another_width_encodes_nothing_again(hashed_table, films, tmp_path, monkeypatch):
    def refuse(texts):
        raise RuntimeError(f"encoded {len(texts)} texts again")

    silent = replace(HASHED, encode_texts=refuse)
    monkeypatch.setattr(raw_module, "open_encoder", lambda name, revision: silent)
    assert embedding_table(films, encoder="hashed", width=3, home=tmp_path).width == 3
    with pytest.raises(RuntimeError, match="encoded 6 texts again"):
        embedding_table(films, encoder="hashed", fields=("title",), width=3, home=tmp_path)


def test_writing_to_the_frozen_table_raises(hashed_table):
    with pytest.raises(ValueError, match="read-only"):
        hashed_table.vectors[1] = 0
    with pytest.raises(ValueError, match="WRITEABLE"):
        hashed_table.vectors.flags.writeable = True


def test_training_a_copy_leaves_the_bytes_of_the_table(hashed_table):
    torch = pytest.importorskip("torch")
    rows = torch.tensor(np.array(hashed_table.vectors), requires_grad=True)
    rows.square().sum().backward()
    with torch.no_grad():
        rows -= rows.grad
    assert array_sha256(hashed_table.vectors) == hashed_table.sha256


@pytest.mark.parametrize("seed", range(5))
def test_shuffling_gives_every_item_the_vector_of_another(hashed_table, films, tmp_path, seed):
    table = embedding_table(films, encoder="hashed", width=4, home=tmp_path, shuffle_seed=seed)
    rows, shuffled = hashed_table.vectors[1:], table.vectors[1:]
    assert np.any(rows != shuffled, axis=1).all()
    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, shuffled.tolist()))
    assert not table.vectors[0].any()


def test_the_shuffle_follows_its_seed(films, tmp_path):
    first, again, other = (
        embedding_table(films, encoder="hashed", width=4, home=home, shuffle_seed=seed).sha256
        for home, seed in ((tmp_path / "a", 1), (tmp_path / "b", 1), (tmp_path / "a", 2))
    )
    assert first == again != other


def test_items_in_another_order_get_the_same_rows(hashed_table, films, tmp_path):
    order = np.array([3, 0, 5, 1, 4, 2])
    moved = embedding_table(films.select(order), encoder="hashed", width=4, home=tmp_path)
    np.testing.assert_array_equal(moved.vectors[1:], hashed_table.vectors[1:][order])


def test_each_ingredient_changes_the_key():
    others = [
        key(replace(HASHED, name="other")),
        key(replace(HASHED, sha256="0" * 64)),
        key(replace(HASHED, revision="main")),
        key(replace(HASHED, pooling="cls")),
        key(width=3),
        key(whiten=False),
        key(shuffle_seed=0),
        key(shuffle_seed=1),
        key(items=[("10", "Heat!"), ("20", "Alien.")]),
        key(items=[("11", "Heat."), ("20", "Alien.")]),
        key(items=ITEMS[::-1]),
        key(items=ITEMS[:1]),
        key(items=[("10", "Alien."), ("20", "Heat.")]),
    ]
    assert len({key(), *others}) == len(others) + 1
    assert key() == key(replace(HASHED, encode_texts=len))  # where the code lies does not count


def test_the_format_version_changes_the_key(monkeypatch):
    before = key()
    monkeypatch.setattr(raw_module, "FORMAT", raw_module.FORMAT + 1)
    assert key() != before


def test_a_damaged_table_is_never_used(hashed_table, films, tmp_path):
    path = tmp_path / "semantics" / hashed_table.key / "vectors.npy"
    expected = np.array(hashed_table.vectors)
    content = bytearray(path.read_bytes())
    content[-3] ^= 64
    path.write_bytes(content)
    again = embedding_table(films, encoder="hashed", width=4, home=tmp_path)
    np.testing.assert_array_equal(again.vectors, expected)


def test_items_without_text_are_counted_and_told_apart(make_catalog, tmp_path, caplog):
    catalog = make_catalog("Heat", "", "", "Alien")
    table = embedding_table(catalog, encoder="hashed", width=3, home=tmp_path)
    assert table.fallback_texts == 2
    assert np.abs(table.vectors[1:]).sum(axis=1).all()
    assert not np.array_equal(table.vectors[2], table.vectors[3])
    assert "2 items have no text" in caplog.text


def test_a_cut_text_is_counted(make_catalog, tmp_path):
    catalog = make_catalog("x" * 1_000_000, "Heat")
    assert embedding_table(catalog, encoder="hashed", width=1, home=tmp_path).cut_texts == 1


def test_a_catalogue_of_one_item_works(make_catalog, tmp_path, caplog):
    table = embedding_table(make_catalog("Heat"), encoder="hashed", width=8, home=tmp_path)
    np.testing.assert_array_equal(table.vectors, np.zeros((2, 8)))
    assert table.components == 0
    assert "the items fill 0 of 8 semantic components" in caplog.text


@pytest.mark.parametrize("width", [0, 385])
def test_a_width_that_the_encoder_lacks_is_refused_before_encoding(films, tmp_path, width):
    with pytest.raises(ConfigError, match=f"semantics.width must be from 1 to 384.*got {width}"):
        embedding_table(films, encoder="minilm", width=width, home=tmp_path)
    assert not (tmp_path / "semantics").exists()


OPEN_TABLE = """
import sys
from pathlib import Path
from fedrec.data.catalog import Catalog
from fedrec.semantics.table import embedding_table
catalog = Catalog(["1", "2"], ["Heat", "Alien"], [(), ()], [None, None], ["", ""], {})
table = embedding_table(catalog, encoder=sys.argv[1], width=2, home=Path(sys.argv[2]))
print(table.sha256, sorted({"torch", "sentence_transformers", "transformers"} & set(sys.modules)))
"""


def open_in_a_new_process(encoder: str, home: Path) -> list[str]:
    shown = subprocess.run(
        [sys.executable, "-c", OPEN_TABLE, encoder, str(home)],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return shown.stdout.split(maxsplit=1)


def test_processes_agree_and_the_hashed_table_needs_no_torch(tmp_path):
    first, loaded = open_in_a_new_process("hashed", tmp_path / "a")
    second, _ = open_in_a_new_process("hashed", tmp_path / "b")
    assert first == second
    assert loaded.strip() == "[]"


@pytest.mark.slow
def test_a_cache_hit_of_minilm_imports_neither_torch_nor_sentence_transformers(tmp_path):
    pytest.importorskip("sentence_transformers")
    made, loaded = open_in_a_new_process("minilm", tmp_path)
    assert "torch" in loaded
    opened, loaded = open_in_a_new_process("minilm", tmp_path)
    assert opened == made
    assert loaded.strip() == "[]"


def test_to_open_a_stored_table_neither_encodes_nor_decomposes(catalogue, tmp_path, monkeypatch):
    made = embedding_table(catalogue, encoder="hashed", home=tmp_path)
    for name in ("raw_vectors", "reduced"):
        monkeypatch.delattr(f"fedrec.semantics.table.{name}")  # to call it is an error now
    opened = embedding_table(catalogue, encoder="hashed", home=tmp_path)
    np.testing.assert_array_equal(opened.vectors, made.vectors)
    with pytest.raises(NameError):
        embedding_table(catalogue, encoder="hashed", width=9, home=tmp_path)


@pytest.mark.parametrize("encoder", ["hashed", pytest.param("minilm", marks=pytest.mark.slow)])
@pytest.mark.parametrize("whiten", [True, False])
def test_an_item_of_the_catalogue_gets_its_own_row_back_as_a_new_one(
    catalogue, tmp_path, encoder, whiten
):
    made = {"encoder": encoder, "width": 8, "whiten": whiten, "home": tmp_path}
    table = embedding_table(catalogue, **made).vectors
    again = embed_new_items(catalogue.select(np.array([12, 3])), catalogue, **made)
    np.testing.assert_allclose(again, table[[13, 4]], atol=1e-5)
