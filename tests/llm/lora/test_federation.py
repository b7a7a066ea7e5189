"""A federation of adapters: what travels, aggregation, same bytes, private parts, refusals."""

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import fedrec
from experiments.dualrec.adapters import merge_adapters, read_adapters
from experiments.dualrec.held_out import held_out_losses
from experiments.engines.run import run
from experiments.reproducibility.verify import compare
from fedrec.errors import ConfigError
from fedrec.llm.chat import Chat, Decoding
from fedrec.llm.local import LocalModel
from fedrec.llm.lora.base import with_adapters
from fedrec.models.parameters import groups_of, load_arrays
from fedrec.runs.record import read_json, read_rounds


def lines(folder):
    return read_rounds(folder / "rounds.jsonl")[0]


def test_a_run_sends_b_alone_and_leaves_nothing_else(run_inline, small_config, adapters, tmp_path):
    config = small_config(adapters)
    folder = run_inline(config)
    weights = load_file(folder / "model.safetensors")
    assert {name.partition("lora_")[2][0] for name in weights} == {"B"}
    values = sum(array.size for array in weights.values())
    last = lines(folder)[-1]
    replies = len(last["aggregated"])
    # Two float32 values down and up; the rest of a message is its frame.
    assert last["bytes_up"] < replies * (4 * values + 6000)
    facts = read_json(folder / "run.json")["parameters"]
    assert facts["shared"] == values
    assert facts["frozen"] > 10_000
    assert last["product_error"] is None
    assert set(read_json(folder / "metrics.json")["test"]) >= {"HR@1", "NDCG@5"}
    other = run_inline(small_config(adapters | {"run.dir": str(tmp_path / "again")}))
    assert compare(folder, other) == []
    with pytest.raises(ConfigError, match="ranks candidates by their titles"):
        fedrec.open_recommender(folder)


@pytest.mark.parametrize(
    ("changes", "kinds", "is_exact"),
    [
        ({"lora.aggregation": "fedit"}, {"A", "B"}, False),
        ({"lora.aggregation": "svd", "strategy.name": "lora-svd"}, {"A", "B"}, False),
        ({"lora.aggregation": "fedsa"}, {"A"}, True),
    ],
)
def test_other_aggregations_train_and_tell_their_error(
    run_inline, small_config, adapters, changes, kinds, is_exact
):
    steps = {"local.steps": 2}  # after one step from B = 0, A has had no gradient
    folder = run_inline(small_config(adapters | changes | steps))
    weights = load_file(folder / "model.safetensors")
    assert {name.partition("lora_")[2][0] for name in weights} == kinds
    errors = [line["product_error"] for line in lines(folder)[1:]]
    assert all((error is None) is is_exact for error in errors)
    if not is_exact:
        assert all(0 < error < 1 for error in errors)


def test_clients_with_another_base_are_refused(run_inline, small_config, adapters, monkeypatch):
    calls = iter("abcdefgh")
    monkeypatch.setattr("fedrec.llm.lora.base.base_sha256", lambda base: next(calls))
    with pytest.raises(ConfigError, match=r"frozen weights are different .* lora\.base") as told:
        run_inline(small_config(adapters))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluation.protocol": "full"}, r"evaluation\.protocol must be sampled candidates"),
        ({"federation.unit": "user"}, r"federation\.unit must be 'partition' with model\.name"),
        ({"lora.aggregation": "svd"}, r"strategy\.name must be 'lora-svd'"),
        ({"strategy.name": "lora-svd"}, r"lora\.aggregation must be 'svd'"),
        ({"lora.aggregation": "stack"}, r"lora\.aggregation must be one of ffa, fedit, svd, fedsa"),
        ({"lora.rank": 0}, r"lora\.rank must be"),
        ({"lora.alpha": 0.0}, r"lora\.alpha must be"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(small_config, adapters, changes, message):
    with pytest.raises(ConfigError, match=message):
        small_config(adapters | changes)


def test_parameters_without_gradient_do_not_travel(small_config, small_home):
    from fedrec.factory.data import open_prepared
    from fedrec.factory.model import make_model

    config = small_config({})
    prepared = open_prepared(config)
    counts = np.zeros(prepared.dataset.catalog.num_items + 1, dtype=np.int64)
    model = make_model(config, prepared.dataset.catalog, prepared.table, counts)
    before = groups_of(model)
    name = before.shared[0]
    dict(model.named_parameters())[name].requires_grad_(False)
    after = groups_of(model)
    assert set(before.shared) - set(after.shared) == {name}
    assert name in after.frozen


def test_held_out_losses_are_those_of_the_run(run_inline, small_config, adapters):
    steps = {"local.steps": 3, "local.learning-rate": 0.1, "local.batches": "random"}
    folder = run_inline(small_config(adapters | steps))
    found = held_out_losses(folder, users=12)
    assert found["base"]["users"] == found["adapters"]["users"] == 12
    assert found["difference"]["loss"] == pytest.approx(
        found["adapters"]["loss"] - found["base"]["loss"]
    )
    assert found["adapters"]["loss"] < found["base"]["loss"]  # a random model learns its letters
    assert found["difference"]["error"] > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Ray's own files
@pytest.mark.parametrize("engine", ["ray", "flower"])
def test_every_engine_gives_the_same_bytes(
    run_inline, small_config, adapters, tmp_path, engine, undrawn
):
    svd = {"lora.aggregation": "svd", "strategy.name": "lora-svd", "local.steps": 2}
    whole = run_inline(small_config(adapters | svd))
    other = small_config(adapters | svd | {"run.dir": str(tmp_path / engine)})
    folder = run(other, engine=engine, command="test", workers=2 if engine == "ray" else None)
    assert compare(whole, folder) == []


def test_merged_adapters_answer_as_the_trained_model_does(run_inline, small_config, adapters, base):
    steps = {"local.steps": 3, "local.learning-rate": 0.3, "lora.aggregation": "fedit"}
    folder = run_inline(small_config(adapters | steps))
    chats = [Chat(key="k", messages=({"role": "user", "content": "Which?"},))]
    plain, merged = LocalModel(base), LocalModel(base)
    decoding = Decoding(max_tokens=24)
    before = merged.answers(chats, decoding)[0].text  # its keys and values must not be kept
    assert before == plain.answers(chats, decoding)[0].text
    merge_adapters(merged, folder)
    assert merged.revision.startswith(f"{plain.revision} + adapters sha256:")
    found = read_adapters(folder)
    adapted, _ = with_adapters(found.config.lora, found.config.seed)
    weights = {n.removeprefix("language_model."): a for n, a in found.weights.items()}
    load_arrays(adapted, weights, weights)
    tokens = torch.tensor([merged.tokens(chats[0])])
    with torch.no_grad():
        torch.testing.assert_close(
            merged._model(input_ids=tokens).logits, adapted.eval()(input_ids=tokens).logits
        )
    assert merged.answers(chats, decoding)[0].text != before
    with pytest.raises(ConfigError, match="another model than"):
        merge_adapters(merged, folder)


def test_a_run_without_adapters_for_all_is_refused(run_inline, small_config, adapters, base):
    folder = run_inline(small_config(adapters | {"lora.aggregation": "fedsa"}))
    with pytest.raises(ConfigError, match="expected adapters that all clients share"):
        merge_adapters(LocalModel(base), folder)
