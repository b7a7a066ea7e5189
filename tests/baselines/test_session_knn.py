"""V-SKNN: histories that share their newest items."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fedrec.baselines.session_knn import session_knn_scorer
from fedrec.data.sequences import Sequences


def sequences(rows: list[list[int]]) -> Sequences:
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Sequences(np.array([item for row in rows for item in row], dtype=np.int32), offsets)


def test_neighbours_vote_with_the_decayed_weights_of_what_is_shared():
    training = sequences([[1, 4], [2, 5], [1, 2, 6], [7]])
    score = session_knn_scorer(training, 7, neighbours=2, recent=2)
    # The newest two items are 2 (weight 1) and 1 (weight 1/2): similarities 1/2, 1, 3/2 and
    # 0, so that the two neighbours are histories 2 and 3.
    found = score([np.array([3, 1, 2])]).scores[0]
    np.testing.assert_allclose(found, [0, 1.5, 2.5, 0, 0, 1, 1.5, 0])


@settings(max_examples=40, deadline=None)
@example(rows=[[2, 5, 9], [1, 2, 5, 9]], history=[2, 9, 5], neighbours=1, recent=5)
@example(rows=[[1, 5], [2, 4]], history=[5, 4, 3, 2, 1], neighbours=1, recent=5)  # 1 + .2, .8 + .4
@given(
    rows=st.lists(st.lists(st.integers(1, 9), max_size=7), min_size=1, max_size=12),
    history=st.lists(st.integers(0, 9), min_size=1, max_size=8),
    neighbours=st.integers(1, 6),
    recent=st.integers(1, 5),
)
def test_scores_equal_those_of_a_loop_over_users(rows, history, neighbours, recent):
    newest = []
    for item in reversed(history):
        if item and item not in newest:
            newest.append(item)
    # Times R, whole numbers: equally similar histories are so whatever the order of the sum.
    weight = {item: recent - place for place, item in enumerate(newest[:recent])}
    similarity = [sum(weight.get(item, 0) for item in set(row)) for row in rows]
    order = sorted(range(len(rows)), key=lambda user: (-similarity[user], user))[:neighbours]
    expected = np.zeros(10)
    for user in order:
        for item in set(rows[user]):
            expected[item] += similarity[user] / recent
    score = session_knn_scorer(sequences(rows), 9, neighbours, recent)
    np.testing.assert_allclose(score([np.array(history)]).scores[0], expected, atol=1e-12)
