"""Aggregation of adapters by their products."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrec.testing import check_strategy
from server.aggregation.lora_products import cut_to_rank, mean_product, product_error, round_error


def drawn(seed, clients=3, rank=2, rows=5, columns=4):
    rng = np.random.default_rng(seed)
    a = [rng.normal(size=(rank, columns)) for _ in range(clients)]
    b = [rng.normal(size=(rows, rank)) for _ in range(clients)]
    return a, b, rng.uniform(1, 9, size=clients)


def test_the_mean_of_products_is_not_the_product_of_means():
    a = [np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])]
    b = [np.array([[2.0], [0.0]]), np.array([[0.0], [4.0]])]
    weights = np.array([3.0, 1.0])
    # .75 * [[2, 0], [0, 0]] + .25 * [[0, 0], [0, 4]]
    np.testing.assert_array_equal(mean_product(a, b, weights), [[1.5, 0.0], [0.0, 1.0]])
    # mean B = [1.5, 1], mean A = [.75, .25]: [[1.125, .375], [.75, .25]]
    missed = np.array([[0.375, -0.375], [-0.75, 0.75]])
    assert product_error(a, b, weights) == pytest.approx(
        np.linalg.norm(missed) / np.linalg.norm([1.5, 1.0])
    )


@given(st.integers(0, 1000))
def test_with_one_a_for_all_the_mean_of_b_is_exact(seed):
    a, b, weights = drawn(seed)
    same = [a[0]] * len(a)
    mean_b = np.average(b, axis=0, weights=weights)
    np.testing.assert_allclose(mean_b @ a[0], mean_product(same, b, weights), atol=1e-12)
    assert product_error(same, b, weights) < 1e-12


@given(st.integers(0, 1000), st.integers(1, 6))
def test_no_product_of_the_rank_is_nearer_than_the_cut(seed, rank):
    a, b, weights = drawn(seed)
    product = mean_product(a, b, weights)
    left, right = cut_to_rank(product, rank)
    assert left.shape == (rank, 4)
    assert right.shape == (5, rank)
    kept = np.linalg.svd(product, compute_uv=False)[rank:]
    assert np.linalg.norm(product - right @ left) == pytest.approx(
        np.sqrt(np.square(kept).sum()), abs=1e-9
    )
    again_left, again_right = cut_to_rank(right @ left, rank)
    np.testing.assert_allclose(again_right @ again_left, right @ left, atol=1e-9)


def test_a_product_of_the_rank_or_less_is_kept_to_the_rounding():
    a, b, weights = drawn(1, clients=2, rank=1)
    product = mean_product(a, b, weights)
    left, right = cut_to_rank(product, 2)
    assert np.abs(product - right @ left).max() < 1e-12


def test_the_error_of_a_round_weighs_adapters_by_their_products():
    a, b, weights = drawn(4)
    one = {"x.lora_A.w": a[0], "x.lora_B.w": b[0]}
    replies = [{"x.lora_A.w": left, "x.lora_B.w": right} for left, right in zip(a, b, strict=True)]
    assert round_error(replies, weights) == pytest.approx(product_error(a, b, weights))
    assert round_error([one, one], weights[:2]) == pytest.approx(0, abs=1e-12)
    assert round_error([{"x.lora_B.w": b[0]}], weights[:1]) is None
    assert round_error([{"rows": b[0]}], weights[:1]) is None


def test_the_strategy_aggregates_and_goes_on_after_a_resume():
    check_strategy("lora-svd")
