import numpy as np
import pytest
import torch

from fedrec.training.dropout import draw_dropout_masks


def factors(users, lengths, *, dropout=0.25, path=(3, 0), seed=0, width=4, num_masks=5):
    return draw_dropout_masks(
        np.array(users),
        np.array(lengths),
        num_masks=num_masks,
        width=width,
        dropout=dropout,
        path=path,
        seed=seed,
    )


def test_a_mask_depends_neither_on_batch_mates_nor_on_padding():
    alone = factors([7], [3])
    together = factors([5, 7, 9], [8, 3, 1])
    assert torch.equal(together[:, 1:2, :3], alone)


def test_padding_is_never_dropped():
    mask = factors([5, 7], [8, 3])
    assert (mask[:, 1, 3:] == 256 / 192).all()


@pytest.mark.parametrize("other", [{"path": (3, 1)}, {"path": (4, 0)}, {"seed": 1}])
def test_another_step_round_or_seed_gives_another_mask(other):
    assert not torch.equal(factors([7], [30]), factors([7], [30], **other))


def test_another_user_gets_another_mask():
    mask = factors([7, 8], [30, 30])
    assert not torch.equal(mask[:, 0], mask[:, 1])


def test_sites_get_masks_of_their_own():
    mask = factors([7], [30])
    assert not torch.equal(mask[0], mask[1])


@pytest.mark.parametrize("dropout", [0.1, 0.25, 0.5])
def test_components_are_dropped_at_the_rate_and_the_rest_scaled(dropout):
    mask = factors([1, 2], [500, 500], dropout=dropout, width=20)
    rate = round(dropout * 256) / 256  # a byte decides
    assert set(mask.unique().tolist()) == {0.0, np.float32(1 / (1 - rate))}
    # 100,000 coins: five standard deviations are below 0.008
    assert (mask == 0).float().mean().item() == pytest.approx(dropout, abs=0.008)
    assert mask.mean().item() == pytest.approx(1.0, abs=0.02)


def test_no_dropout_makes_no_mask():
    assert factors([7], [3], dropout=0.0) is None


def test_the_highest_dropout_that_a_config_takes_gives_finite_factors():
    mask = factors([7], [300], dropout=0.9999)
    assert torch.isfinite(mask).all()
