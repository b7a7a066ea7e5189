"""The trie under transformers' own generation, with a tiny model of random weights."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, LogitsProcessor, LogitsProcessorList

from fedrec.dualrec.logits import title_processor
from fedrec.dualrec.trie import catalogue_trie
from fedrec.errors import ConfigError

END, LINE = 0, 1
WORDS = {"glass": 2, "orchard": 3, "kettle": 4, "night": 5, "lamp": 6, "two": 7}
TITLES = ["glass orchard", "glass orchard two", "kettle", "kettle night lamp", "night", "lamp two"]
PROMPTS = torch.tensor([[2, 3, 4], [7, 7, 5]])


def encode(title):
    return [WORDS[word] for word in title.split()]


@pytest.fixture(scope="module")
def trie():
    return catalogue_trie(TITLES, encode, end=END, separator=LINE)


@pytest.fixture(scope="module")
def model():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        config = LlamaConfig(
            vocab_size=8, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=2, eos_token_id=END, bos_token_id=None,
            initializer_range=1.0,
        )  # fmt: skip
        return LlamaForCausalLM(config).eval()


def written(model, processor, **how):
    return model.generate(
        PROMPTS, attention_mask=torch.ones_like(PROMPTS), max_new_tokens=20, pad_token_id=END,
        logits_processor=LogitsProcessorList([processor]), **how,
    )[:, PROMPTS.shape[1] :].tolist()  # fmt: skip


@pytest.mark.parametrize("wanted", [1, 3])
@pytest.mark.parametrize(
    "how",
    [
        {"do_sample": False},
        {"do_sample": True, "num_return_sequences": 4},
        {"do_sample": False, "num_beams": 4, "num_return_sequences": 4},
        {"do_sample": True, "num_beams": 3},
    ],
)
def test_everything_that_is_generated_is_a_title(model, trie, how, wanted):
    rows = how.get("num_beams", how.get("num_return_sequences", 1))
    seen = np.zeros((2, 7), dtype=bool)
    seen[0, 3], seen[1, [1, 2]] = True, True
    processor = title_processor(trie, 3, wanted=wanted, excluded=seen, num_beams=rows)
    assert isinstance(processor, LogitsProcessor)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        answers = written(model, processor, **how)
    each = how.get("num_return_sequences", 1)
    assert len(answers) == 2 * each
    for row, tokens in enumerate(answers):
        items = trie.items(tokens, seen[row // each])
        assert len(items) == wanted == len(set(items))
        assert not seen[row // each, items].any()
        words = {place: word for word, place in WORDS.items()} | {LINE: "\n"}
        text = " ".join(words[token] for token in tokens[: tokens.index(END)])
        assert [line.strip() for line in text.split("\n")] == [TITLES[item - 1] for item in items]


def test_more_beams_than_titles_end_instead_of_leaving_the_trie(model, trie):
    """Sequences of probability 0 fill such beams; none of them counts as a title."""
    seen = np.ones((2, 7), dtype=bool)
    seen[:, [3, 5]] = False  # two titles are left for five beams
    processor = title_processor(trie, 3, excluded=seen, num_beams=5)
    answers = written(model, processor, do_sample=False, num_beams=5, num_return_sequences=5)
    found = [trie.items(tokens, seen[0]) for tokens in answers]
    assert {tuple(items) for items in found} <= {(), (3,), (5,)}
    # The best two of each prompt are the two titles.
    assert sorted(found[0] + found[1]) == sorted(found[5] + found[6]) == [3, 5]


def test_greedy_takes_the_best_token_of_those_allowed(model, trie):
    processor = title_processor(trie, 3)
    (tokens, _) = written(model, processor, do_sample=False)
    with torch.no_grad():
        scores = model(PROMPTS[:1]).logits[0, -1]
    allowed = trie.allowed([])
    assert tokens[0] == allowed[int(scores[allowed].argmax())]


def test_scores_of_allowed_tokens_stay_and_all_others_are_closed(trie):
    scores = torch.arange(8.0)[None]
    masked = title_processor(trie, 2)(torch.tensor([[5, 5, 2]]), scores)
    assert masked.tolist() == [[-torch.inf] * 3 + [3.0] + [-torch.inf] * 4]


def test_exclusions_of_another_catalogue_are_refused(trie):
    with pytest.raises(ConfigError, match=r"must be \(prompts, 7\), got \(2, 9\)"):
        title_processor(trie, 3, excluded=np.zeros((2, 9), dtype=bool))


def test_neither_torch_nor_transformers_is_imported_before_a_processor_is_made():
    code = (
        "import sys, fedrec.dualrec.logits, fedrec.dualrec.answers, fedrec.dualrec.prompt, "
        "fedrec.dualrec.published, fedrec.dualrec.rerank; "
        "print({'torch', 'transformers', 'rapidfuzz'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
