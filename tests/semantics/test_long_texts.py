"""Texts beyond the encoder's limit: counted, and read whole by chunks."""

import dataclasses
import json

import numpy as np
import pytest

from fedrec.config.keys import read_config
from fedrec.errors import ConfigError, ResourceError
from fedrec.semantics import raw_vectors as raw_module
from fedrec.semantics.encoders import Encoder, read_in_chunks
from fedrec.semantics.hashing import hashed_vectors
from fedrec.semantics.long_texts import mean_over_chunks, tokenize
from fedrec.semantics.table import embed_new_items, embedding_table

LIMIT = 8  # 6 words and the two special pieces at the ends


@pytest.fixture
def folder(tmp_path):
    """A model's folder with a tokenizer of words, "##" pieces for letters, and a limit of 8."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    letters = [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
    pieces = ["[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz", *letters]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": LIMIT}))
    return tmp_path


def test_word_pieces_are_counted_with_the_special_ones(folder):
    found = tokenize(folder, ["a b c", "ab c", "a b c d e f", "a b c d e f g"])
    assert (found.limit, found.counts) == (LIMIT, [5, 5, 8, 9])
    assert found.beyond == [False, False, False, True]


@pytest.mark.parametrize(
    ("text", "chunks"),
    [
        ("a b c", ["a b c"]),
        ("", [""]),
        ("a b c d e f g h", ["a b c d e f ", "g h"]),
        ("a b c d efg h", ["a b c d ", "efg h"]),  # no word is torn
        ("a bcdefghijk l", ["a ", "bcdefg", "hijk l"]),  # but one longer than a chunk
    ],
)
def test_chunks_are_the_whole_text_and_each_is_within_the_limit(folder, text, chunks):
    found = tokenize(folder, [text])
    assert found.chunks == [chunks]
    assert "".join(chunks) == text
    assert max(tokenize(folder, chunks).counts) <= LIMIT


def test_the_vector_of_a_long_text_is_the_mean_over_its_chunks(folder):
    texts = ["a b c d e f g h", "a b"]
    vectors = mean_over_chunks(texts, tokenize(folder, texts), hashed_vectors)
    first, second, whole = hashed_vectors(["a b c d e f ", "g h", "a b"])
    np.testing.assert_allclose(vectors[0], (first + second) / 2, rtol=1e-6)
    np.testing.assert_array_equal(vectors[1], whole)


@pytest.fixture
def cutting(folder, monkeypatch):
    """An encoder by the name "hashed" that reads 6 words of a text and drops the rest."""

    def encode(texts):
        return hashed_vectors([tokenize(folder, [text]).chunks[0][0] for text in texts])

    def count(texts):
        return tokenize(folder, texts)

    made = Encoder("hashed", "", "sum", "0" * 64, 512, encode, count)
    monkeypatch.setattr(raw_module, "open_encoder", lambda name, revision: made)
    return made


LONG = ("a b c d e f one", "a b c d e f two", "x y z", "q r s", "t u v")


def test_texts_that_are_cut_are_counted_and_said(cutting, make_catalog, tmp_path, caplog):
    catalog = make_catalog(*LONG)
    table = embedding_table(catalog, encoder="hashed", width=2, home=tmp_path)
    assert (table.long_texts, table.token_limit) == (2, LIMIT)
    assert "2 item texts are longer than the 8 word pieces" in caplog.text
    np.testing.assert_array_equal(table.vectors[1], table.vectors[2])  # equal beginnings


def test_chunks_tell_texts_of_one_beginning_apart(cutting, make_catalog, tmp_path, caplog):
    catalog = make_catalog(*LONG)
    tables = [
        embedding_table(catalog, encoder="hashed", width=2, home=tmp_path, long_texts=how)
        for how in ("cut", "chunks")
    ]
    assert tables[0].key != tables[1].key
    assert np.abs(tables[1].vectors[1] - tables[1].vectors[2]).max() > 1e-3
    assert "the mean over their chunks" in caplog.text


def test_rows_of_chunks_have_norm_1(cutting):
    rows = read_in_chunks(cutting).encode(list(LONG))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)


def test_a_new_item_is_read_in_chunks_where_the_table_is(cutting, make_catalog, tmp_path):
    catalog = make_catalog(*LONG)
    how = {"encoder": "hashed", "width": 2, "home": tmp_path, "long_texts": "chunks"}
    table = embedding_table(catalog, **how)
    again = embed_new_items(make_catalog(LONG[1]), catalog, **how)
    np.testing.assert_allclose(again[0], table.vectors[2], atol=1e-5)


def test_texts_are_counted_once_and_not_at_all_where_the_weights_are_gone(
    cutting, make_catalog, tmp_path, monkeypatch
):
    catalog, calls = make_catalog(*LONG), []

    def gone(texts):
        calls.append(texts)
        raise ResourceError("no weights")

    first = embedding_table(catalog, encoder="hashed", width=2, home=tmp_path)
    later = dataclasses.replace(cutting, tokenize=gone)
    monkeypatch.setattr(raw_module, "open_encoder", lambda name, revision: later)
    assert embedding_table(catalog, encoder="hashed", width=2, home=tmp_path).long_texts == 2
    assert not calls
    for path in (tmp_path / "semantics").glob("lengths-*"):
        path.unlink()
    table = embedding_table(catalog, encoder="hashed", width=2, home=tmp_path)
    assert (table.long_texts, table.sha256, len(calls)) == (None, first.sha256, 1)


def test_an_encoder_that_reads_whole_texts_has_nothing_to_say(make_catalog, tmp_path):
    catalog = make_catalog("word " * 1000, "b", "c")
    tables = [
        embedding_table(catalog, encoder="hashed", width=2, home=tmp_path, long_texts=how)
        for how in ("cut", "chunks")
    ]
    assert tables[0].long_texts is None
    assert tables[0].key == tables[1].key


def test_a_folder_that_does_not_say_how_it_counts_is_not_counted(tmp_path):
    assert tokenize(tmp_path, ["a"]) is None


def test_another_word_is_refused():
    with pytest.raises(ConfigError, match=r"semantics\.long-texts must be one of cut, chunks"):
        read_config({"semantics.long-texts": "chunk"})
