"""Figures of clients: what each holds, when it took part, what it gains over training alone."""

import dataclasses

import numpy as np
import pytest
from matplotlib.colors import same_color

from fedrec.evaluation.spread import divergences
from fedrec.report.figures import gains, heterogeneity, palette, participation, style
from fedrec.report.references import with_references
from fedrec.runs.record import read_run
from tests.run_folders import cell


def draw(figure, run):
    with style.house_style():
        return figure(run)


def parts(*targets, tastes=()):
    rows = [{"partition": p, "users": 2, "targets": t} for p, t in enumerate(targets)]
    for row, taste in zip(rows, tastes, strict=False):
        row["taste_divergence"] = taste
    return rows


def test_divergence_by_hand():
    # Alike: 0. Nothing in common with a half of all: own (1, 0), all (1/2, 1/2), middle (3/4, 1/4):
    # (log2(4/3) + (log2(2/3) + log2(2)) / 2) / 2 = 0.3113.
    counts = np.array([[2, 2], [4, 0]])
    assert divergences(counts, np.array([5, 5])) == pytest.approx([0.0, 0.3113], abs=1e-4)
    assert divergences(np.array([[1, 0]]), np.array([0, 1])) == pytest.approx([1.0])


def test_clients_stand_by_size_with_their_tastes_against_it(make_run):
    about = {"partitions": parts(30, 90, 60, tastes=(0.3, 0.1, 0.2))}
    run = read_run(make_run(rounds=1, users=6, partitions=3, about=about))
    drawing = draw(heterogeneity.heterogeneity, run)
    sizes, tastes = drawing.figure.axes
    assert [bar.get_height() for bar in sizes.patches] == [90, 60, 30]
    assert [tick.get_text() for tick in sizes.get_xticklabels()] == ["1", "2", "0"]
    assert tastes.lines[0].get_xydata().tolist() == [[30, 0.3], [90, 0.1], [60, 0.2]]
    assert "the largest holds 3.0 times the smallest" in drawing.caption


def test_what_clients_do_not_tell_is_not_drawn(make_run):
    run = read_run(make_run(rounds=1, users=6, partitions=3))
    assert len(draw(heterogeneity.heterogeneity, run).figure.axes) == 1
    users = dataclasses.replace(run, config=run.config | {"federation": {"unit": "user"}})
    assert draw(heterogeneity.heterogeneity, users) is None


def test_each_client_and_round_is_marked_by_what_became_of_it(make_run):
    run = read_run(make_run(rounds=3, users=20, partitions=5))  # client 4 is excluded in round 3
    drawing = draw(participation.participation, run)
    grid, times = drawing.figure.axes
    took_part, excluded = grid.lines
    assert same_color(excluded.get_color(), palette.VERMILION)
    assert excluded.get_xydata().tolist() == [[3, 4]]
    assert len(took_part.get_xdata()) == 3 * 5 - 1
    assert [bar.get_width() for bar in times.patches] == [3, 3, 3, 3, 2]
    assert [entry.label for entry in drawing.legend] == ["aggregated", "sampled, but excluded"]


def test_many_clients_are_counted(make_run):
    run = read_run(make_run(rounds=2, users=100, partitions=50))
    rounds, times = draw(participation.participation, run).figure.axes
    assert [line.get_ydata().tolist() for line in rounds.lines] == [[50, 50], [50, 50]]
    assert [bar.get_height() for bar in times.patches] == [0, 0, 50]


def test_one_person_clients_are_counted_in_each_round(make_run):
    run = read_run(make_run(rounds=2, users=20, partitions=2))
    for line in run.history[1:]:
        line["users"] = {"sampled": 12, "aggregated": 10 + line["round"]}
    (axes,) = draw(participation.participation, run).figure.axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[12, 12], [11, 12]]


def beside_local(make_run, own, alone, **config):
    def rows(values):
        return [{"partition": p, "users": 2, "metrics": {"NDCG@10": cell(v, 0.01)}}
                for p, v in enumerate(values)]  # fmt: skip

    size = {"rounds": 1, "users": 6, "partitions": len(own)}
    local = make_run("local", **size, about={"engine": "baseline (local-only)"},
                     metrics={"clients": rows(alone)})  # fmt: skip
    run = read_run(make_run(**size, metrics={"clients": rows(own), "baselines": {}}))
    return with_references(run, [local])


def test_the_gain_of_each_client_is_above_or_below_the_line(make_run):
    run = beside_local(make_run, own=(0.5, 0.2, 0.4), alone=(0.3, 0.3, 0.35))
    drawing = draw(gains.gains, run)
    bars, sizes = drawing.figure.axes
    heights = {}
    for colour in (palette.VERMILION, palette.BLUE):
        heights[colour] = [bar.get_height() for bar in bars.patches
                           if same_color(bar.get_facecolor()[:3], colour)]  # fmt: skip
    assert heights[palette.VERMILION] == pytest.approx([-0.1, 0, 0])
    assert heights[palette.BLUE] == pytest.approx([0, 0.05, 0.2])
    assert [tick.get_text() for tick in bars.get_xticklabels()] == ["1", "2", "0"]
    assert len(sizes.lines[0].get_xdata()) == 3
    assert "Of 3 clients, 2 gain and 1 lose; the mean gain is +0.0500" in drawing.caption


def test_without_a_local_only_reference_there_is_no_gain(make_run):
    assert gains.gains(read_run(make_run(rounds=1, users=6))) is None


def test_users_who_are_clients_gain_by_user(make_run):
    run = beside_local(make_run, own=(0.5, 0.2), alone=(0.3, 0.3))
    users = {"federation": {"unit": "user"}}
    better = run.users.assign(**{"NDCG@10": run.users["NDCG@10"] + 0.25})
    run = dataclasses.replace(run, config=run.config | users, users=better)
    drawing = draw(gains.gains, run)
    assert "Of 6 users, 6 gain and 0 lose; the mean gain is +0.2500" in drawing.caption


def test_thousands_of_clients_take_few_points(make_run):
    targets = np.arange(1, 1001)
    about = {"partitions": parts(*targets.tolist(), tastes=(1 / targets).tolist())}
    run = read_run(make_run(rounds=1, users=6, partitions=3, about=about))
    sizes, tastes = draw(heterogeneity.heterogeneity, run).figure.axes
    (area,) = sizes.collections
    corners = area.get_paths()[0].vertices
    assert len(corners) < 700
    assert (corners[:, 1].max(), corners[:, 0].max()) == (1000, 999)
    middles = tastes.lines[0].get_xydata()
    assert len(middles) == 10
    # The first tenth: sizes 1 to 100, of which 50.5 is the middle; 1/50 and 1/51 are around it.
    assert middles[0] == pytest.approx([50.5, (1 / 50 + 1 / 51) / 2], rel=0.03)
