"""UniSRec: a mixture of whitened texts, and scores by the cosine."""

import numpy as np
import pytest
import torch

from fedrec.evaluation.model_scorer import model_scorer
from fedrec.factory.build_model import build_model
from fedrec.inference.carried import numpy_arrays, rebuilt_model
from fedrec.inference.new_items import cold_item_views, with_new_items
from fedrec.models.parameters import groups_of
from fedrec.models.transformers.unisrec import WhiteningExperts

V, S, D, G = 40, 6, 8, 3


def shaken(model):
    stream = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=stream) / 3)
    return model


@torch.no_grad()
def test_an_embedding_is_the_gated_sum_of_whitened_texts():
    texts = torch.randn(5, S, generator=torch.Generator().manual_seed(1))
    adaptor = shaken(WhiteningExperts(texts, D, G, stream=torch.Generator().manual_seed(2)))
    for x, found in zip(texts, adaptor.adapted(texts), strict=True):
        scores = [float(x @ adaptor.gate.weight[k]) for k in range(G)]
        shares = np.exp(scores) / np.exp(scores).sum()
        expected = torch.zeros(D)
        for k in range(G):
            weight = adaptor.experts.weight[k * D : (k + 1) * D].T  # W_k
            minus_centre = adaptor.experts.bias[k * D : (k + 1) * D]  # -b_k W_k
            expected += float(shares[k]) * (x @ weight + minus_centre)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_embeddings_start_at_the_norm_of_id_embeddings_with_equal_experts():
    texts = 7 * torch.randn(30, S, generator=torch.Generator().manual_seed(1))
    texts[0] = 0
    adaptor = WhiteningExperts(texts, D, G, stream=torch.Generator().manual_seed(2))
    norm = adaptor(torch.arange(1, 30)).square().sum(dim=1).mean().sqrt()
    assert norm.item() == pytest.approx(0.02 * np.sqrt(D), rel=1e-5)
    torch.testing.assert_close(adaptor.gate(texts).softmax(dim=-1), torch.full((30, G), 1 / G))
    blank = WhiteningExperts(torch.zeros(3, S), D, G, stream=torch.Generator().manual_seed(2))
    assert not blank(torch.arange(3)).any()


@pytest.mark.parametrize("name", ["unisrec", "unisrec-id"])
@torch.no_grad()
def test_scores_are_cosines_over_the_temperature(make_tiny, name):
    model = shaken(make_tiny(name=name, experts=G))
    history = np.array([3, 9, 3, 40])
    scores = model_scorer(model, V, 10)([history]).scores[0]
    vectors = model.views["semantic"](torch.arange(V + 1))
    if name == "unisrec-id":
        vectors = vectors + model.views["identity"].rows
    inputs = vectors[torch.from_numpy(history)] * np.sqrt(D)
    state = model.encoder(inputs[None], torch.tensor([4]), None)[0, -1]
    expected = torch.cosine_similarity(state[None], vectors[1:]) / 0.07
    np.testing.assert_allclose(scores[1:], expected, rtol=1e-4, atol=1e-4)


def test_texts_are_frozen_and_the_adaptor_travels(make_tiny):
    groups = groups_of(make_tiny(name="unisrec"))
    assert groups.private == ()
    of_adaptor = {"experts.weight", "experts.bias", "gate.weight"}
    assert {f"views.semantic.{name}" for name in of_adaptor} < set(groups.shared)
    assert "views.identity.rows" not in groups.shared
    assert groups.frozen == ("views.semantic.table",)
    assert "views.identity.rows" in groups_of(make_tiny(name="unisrec-id")).shared


def test_items_of_equal_texts_are_one_item_without_ids(make_tiny):
    semantic = np.random.default_rng(5).normal(size=(V + 1, S)).astype(np.float32)
    semantic[0], semantic[7] = 0, semantic[30]
    history = [np.array([1, 2])]
    text = model_scorer(make_tiny(name="unisrec", semantic=semantic), V, 10)(history).scores[0]
    assert text[7] == text[30]
    with_id = model_scorer(make_tiny(name="unisrec-id", semantic=semantic), V, 10)(history)
    assert with_id.scores[0, 7] != with_id.scores[0, 30]


@pytest.mark.parametrize("name", ["unisrec", "unisrec-id"])
@torch.no_grad()
def test_a_new_item_is_embedded_by_its_text(make_tiny, name):
    model = shaken(make_tiny(name=name))
    text = torch.randn(1, S, generator=torch.Generator().manual_seed(8))
    assert cold_item_views(model) == ["semantic"]
    larger = with_new_items(model, {"semantic": text}, 1)
    new = larger.look_up(torch.tensor([V + 1])).views[:, 0]
    torch.testing.assert_close(new, model.views["semantic"].adapted(text))
    old = torch.arange(V + 1)
    torch.testing.assert_close(larger.look_up(old).views, model.look_up(old).views)


@pytest.mark.parametrize("name", ["unisrec", "unisrec-id"])
def test_a_run_carries_the_texts_that_its_model_reads(name, catalogue, make_tiny, small_config):
    config = small_config({"model.name": name})
    table = np.random.default_rng(5).normal(size=(V + 1, S)).astype(np.float32)
    table[0] = 0
    model = build_model(
        config.model,
        num_items=V,
        semantic=table,
        content=catalogue.content_features(),
        frequency=np.zeros(V + 1),
        seed=config.seed,
    )
    arrays = numpy_arrays(dict(model.named_buffers()))
    again = rebuilt_model(config, catalogue, arrays)
    items = torch.arange(V + 1)
    torch.testing.assert_close(again.look_up(items).views, model.look_up(items).views)
