"""Other runs beside a run: in the figure, in the table, or refused in one line."""

import dataclasses
from itertools import pairwise

import pytest

from fedrec.errors import ConfigError
from fedrec.report.figures import curves, style
from fedrec.report.page import render_page, write_report
from fedrec.report.references import gap_closed, reference_name, with_references
from fedrec.runs.record import read_run
from tests.report.test_figures import texts
from tests.run_folders import metric_cells


def other(make_run, kind, level, **about):
    return make_run(
        kind,
        rounds=2,
        users=40,
        about={"engine": f"baseline ({kind})"} | about,
        metrics={"validation": metric_cells(level + 0.01), "test": metric_cells(level)},
    )


@pytest.fixture
def three(make_run):
    """A run that knows popularity alone, and its local-only and centralised baselines."""
    popularity = {"validation": metric_cells(0.045), "test": metric_cells(0.041)}
    run = make_run(rounds=4, users=40, metrics={"baselines": {"popularity": popularity}})
    return run, [other(make_run, "centralised", 0.311), other(make_run, "local-only", 0.111)]


def test_references_stand_in_the_order_of_what_they_learn(three):
    run, folders = three
    shown = with_references(read_run(run), folders)
    assert list(shown.metrics["baselines"]) == ["popularity", "local-only", "centralised"]
    assert reference_name(read_run(folders[1])) == "local-only"


def test_the_figure_labels_every_reference(three):
    run, folders = three
    with style.house_style():
        words = texts(curves.convergence(with_references(read_run(run), folders), "round"))
    for label in ("popularity\n0.045", "local-only\n0.121", "centralised\n0.321"):
        assert label in words


def test_labels_of_two_lines_do_not_overlap(three):
    run, folders = three
    with style.house_style():
        figure = curves.convergence(with_references(read_run(run), folders), "round").figure
        figure.canvas.draw()
        for axes in figure.axes[1:]:
            boxes = sorted((t.get_window_extent() for t in axes.texts), key=lambda box: box.y0)
            assert len(boxes) == 3
            assert all(a.y1 <= b.y0 + 1 for a, b in pairwise(boxes))


def test_the_page_has_a_column_for_each_and_says_where_the_run_is(three):
    run, folders = three
    page = render_page(with_references(read_run(run), folders), [])
    header = page[page.index("<thead>") : page.index("</thead>")]
    names = ["this run, test", "popularity", "local-only", "centralised", "this run, validation"]
    assert [header.index(name) for name in names] == sorted(header.index(name) for name in names)
    # NDCG@10 is .56 of HR@10 there: (.261 - .111) / (.311 - .111) of the gap.
    assert "0.0622 local-only, 0.1462 in this run, 0.1742 centralised" in page
    assert "closes 75 % of the gap" in page
    assert "different objectives" not in page


def test_without_both_ends_nothing_is_said_of_a_gap(three):
    run, folders = three
    assert gap_closed(with_references(read_run(run), folders[:1])) == ""


@pytest.mark.parametrize(
    ("about", "metrics", "message"),
    [
        ({"data": {"name": "other", "hash": "ab" * 32}}, {}, "another data than .*: other"),
        (
            {},
            {"protocol": "uniform-99"},
            "another evaluation.protocol .*: uniform-99",
        ),
        ({"status": "failed"}, {}, "holds a run that is failed"),
    ],
)
def test_a_reference_that_is_no_comparison_is_refused(three, make_run, about, metrics, message):
    odd = make_run("odd", rounds=2, users=40, about=about, metrics=metrics)
    with pytest.raises(ConfigError, match=message):
        write_report(three[0], [odd])


def test_a_reference_that_saw_more_of_the_data_is_refused(three, make_run):
    odd = make_run("odd", rounds=2, users=40)
    with (odd / "config.toml").open("a") as config:
        config.write("\n[scenario]\ncold-items = 0.1\nkeep = 1.0\n")
    words = r"another scenario than .*: cold-items = 0\.1, expected nothing hidden"
    with pytest.raises(ConfigError, match=words):
        write_report(three[0], [odd])


def test_a_reference_that_comes_twice_is_refused(three):
    run, folders = three
    with pytest.raises(ConfigError, match="there is a reference 'local-only' already"):
        with_references(read_run(run), [folders[1], folders[1]])


def test_what_a_run_has_measured_itself_is_not_replaced(three, make_run):
    run, _ = three
    again = other(make_run, "popularity", 0.9)
    with pytest.raises(ConfigError, match=f"{run} has measured 'popularity' itself; leave it out"):
        with_references(read_run(run), [again])
    without = make_run("bare", rounds=4, users=40, metrics={"baselines": {}})
    shown = with_references(read_run(without), [again])
    assert shown.metrics["baselines"]["popularity"]["test"]["HR@10"]["value"] == 0.9


@pytest.mark.parametrize("name", ["popularity", "local-only", "centralised", "oracle"])
def test_a_run_that_is_called_like_a_reference_is_told_from_it(three, make_run, name):
    run, folders = three
    named = make_run("named", rounds=2, users=40, about={"name": name})
    shown = with_references(read_run(run), [*folders, named])
    assert set(shown.metrics["baselines"]) == {
        "popularity",
        "local-only",
        "centralised",
        f"run {name}",
    }
    assert shown.metrics["baselines"]["popularity"]["test"]["HR@10"]["value"] == 0.041
    assert gap_closed(shown) == gap_closed(with_references(read_run(run), folders))


def test_a_run_without_traffic_has_no_figure_against_it(make_run):
    run = read_run(make_run(rounds=3, users=40))
    for line in run.history:
        line["megabytes"] = 0.0
    assert curves.convergence(run, "megabytes") is None


@pytest.mark.parametrize(
    ("unit", "batches", "said"),
    [
        ("user", "by-length", True),
        ("user", None, True),
        ("user", "random", False),
        ("partition", "by-length", False),
    ],
)
def test_one_person_clients_are_compared_with_batches_by_length_under_a_caveat(
    make_run, unit, batches, said
):
    cell = {"value": 0.1}
    others = {name: {"test": {"NDCG@10": cell | {"value": v}}} for name, v in
              (("local-only", 0.05), ("centralised", 0.15))}  # fmt: skip
    others["centralised"] |= {"batches": batches} if batches else {}
    run = read_run(
        make_run(rounds=1, users=40, metrics={"test": {"NDCG@10": cell}, "baselines": others})
    )
    run = dataclasses.replace(run, config=run.config | {"federation": {"unit": unit}})
    assert "closes 50 % of the gap" in gap_closed(run)
    assert ("The two optimise different objectives" in gap_closed(run)) == said
