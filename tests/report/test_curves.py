"""Curves of the shortest runs, point by point: round 0 alone, and one round after it."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import same_color

from fedrec.report.figures import clients, curves, style
from fedrec.runs.record import Run

BEFORE = {
    "round": 0,
    "train_loss": None,
    "megabytes": 0.0,
    "validation": {"HR@10": 0.1, "NDCG@10": 0.05},
    "clients": {
        "HR@10": {"p10": 0.04, "p50": 0.1, "p90": 0.2, "worst_decile": 0.02},
        "NDCG@10": {"p10": 0.02, "p50": 0.05, "p90": 0.1, "worst_decile": 0.01},
    },
    "best": False,
}
FIRST = {
    "round": 1,
    "train_loss": 6.5,
    "megabytes": 12.5,
    "validation": {"HR@10": 0.25, "NDCG@10": 0.125},
    "clients": {
        "HR@10": {"p10": 0.12, "p50": 0.24, "p90": 0.4, "worst_decile": 0.08},
        "NDCG@10": {"p10": 0.06, "p50": 0.12, "p90": 0.2, "worst_decile": 0.03},
    },
    "best": True,
}


def run_of(*rounds, metrics=None, about=None):
    return Run(
        folder=Path("run"),
        about={"status": "running"} | (about or {}),
        config={},
        history=list(rounds),
        metrics=metrics,
        users=None,
        torn_line=False,
    )


def panels(drawing):
    """The axes of a figure, laid out as it is saved."""
    drawing.figure.canvas.draw()
    return drawing.figure.axes


def convergence(run, against="round"):
    with style.house_style():
        return panels(curves.convergence(run, against))


def points(line):
    return list(
        zip(*(np.asarray(one, dtype=float).tolist() for one in line.get_data()), strict=True)
    )


def ticks(axes):
    """Positions that are shown, and their labels."""
    low, high = axes.get_xlim()
    shown = [tick for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [(tick.get_loc(), tick.label1.get_text()) for tick in shown]


def test_one_round_has_one_loss_and_two_points_of_each_metric():
    loss, hits, ndcg = convergence(run_of(BEFORE, FIRST))
    assert [points(line) for line in loss.lines] == [[(1, 6.5)]]
    assert [points(line) for line in hits.lines] == [[(0, 0.1), (1, 0.25)], [(1, 0.25)]]
    assert [points(line) for line in ndcg.lines] == [[(0, 0.05), (1, 0.125)], [(1, 0.125)]]
    for axes in (loss, hits, ndcg):
        assert axes.lines[0].get_marker() == "o"  # a line of one point would not be seen
    titles = [axes.get_title(loc="left") for axes in (loss, hits, ndcg)]
    assert titles == ["Training loss", "HR@10", "NDCG@10"]


def test_limits_of_one_round_hold_both_points_with_a_margin():
    loss, hits, ndcg = convergence(run_of(BEFORE, FIRST))
    assert hits.get_ylim() == pytest.approx((0, 0.28))  # 0.25 * 1.12
    assert ndcg.get_ylim() == pytest.approx((0, 0.14))  # 0.125 * 1.12
    for axes in (loss, hits, ndcg):
        assert axes.get_xlim() == pytest.approx((-0.03, 1.03))  # 3 % of one round on both sides
        assert axes.get_xlabel() == "round"
        assert ticks(axes) == [(0, "0"), (1, "1")]  # no round 0.5


def test_the_best_round_is_ringed_in_the_colour_of_its_curve_and_named():
    loss, *metrics = convergence(run_of(BEFORE, FIRST))
    assert loss.get_title(loc="right") == ""
    for axes, words in zip(metrics, ["round 1: 0.250", "round 1: 0.125"], strict=True):
        curve, ring = axes.lines
        assert ring.get_markerfacecolor() == "none"
        assert same_color(ring.get_markeredgecolor(), curve.get_color())
        assert axes.get_title(loc="right") == words


def test_a_best_round_0_is_ringed_at_its_start():
    run = run_of(BEFORE | {"best": True}, FIRST | {"best": False})
    _, hits, _ = convergence(run)
    assert points(hits.lines[1]) == [(0, 0.1)]
    assert hits.get_title(loc="right") == "round 0: 0.100"


def test_against_megabytes_the_same_points_lie_where_their_traffic_is():
    loss, hits, ndcg = convergence(run_of(BEFORE, FIRST), "megabytes")
    assert points(loss.lines[0]) == [(12.5, 6.5)]
    assert points(hits.lines[0]) == [(0, 0.1), (12.5, 0.25)]
    assert points(ndcg.lines[1]) == [(12.5, 0.125)]
    for axes in (loss, hits, ndcg):
        assert axes.get_xlim() == pytest.approx((-0.375, 12.875))  # 3 % of 12.5 on both sides
        assert axes.get_xlabel() == "training traffic, MB"


def test_traffic_of_one_client_takes_the_place_of_the_traffic_of_all():
    rounds = (BEFORE | {"client_megabytes": 0.0}, FIRST | {"client_megabytes": 0.25})
    loss, _, ndcg = convergence(run_of(*rounds), "megabytes")
    assert points(loss.lines[0]) == [(0.25, 6.5)]
    assert points(ndcg.lines[0]) == [(0, 0.05), (0.25, 0.125)]
    assert loss.get_xlabel() == "training traffic, MB a client"


def test_nothing_is_drawn_against_megabytes_where_nothing_travels():
    alone = (BEFORE, FIRST | {"megabytes": 0.0})
    assert curves.convergence(run_of(*alone), "megabytes") is None


@pytest.mark.parametrize("against", ["round", "megabytes"])
def test_round_0_alone_has_no_loss_yet_and_one_point_of_each_metric(against):
    loss, hits, ndcg = convergence(run_of(BEFORE), against)
    assert len(loss.lines) == 0
    assert [text.get_text() for text in loss.texts] == ["nothing yet"]
    assert [points(line) for line in hits.lines] == [[(0, 0.1)]]
    assert [points(line) for line in ndcg.lines] == [[(0, 0.05)]]
    assert hits.get_ylim() == pytest.approx((0, 0.131))  # 0.1 * 1.3 + 0.001: one point, in sight
    assert ndcg.get_ylim() == pytest.approx((0, 0.066))  # 0.05 * 1.3 + 0.001
    for axes in (loss, hits, ndcg):
        assert axes.get_xlim() == pytest.approx((-0.03, 1.03))  # as if to round 1, or 1 MB
    assert hits.get_title(loc="right") == ""  # no round is marked as the best


def test_metrics_of_zero_have_an_axis_all_the_same():
    nothing = {"HR@10": 0.0, "NDCG@10": 0.0}
    _, hits, _ = convergence(run_of(BEFORE | {"validation": nothing}))
    assert hits.get_ylim() == pytest.approx((0, 0.001))  # 0 * 1.3 + 0.001
    rounds = (BEFORE | {"validation": nothing}, FIRST | {"validation": nothing})
    _, hits, _ = convergence(run_of(*rounds))
    assert hits.get_ylim() == pytest.approx((0, 0.00112))  # 0.001 * 1.12


def test_a_round_that_was_not_evaluated_has_a_loss_and_no_metric():
    loss, hits, _ = convergence(run_of(BEFORE, FIRST | {"validation": None, "best": False}))
    assert points(loss.lines[0]) == [(1, 6.5)]
    assert [points(line) for line in hits.lines] == [[(0, 0.1)]]
    assert hits.get_xlim() == pytest.approx((-0.03, 1.03))  # to the last round, evaluated or not


def test_the_steps_of_users_alone_are_called_by_their_name():
    _, hits, _ = convergence(run_of(BEFORE, FIRST, about={"round_is": "local step"}))
    assert hits.get_xlabel() == "local step"
    assert hits.get_title(loc="right") == "local step 1: 0.250"


def test_a_baseline_is_a_dashed_line_that_the_axis_reaches():
    found = {"popularity": {"validation": {"HR@10": 0.4, "NDCG@10": 0.05}}}
    _, hits, ndcg = convergence(run_of(BEFORE, FIRST, metrics={"baselines": found}))
    assert hits.lines[-1].get_ydata() == [0.4, 0.4]
    assert hits.lines[-1].is_dashed()
    assert hits.get_ylim() == pytest.approx((0, 0.432))  # 0.4 * 1.08
    assert [text.get_text() for text in hits.texts] == ["popularity\n0.400"]
    assert ndcg.lines[-1].get_ydata() == [0.05, 0.05]
    assert ndcg.get_ylim() == pytest.approx((0, 0.14))  # the curve is above it


def over_rounds(run):
    with style.house_style():
        return panels(clients.clients_over_rounds(run))


def test_clients_of_one_evaluated_round_are_a_bar_and_two_dots():
    hits, ndcg = over_rounds(run_of(BEFORE))
    for axes, low, middle, high, worst in (
        (hits, 0.04, 0.1, 0.2, 0.02),
        (ndcg, 0.02, 0.05, 0.1, 0.01),
    ):
        (bar,) = axes.collections
        assert isinstance(bar, LineCollection)
        assert bar.get_segments()[0].tolist() == [[0, low], [0, high]]
        assert [points(line) for line in axes.lines] == [[(0, middle)], [(0, worst)]]
        assert [line.get_marker() for line in axes.lines] == ["o", "o"]
        assert axes.get_ylim() == pytest.approx((0, 1.1 * high))
        assert {location for location, _ in ticks(axes)} >= {0}
        assert all(location == int(location) for location, _ in ticks(axes))


def test_clients_after_one_round_are_a_band_from_p10_to_p90():
    hits, _ = over_rounds(run_of(BEFORE, FIRST))
    (band,) = hits.collections
    assert isinstance(band, PolyCollection)
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices.tolist()}
    assert corners == {(0, 0.04), (0, 0.2), (1, 0.12), (1, 0.4)}
    assert [points(line) for line in hits.lines] == [
        [(0, 0.1), (1, 0.24)],  # p50
        [(0, 0.02), (1, 0.08)],  # worst decile
    ]
    assert hits.get_ylim() == pytest.approx((0, 0.44))  # 0.4 * 1.1
    labels = hits.get_legend_handles_labels()[1]
    assert labels == ["p10 to p90", "p50", "worst decile"]


def test_rounds_that_no_client_was_evaluated_in_draw_no_clients():
    assert clients.clients_over_rounds(run_of(BEFORE | {"clients": None})) is None


def test_one_partition_is_one_bar_with_all_four_marks_on_its_value():
    row = {"partition": 0, "users": 3, "metrics": {"HR@10": 0.25, "NDCG@10": 0.125}}
    with style.house_style():
        hits, ndcg = panels(clients.clients(run_of(BEFORE, FIRST, metrics={"clients": [row]})))
    for axes, value in ((hits, 0.25), (ndcg, 0.125)):
        # Five bins over 0.005 on either side: the value lies in the middle one.
        assert [bar.get_height() for bar in axes.patches] == [0, 0, 1, 0, 0]
        assert axes.patches[0].get_x() == pytest.approx(value - 0.005)
        assert axes.patches[-1].get_x() + axes.patches[-1].get_width() == pytest.approx(
            value + 0.005
        )
        assert [line.get_xdata()[0] for line in axes.lines] == [value] * 4
        (text,) = axes.texts
        names = ("p10", "p50", "p90", "worst decile")
        assert text.get_text() == "    ".join(f"{name} {value:.3f}" for name in names)
