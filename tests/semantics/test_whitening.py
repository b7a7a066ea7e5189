import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.errors import ConfigError
from fedrec.semantics.whitening import pca_rows, reduced

seeds = st.integers(0, 10_000)


def cone(seed: int, items: int = 60, width: int = 8) -> np.ndarray:
    """Vectors with a common offset and uneven directions, as sentence encoders give."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(items, width)) * np.geomspace(3, 0.1, width) + 5).astype(np.float32)


def test_two_directions_by_hand():
    # Centred already. Variance 16*2/4 = 8 along the first axis and 2*2/4 = 1... the second has
    # 1*2/4 = 0.5. Whitened entries are 4/sqrt(8) and 1/sqrt(.5), both sqrt(2); over sqrt(2
    # components): all entries 1, mean squared norm 1.
    vectors = np.array([[4, 0], [-4, 0], [0, 1], [0, -1]])
    table = reduced(vectors, 2)
    np.testing.assert_allclose(table.vectors, [[1, 0], [-1, 0], [0, 1], [0, -1]], atol=1e-6)
    assert table.components == 2
    assert reduced(vectors, 1).kept_variance == pytest.approx(8 / 8.5)


def test_without_whitening_rows_are_centred_cut_and_of_norm_one():
    # Centre (1, 1, 0): rows (3, 4, 0) and their opposite; one direction, so each becomes +-1.
    table = reduced(np.array([[4, 5, 0], [-2, -3, 0]]), 2, whiten=False)
    np.testing.assert_allclose(table.vectors, [[1, 0], [-1, 0]], atol=1e-6)
    assert table.components == 1


@settings(deadline=None)
@given(seeds, st.integers(1, 8))
def test_whitened_covariance_is_proportional_to_the_identity(seed, width):
    table = reduced(cone(seed), width).vectors.astype(np.float64)
    np.testing.assert_allclose(table.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(table.T @ table / len(table), np.eye(width) / width, atol=1e-6)
    assert np.square(table).sum(axis=1).mean() == pytest.approx(1)


@settings(deadline=None)
@given(seeds, st.booleans())
def test_permuting_items_permutes_rows_bit_for_bit(seed, whiten):
    vectors = cone(seed)
    vectors[1] = vectors[0]
    order = np.random.default_rng(seed).permutation(len(vectors))
    table = reduced(vectors, 5, whiten=whiten).vectors
    permuted = reduced(vectors[order], 5, whiten=whiten).vectors
    np.testing.assert_array_equal(permuted, table[order])


@settings(deadline=None)
@given(seeds)
def test_a_common_offset_and_a_common_scale_change_nothing(seed):
    vectors = cone(seed).astype(np.float64)
    table = reduced(vectors, 4).vectors
    np.testing.assert_allclose(reduced(10 * vectors + 3, 4).vectors, table, atol=1e-5)


def test_columns_agree_with_the_singular_value_decomposition():
    vectors = cone(3).astype(np.float64)
    left, _, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    table = reduced(vectors, 8).vectors
    expected = left * np.sqrt(len(vectors) / 8)
    np.testing.assert_allclose(np.abs(table), np.abs(expected), atol=1e-5)


def test_the_largest_loading_of_every_component_is_positive():
    table = reduced(np.array([[-3.0, 1.0], [3.0, -1.0]]), 1).vectors
    np.testing.assert_allclose(table, [[-1], [1]], atol=1e-6)  # axis (3, -1) up to its length


def test_components_that_items_cannot_fill_are_zero_columns():
    table = reduced(cone(0, items=3), 6)
    assert table.components == 2
    assert not table.vectors[:, 2:].any()
    assert np.square(table.vectors).sum(axis=1).mean() == pytest.approx(1)


@pytest.mark.parametrize("whiten", [True, False])
@pytest.mark.parametrize("items", [1, 4])
def test_one_item_or_equal_items_give_zeros_and_no_nan(items, whiten):
    table = reduced(np.tile(cone(0)[:1], (items, 1)), 3, whiten=whiten)
    np.testing.assert_array_equal(table.vectors, np.zeros((items, 3)))
    assert table.components == 0


@pytest.mark.parametrize("width", [0, 9])
def test_a_width_that_the_encoder_does_not_have_is_refused(width):
    with pytest.raises(ConfigError, match=f"semantics.width must be from 1 to 8.*got {width}"):
        reduced(cone(0), width)


def test_the_number_of_threads_changes_no_bit():
    code = (
        "import numpy as np; from fedrec.semantics.whitening import reduced;"
        "vectors = np.random.default_rng(0).normal(size=(2000, 384));"
        "print(hash(reduced(vectors, 64).vectors.tobytes()))"
    )
    shown = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={
                **os.environ,
                "PYTHONPATH": ":".join(sys.path),
                "PYTHONHASHSEED": "0",
                "OPENBLAS_NUM_THREADS": threads,
                "OMP_NUM_THREADS": threads,
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    ]
    assert shown[0] == shown[1]


def test_identity_rows_start_from_the_first_components_at_the_wanted_scale():
    table = np.vstack([np.zeros((1, 5)), reduced(cone(1), 5).vectors]).astype(np.float32)
    rows = pca_rows(table, 3, std=0.1)
    assert rows.shape == (61, 3)
    assert rows.dtype == np.float32
    assert not rows[0].any()
    assert rows[1:].std() == pytest.approx(0.1, rel=1e-5)
    ratio = rows[1:] / table[1:, :3]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)


def test_identity_rows_wider_than_the_table_end_in_zeros():
    rows = pca_rows(np.array([[0, 0], [1, 2], [-1, -2]], dtype=np.float32), 4, std=1.0)
    assert rows[1:, :2].std() == pytest.approx(1)
    assert not rows[:, 2:].any()
    assert not pca_rows(np.zeros((2, 3), dtype=np.float32), 2).any()


@settings(deadline=None)
@given(seeds, st.booleans())
def test_the_projection_gives_an_item_its_own_row_and_stays_linear(seed, whiten):
    vectors = cone(seed)
    table = reduced(vectors, 5, whiten=whiten)
    some = table.projection.rows(vectors[7:9])
    np.testing.assert_allclose(some, table.vectors[7:9], atol=1e-6)
    if whiten:  # between two items lies the mean of their rows
        between = table.projection.rows(vectors[7:9].mean(axis=0, keepdims=True))
        np.testing.assert_allclose(between[0], some.mean(axis=0), atol=1e-5)
