import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.semantics import hashing
from fedrec.semantics.hashing import WIDTH, hashed_vectors


def test_shared_words_bring_texts_together():
    crime, thief, comedy = hashed_vectors(
        ["Night Train. Crime.", "Dead Train. Crime.", "Party Girl. Comedy."]
    )
    assert crime @ thief > 0.5 > crime @ comedy


def test_word_stems_bring_words_together():
    singer, singers, banker = hashed_vectors(["singer", "singers", "lawyers"])
    assert singer @ singers > 0.2 > singer @ banker


def test_upper_and_lower_case_are_the_same():
    upper, lower = hashed_vectors(["HEAT", "heat"])
    np.testing.assert_array_equal(upper, lower)


def test_one_word_by_hand():
    # "ab" has one 3-gram pair "<ab", "ab>" and one 4-gram "<ab>": weights 1 and three of 1/sqrt(3)
    weights = np.sort(np.abs(hashed_vectors(["ab"])[0]))[-4:]
    np.testing.assert_allclose(weights, np.array([3**-0.5] * 3 + [1]) / 2**0.5, rtol=1e-6)


def test_a_text_whose_features_cancel_still_gets_a_direction(monkeypatch):
    monkeypatch.setattr(hashing, "_word_features", lambda word: ([3, 3], [1.0, -1.0]))
    first, second = hashing.hashed_vectors(["a", "b"])
    assert np.linalg.norm(first) == np.linalg.norm(second) == 1
    assert not np.array_equal(first, second)


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=8))
def test_every_row_has_norm_one_and_depends_on_its_text_alone(texts):
    vectors = hashed_vectors(texts)
    assert vectors.shape == (len(texts), WIDTH)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_array_equal(hashed_vectors([text])[0], vector)


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_another_process_gives_the_same_bytes(hash_seed):
    code = (
        "from fedrec.semantics.hashing import hashed_vectors as h;"
        "print(h(['Night Train', 'été', '???']).tobytes().hex())"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert shown == hashed_vectors(["Night Train", "été", "???"]).tobytes().hex()


def test_a_word_of_many_titles_is_hashed_once(monkeypatch):
    real, hashed = hashing._word_features, []

    def counted(word):
        hashed.append(word)
        return real(word)

    monkeypatch.setattr(hashing, "_word_features", counted)
    count = 2 * hashing._BLOCK + 1
    texts = [f"Film {n}. Crime, Drama, Thriller. {9000 + n % 70}." for n in range(count)]
    hashed_vectors(texts)
    words = {"film", "crime", "drama", "thriller"}
    assert len(hashed) == count + len(words) + 70
    assert set(hashed) == words | set(map(str, [*range(count), *range(9000, 9070)]))
