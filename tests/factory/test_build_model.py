import hashlib

import numpy as np
import pytest
import torch

from fedrec.errors import ConfigError


def weights(model):
    return {name: parameter.detach().numpy() for name, parameter in model.named_parameters()}


def same(one, other):
    return {name: np.array_equal(one[name], other[name]) for name in one}


def test_initial_weights_do_not_depend_on_the_global_generator(make_tiny):
    torch.manual_seed(1)
    one = weights(make_tiny(seed=3))
    torch.manual_seed(2)
    torch.rand(17)
    assert all(same(one, weights(make_tiny(seed=3))).values())


def test_building_draws_nothing_that_the_next_weights_depend_on(make_tiny):
    assert all(same(weights(make_tiny(seed=3)), weights(make_tiny(seed=3))).values())


def test_another_seed_gives_other_weights(make_tiny):
    alike = same(
        weights(make_tiny(seed=3, identity_start="random")),
        weights(make_tiny(seed=4, identity_start="random")),
    )
    # What starts at zeros or ones is the same for all seeds; all matrices and positions differ.
    assert not alike["encoder.positions"]
    assert not alike["views.identity.rows"]
    assert not any(
        same_
        for name, same_ in alike.items()
        if name.endswith("weight") and "norm" not in name and "gate" not in name
    )


@pytest.mark.parametrize("start", ["text", "random"])
def test_identity_rows_start_small_and_padding_is_zero(make_tiny, start):
    rows = make_tiny(identity_start=start).views["identity"].rows.detach().numpy()
    assert rows.shape == (41, 8)
    assert (rows[0] == 0).all()
    assert rows[1:].std() == pytest.approx(0.02, rel=0.25)


def test_rows_that_start_from_text_are_alike_for_items_of_like_meaning(make_tiny):
    meaning = np.random.default_rng(5).normal(size=(41, 6)).astype(np.float32)
    meaning[0] = 0
    meaning[7] = meaning[3]
    rows = make_tiny(semantic=meaning).views["identity"].rows
    torch.testing.assert_close(rows[7], rows[3])


def test_the_frozen_table_is_shared_between_models_by_reference(make_tiny):
    table = np.ones((41, 6), dtype=np.float32) * np.arange(41, dtype=np.float32)[:, None]
    table.setflags(write=False)
    one, other = make_tiny(semantic=table), make_tiny(semantic=table, seed=1)
    for model in (one, other):
        model.to("cpu")
        assert np.shares_memory(model.views["semantic"].table.numpy(), table)


def test_training_leaves_the_bytes_of_the_table_file_alone(make_tiny, tmp_path):
    table = np.random.default_rng(0).normal(size=(41, 6)).astype(np.float32)
    table[0] = 0
    path = tmp_path / "vectors.npy"
    np.save(path, table)
    mapped = np.load(path, mmap_mode="r")

    def digests():
        file = hashlib.sha256(path.read_bytes()).hexdigest()
        return file, hashlib.sha256(mapped.tobytes()).hexdigest()

    before = digests()
    model = make_tiny(semantic=mapped)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.0, weight_decay=1.0)
    for _ in range(3):
        optimizer.zero_grad()
        model.output_vectors(model.look_up(torch.arange(41))).square().sum().backward()
        optimizer.step()
    assert digests() == before
    assert model.views["semantic"].table.grad is None
    assert not model.views["semantic"].table.requires_grad


def test_the_semantic_view_needs_a_table(make_tiny):
    from fedrec.config.sections.model import Model
    from fedrec.factory.build_model import build_model

    with pytest.raises(ConfigError, match=r"model.views has 'semantic'"):
        build_model(
            Model(width=8),
            num_items=2,
            semantic=None,
            content=np.zeros((3, 1), np.float32),
            frequency=np.zeros(3),
            seed=0,
        )


@pytest.mark.parametrize("views", ["identity", "semantic", "content", "content,identity"])
def test_any_subset_of_views_makes_a_model(make_tiny, views):
    model = make_tiny(views=views)
    assert model.view_names == tuple(views.split(","))
    vectors = model.output_vectors(model.look_up(torch.arange(41)))
    assert vectors.shape == (41, 8)


def test_a_model_of_ones_own_is_named_by_module_and_name(make_tiny, tmp_path, monkeypatch):
    (tmp_path / "own_models.py").write_text(
        "from fedrec.models.sasrec import SASRec\n"
        "class Own(SASRec):\n    pass\n"
        "def number(rows, encoder):\n    return 7\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert type(make_tiny(name="own_models:Own")).__name__ == "Own"
    with pytest.raises(ConfigError, match=r"must make a .*Recommender, got int"):
        make_tiny(name="own_models:number")
    with pytest.raises(ConfigError, match=r"'own_models:Missing' cannot be imported"):
        make_tiny(name="own_models:Missing")


@pytest.mark.parametrize(("name", "draws"), [("hybrid", "encoder."), ("bert4rec", "encoder.")])
def test_the_initial_deviation_is_that_of_every_matrix_of_the_encoder(make_tiny, name, draws):
    made = make_tiny(name=name, init_std=0.5, width=64, hidden=64, heads=1)
    plain = weights(make_tiny(name=name, width=64, hidden=64, heads=1))
    for at, array in weights(made).items():
        if at.startswith(draws) and array.ndim == 2 and at.endswith("weight"):
            assert array.std() == pytest.approx(0.5, rel=0.05), at
            assert abs(array.mean()) < 0.05
            # Xavier's: uniform over +-a, a = sqrt(6 / (in + out)), of deviation a / sqrt(3).
            expected = np.sqrt(2 / sum(array.shape))
            assert plain[at].std() == pytest.approx(expected, rel=0.05), at
