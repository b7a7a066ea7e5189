"""Figures: there, not empty, the same bytes each time."""

import re
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from fedrec.report.figures import clients, curves, draw, final, style
from fedrec.report.page import write_report
from fedrec.runs.record import read_run

NAMES = [
    "convergence-rounds",
    "convergence-megabytes",
    "heterogeneity",
    "participation",
    "clients",
    "clients-rounds",
    "slices",
    "history-length",
    "ranks",
    "gates",
]
OF_SEVERAL = ("heterogeneity", "participation")  # nothing to see of one client  # fmt: skip


def texts(drawing) -> str:
    drawing.figure.canvas.draw()
    found = drawing.figure.findobj(matplotlib.text.Text)
    return "\n".join(text.get_text() for text in found if text.get_visible())


def test_a_whole_run_has_every_figure_and_none_is_blank(report):
    folder = report / "figures"
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        f"{name}.{kind}" for name in NAMES for kind in ("svg", "png")
    )
    for name in NAMES:
        pixels = np.asarray(Image.open(folder / f"{name}.png").convert("RGB"))
        assert pixels.shape[1] in (704, 1248, 1536)  # one to three panels at 160 dots
        assert 0.01 < (pixels < 250).any(axis=2).mean() < 0.9
        assert len(np.unique(pixels @ (65536, 256, 1))) > 20  # colours
        assert (folder / f"{name}.svg").stat().st_size > 5000
        edges = [pixels[:3], pixels[-3:], pixels[:, :3], pixels[:, -3:]]
        assert min(edge.min() for edge in edges) == 255  # nothing is cut off


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"rounds": 1, "partitions": 1, "users": 3},
         [name for name in NAMES if name not in OF_SEVERAL]),
        ({"rounds": 1, "finished": False, "about": {"status": "failed"}},
         ["convergence-rounds", "convergence-megabytes", *OF_SEVERAL, "clients-rounds"]),
        ({"rounds": 0, "finished": False, "about": {"status": "running"}},
         ["convergence-rounds", "convergence-megabytes", "heterogeneity", "clients-rounds"]),
        ({"rounds": 1, "users": 3, "metrics": {"gates": None, "slices": {}, "clients": [],
                                               "baselines": {}}},
         ["convergence-rounds", "convergence-megabytes", *OF_SEVERAL, "clients-rounds",
          "history-length", "ranks"]),
    ],
)  # fmt: skip
def test_few_rounds_and_missing_parts_draw_what_there_is(make_run, changes, expected):
    drawings = draw.draw(read_run(make_run(**changes)))
    assert [d.name for d in drawings] == expected
    for drawing in drawings:
        if drawing.name in ("convergence-rounds", "gates", "participation"):
            assert drawing.svg  # renders without a warning


def test_svg_bytes_are_the_same_each_time_and_hold_no_date(report, only_figures):
    only_figures("convergence_by_round", "slices")
    for drawing in draw.draw(read_run(report)):
        assert drawing.svg == (report / "figures" / f"{drawing.name}.svg").read_bytes()
    for path in (report / "figures").glob("*.svg"):
        first = path.read_bytes()
        assert b"dc:date" not in first
        assert b"Matplotlib" not in first


def test_png_is_written_on_demand_and_none_of_an_earlier_report_stays(make_run, only_figures):
    only_figures("clients_over_rounds")
    folder = make_run(rounds=2, finished=False, about={"status": "running"})
    for png in (True, False):
        write_report(folder, png=png)
        kinds = {path.suffix for path in (folder / "figures").iterdir()}
        assert kinds == ({".svg", ".png"} if png else {".svg"})


def test_a_figure_is_laid_out_once_for_all_its_files(make_run, monkeypatch):
    run = read_run(make_run(rounds=2, finished=False, about={"status": "running"}))
    passes, execute = [], ConstrainedLayoutEngine.execute
    monkeypatch.setattr(
        ConstrainedLayoutEngine, "execute", lambda *given: passes.append(1) or execute(*given)
    )
    drawing = draw.draw(run)[0]
    places = []
    for kind in ("svg", "png"):
        assert style.render(drawing.figure, kind)
        places.append([axes.get_position().bounds for axes in drawing.figure.axes])
    assert passes == [1]
    assert places[0] == places[1]


def test_the_users_own_settings_change_nothing(make_run):
    run = read_run(make_run(rounds=1, finished=False, about={"status": "running"}))
    expected = draw.draw(run)[0].svg
    with matplotlib.rc_context({"axes.grid": False, "font.size": 20, "lines.linewidth": 9}):
        assert draw.draw(run)[0].svg == expected


def test_references_are_labelled_and_the_best_round_is_marked(make_run):
    with style.house_style():
        words = texts(curves.convergence(read_run(make_run(rounds=5, users=60)), "round"))
    assert "popularity\n0.045" in words
    assert "oracle\n0.360" in words
    assert re.search(r"round 4: 0\.2\d\d", words)


def test_a_sampled_protocol_is_part_of_every_title(make_run):
    run = read_run(make_run(rounds=2, users=60, metrics={"protocol": "uniform-99"}))
    for drawing in draw.draw(run):
        if drawing.name not in ("gates", *OF_SEVERAL):
            titles = [axes.get_title(loc="left") for axes in drawing.figure.axes]
            assert any("(99 sampled)" in title for title in titles)


def test_dollars_and_tex_in_labels_are_shown_as_typed(make_run):
    name = r"$\frac{a}{b}$ _x^2 \undefined{"
    rows = [{"slice": name, "weights": [1.0]}]
    slices = {name: [{"slice": name, "users": 3, "metrics": {"HR@10": 0.5, "NDCG@10": 0.25}}]}
    references = {name: {"validation": {"HR@10": 0.1, "NDCG@10": 0.05}}}
    metrics = {"slices": slices, "baselines": references, "gates": {"views": [name], name: rows}}
    drawings = draw.draw(read_run(make_run(rounds=2, users=60, metrics=metrics)))
    by_name = {d.name: d for d in drawings}
    for which in ("convergence-rounds", "slices", "gates"):
        drawing = by_name[which]
        assert drawing.svg  # math parsing would raise on \undefined{
        assert name in texts(drawing)
        assert not any(t.get_parse_math() for t in drawing.figure.findobj(matplotlib.text.Text))


def test_worst_decile_and_percentiles_by_hand():
    # 0..19: numpy's linear percentiles at 1.9, 9.5, 17.1; the lowest two are 0 and 1
    assert clients.spread_of(np.arange(20.0)) == pytest.approx(
        {"p10": 1.9, "p50": 9.5, "p90": 17.1, "worst decile": 0.5}
    )


def test_wilson_interval_by_hand():
    # 5 of 10 with z^2 = 3.8415: centre 0.5, half 1.96/1.38415 * sqrt(.025 + .0096) = 0.2634
    assert final.wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert final.wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8).map(sorted))
def test_labels_are_moved_apart_and_keep_their_order(heights):
    placed = style.spread(heights, gap=0.1)
    assert all(b - a >= 0.1 - 1e-9 for a, b in pairwise(placed))
    if all(b - a >= 0.1 for a, b in pairwise(heights)):
        assert placed == pytest.approx(heights)
