"""Prompts, losses and scores of a language model with adapters."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from fedrec.config.sections.lora import Lora
from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError, ResourceError
from fedrec.llm.lora.base import base_sha256, with_adapters
from fedrec.llm.lora.objective import TitleScorer, answer_objective
from fedrec.llm.lora.prompt import TitlePrompts
from fedrec.llm.lora.recommender import LoraRecommender
from fedrec.models.parameters import frozen_parameters, groups_of
from fedrec.training.batches import Batch, pad_rows
from fedrec.training.objective import StepSeeds

CATALOG = Catalog(
    item_ids=["a", "b", "c", "d"],
    titles=["Lamp, The (1999)", "Soap", "", "Comb: the Return"],
    genres=[()] * 4,
    years=[None, 2001, None, None],
    descriptions=[""] * 4,
)


@pytest.fixture
def model(base):
    adapted, tokenizer = with_adapters(Lora(base=str(base), rank=2), seed=3)
    made = LoraRecommender(adapted, TitlePrompts(CATALOG, tokenizer, recent=2))
    with torch.no_grad():  # B is zero at the start: then an adapter would change nothing
        for parameter in made.parameters():
            if parameter.requires_grad:
                parameter.fill_(0.3)
    return made.eval()


def test_a_prompt_shows_the_newest_titles_with_their_years(model):
    assert model.prompts.titles == [
        "",
        "The Lamp (1999)",
        "Soap (2001)",
        "item c",
        "Comb: the Return",
    ]
    text = model.prompts.text(np.array([4, 1, 0, 2]))
    assert text == (
        "The user has had these items, the newest last:\n- The Lamp (1999)\n- Soap (2001)\n"
        "Which item comes next? Answer with its title."
    )
    assert "- (none)" in model.prompts.text([0])
    tokenizer = model.prompts._tokenizer
    whole = tokenizer.decode(model.prompts.prompt([3]))
    assert whole.startswith("[system] You recommend")
    assert whole.endswith("- item c\nWhich item comes next? Answer with its title.\n[assistant] ")
    assert model.prompts.answer(2) == [*tokenizer("Soap (2001)")["input_ids"], 0]


def plain_losses(model, prompt, answer):
    """Loss of each token of an answer, one pass over the whole text."""
    whole = torch.tensor([[*prompt, *answer]])
    logits = model.language_model(input_ids=whole).logits[0].float()
    behind = logits[len(prompt) - 1 : -1]
    return functional.cross_entropy(behind, torch.tensor(answer), reduction="none")


def test_the_loss_covers_the_answer_alone_whatever_it_is_padded_with(model):
    prompts = [model.prompts.prompt(history) for history in ([1], [4, 2], [3, 1])]
    answers = [model.prompts.answer(item) for item in (2, 1, 4)]
    sums, counts = model.answer_losses(prompts, answers)
    expected = [plain_losses(model, *one) for one in zip(prompts, answers, strict=True)]
    torch.testing.assert_close(sums, torch.stack([one.sum() for one in expected]))
    assert counts.tolist() == [len(answer) for answer in answers]


def test_a_title_scores_its_mean_log_likelihood_whatever_it_is_scored_beside(model):
    prompt = model.prompts.prompt([1, 2])
    answers = [model.prompts.answer(item) for item in (1, 2, 3, 4)]
    scores = model.score_titles(prompt, answers)
    with torch.no_grad():
        expected = [-float(plain_losses(model, prompt, answer).mean()) for answer in answers]
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    scorer = TitleScorer(model, num_items=4)
    rows = scorer.score_candidates([np.array([1, 2])], np.array([[3, 4, 0]]))
    np.testing.assert_allclose(rows[0], [scores[2], scores[3], 0], atol=1e-5)


def test_the_objective_is_a_pure_function_of_its_seeds(model):
    rows = pad_rows([np.array([1, 2, 3, 4]), np.array([2, 1])])
    batch = Batch(users=np.array([5, 9]), times=None, **rows)

    def loss(round):
        torch.manual_seed(round)  # the global stream has no part in it
        seeds = StepSeeds(seed=1, round=round, step=0, dropout=0.0, identity_dropout=0.0)
        model.train()
        return float(answer_objective(model, batch, seeds).detach())

    assert loss(1) == loss(1)
    assert len({loss(round) for round in range(1, 6)}) > 1


@pytest.mark.parametrize(
    ("aggregation", "shared", "private"),
    [("ffa", {"B"}, set()), ("fedit", {"A", "B"}, set()), ("fedsa", {"A"}, {"B"})],
)
def test_what_travels_follows_the_aggregation(base, aggregation, shared, private):
    adapted, tokenizer = with_adapters(Lora(base=str(base), aggregation=aggregation), seed=0)
    prompts = TitlePrompts(CATALOG, tokenizer, recent=2)
    model = LoraRecommender(adapted, prompts, keeps_b=aggregation == "fedsa")
    groups = groups_of(model)

    def kinds(names):
        assert all("lora_" in name for name in names)
        return {name.partition("lora_")[2][0] for name in names}

    assert kinds(groups.shared) == shared
    assert kinds(groups.private) == private
    frozen = sum(array.numel() for array in frozen_parameters(model).values())
    assert frozen > 10_000  # the base
    assert set(frozen_parameters(model)) <= set(groups.frozen)


def test_an_initial_adapter_changes_nothing_and_follows_the_seed(base):
    settings = Lora(base=str(base), rank=2)
    one, again, other = (dict(with_adapters(settings, s)[0].named_parameters()) for s in (1, 1, 2))
    names = [name for name in one if "lora_A" in name]
    assert len(names) == 4  # two layers, q_proj and v_proj
    for name in names:
        assert torch.equal(one[name], again[name])
        assert not torch.equal(one[name], other[name])
        assert not one[name.replace("lora_A", "lora_B")].any()
        assert float(one[name].abs().max()) <= 16**-0.5


def test_a_base_that_is_none_is_told_in_one_line(tmp_path, base, monkeypatch):
    with pytest.raises(ConfigError, match=r"lora\.base = 'nowhere' is no folder"):
        base_sha256("nowhere")
    with pytest.raises(ConfigError, match="lacks"):
        base_sha256(str(tmp_path))
    with pytest.raises(ConfigError, match=r"lora\.modules = 'no_proj'") as refused:
        with_adapters(Lora(base=str(base), modules="no_proj"), seed=0)
    assert "\n" not in str(refused.value)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ResourceError, match=r"needs .*peft, which the extra llm holds"):
        base_sha256(str(base))
