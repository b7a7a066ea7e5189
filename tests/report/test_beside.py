"""Other runs beside a run: curves and lines, a colour of its own for each, the same everywhere."""

import dataclasses

import pytest
from matplotlib.colors import same_color

from fedrec.report.figures import curves, palette, style
from fedrec.report.figures.beside import beside
from fedrec.report.references import with_references
from fedrec.runs.record import read_run
from tests.run_folders import metric_cells


@pytest.fixture
def run(make_run):
    """A run of 3 rounds beside two runs of 5 rounds, item-kNN, and the baselines it has itself."""
    others = [
        make_run(name, rounds=rounds, users=20, partitions=2, about={"name": name} | about)
        for name, rounds, about in (
            ("slow", 5, {}),
            ("quick", 5, {}),
            ("knn", 0, {"engine": "baseline (item-knn)"}),
        )
    ]
    own = read_run(make_run(rounds=3, users=20, partitions=2))
    return with_references(own, others)


def drawn(run, against="round"):
    with style.house_style():
        drawing = curves.convergence(run, against)
    return drawing, drawing.figure.axes


def of_colour(axes, colour):
    return [line for line in axes.lines if same_color(line.get_color(), colour)]


def test_every_run_has_a_colour_of_its_own_which_the_run_itself_has_not(run):
    colours = {other.name: other.colour for other in beside(run)}
    assert len({*colours.values(), palette.OWN}) == len(colours) + 1 == 7
    assert colours["popularity"] == palette.MUTED
    assert colours["centralised"] == palette.PURPLE


def test_a_run_with_a_history_is_a_curve_and_one_without_a_dashed_line(run):
    _, (loss, hits, ndcg) = drawn(run)
    colours = {other.name: other.colour for other in beside(run)}
    for axes in (hits, ndcg):
        for name in ("slow", "quick"):
            (line,) = of_colour(axes, colours[name])
            assert list(line.get_xdata()) == [0, 2, 4, 5]
            assert not line.is_dashed()
        (line,) = of_colour(axes, colours["item-knn"])
        assert line.is_dashed()
        assert (
            list(line.get_ydata()) == [metric_cells(0.276)[axes.get_title(loc="left")]["value"]] * 2
        )
        assert axes.get_xlim()[1] == pytest.approx(5.15)  # the last round of all, and 3 %
    assert [len(of_colour(loss, colours[name])) for name in ("slow", "quick", "item-knn")] == [
        1,
        1,
        0,
    ]


def test_the_loss_of_a_run_that_minimises_another_one_is_not_drawn(run):
    other = dataclasses.replace(
        run.references["slow"], config=run.config | {"loss": {"name": "bce"}}
    )
    run = dataclasses.replace(run, references=run.references | {"slow": other})
    _, (loss, hits, _) = drawn(run)
    colour = next(one.colour for one in beside(run) if one.name == "slow")
    assert of_colour(loss, colour) == []
    assert len(of_colour(hits, colour)) == 1


def test_the_legend_names_every_line_in_its_colour(run):
    drawing, axes = drawn(run)
    assert [entry.label for entry in drawing.legend] == ["this run", *run.metrics["baselines"]]
    (legend,) = drawing.figure.legends
    for entry, handle in zip(drawing.legend, legend.legend_handles, strict=True):
        assert same_color(handle.get_color(), entry.colour)
        for panel in axes[1:]:
            assert of_colour(panel, entry.colour), entry.label


def test_what_is_trained_in_one_place_has_no_curve_against_traffic(run):
    about = run.references["slow"].about | {"engine": "baseline (centralised)"}
    other = dataclasses.replace(run.references["slow"], about=about)
    run = dataclasses.replace(run, references=run.references | {"slow": other})
    _, (_, hits, _) = drawn(run, "megabytes")
    colours = {one.name: one.colour for one in beside(run)}
    assert of_colour(hits, colours["slow"])[0].is_dashed()
    (curve,) = of_colour(hits, colours["quick"])
    assert list(curve.get_xdata()) == [26.7 * number for number in (0, 2, 4, 5)]


def test_more_runs_than_colours_are_told_apart_by_their_dashes(run):
    baselines = {f"run {number}": run.metrics["test"] for number in range(8)}
    run = dataclasses.replace(run, metrics=run.metrics | {"baselines": baselines})
    looks = [(other.colour, other.dash, other.is_repeated) for other in beside(run)]
    assert len({look[:2] for look in looks}) == 8
    assert [look[2] for look in looks] == [False] * 6 + [True] * 2
