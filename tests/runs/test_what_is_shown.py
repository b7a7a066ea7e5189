"""What Python and a notebook show of a run: a line, a card, DataFrames, a figure, a page."""

import numpy as np
import pytest

from fedrec.errors import ConfigError, DataError
from fedrec.notebook.card import card
from fedrec.runs.frames import rounds_frame
from fedrec.runs.record import read_run


def test_the_rounds_are_a_table_by_the_number_of_the_round(make_run):
    run = read_run(make_run(rounds=6, users=40, partitions=5))
    table = run.rounds
    assert list(table.index) == [0, 1, 2, 3, 4, 5, 6]
    assert table.loc[6, "NDCG@10"] == run.history[6]["validation"]["NDCG@10"]
    assert table["best"].sum() == 1
    assert (table.loc[3, "sampled"], table.loc[3, "excluded"]) == (5, 1)
    assert table.loc[2, "seconds_total"] == run.history[2]["seconds"]["total"]


def test_a_round_that_measured_nothing_has_nan(make_run):
    table = read_run(make_run(rounds=6, users=40)).rounds
    assert np.isnan(table.loc[0, "train_loss"])
    assert np.isnan(table.loc[3, "HR@10"])  # every second round is evaluated
    assert table["HR@10"].notna().sum() == 4


def test_users_who_are_clients_are_counted_where_they_were_counted():
    line = {"round": 1, "sampled": [0, 1], "users": {"sampled": 32, "aggregated": 31}}
    assert rounds_frame([line]).loc[1, ["sampled", "aggregated", "retried"]].tolist() == [32, 31, 0]


def test_before_the_first_round_the_table_is_empty():
    assert len(rounds_frame([])) == 0


def test_a_figure_is_drawn_against_rounds_or_traffic(make_run):
    run = read_run(make_run(rounds=2, users=40))
    labels = {against: run.plot(against).axes[0].get_xlabel() for against in ("round", "megabytes")}
    assert labels == {"round": "round", "megabytes": "training traffic, MB"}
    assert run.plot()._repr_png_().startswith(b"\x89PNG")


def test_a_figure_of_nothing_is_refused(make_run):
    run = read_run(make_run(rounds=0, finished=False, about={"status": "running"}))
    with pytest.raises(ConfigError, match="against must be one of round, megabytes, got 'rounds'"):
        run.plot("rounds")
    for record in run.history:
        record["validation"] = None
    with pytest.raises(DataError, match="nothing to plot against 'round' yet"):
        run.plot()


def test_the_page_is_written_where_there_is_none(make_run, only_figures):
    only_figures()
    folder = make_run(rounds=1, users=40)
    page = read_run(folder).report()
    assert page == folder / "report.html"
    page.write_text("as it was")
    assert read_run(folder).report().read_text() == "as it was"
    other = make_run("other", rounds=1, users=40, about={"engine": "baseline (local-only)"})
    assert "local-only" in read_run(folder).report([other]).read_text()


def test_a_run_is_shown_in_a_line_and_a_card(make_run):
    run = read_run(make_run(rounds=5, users=40))
    assert repr(run) == "<Run ml-1m-fedavg: done, 6 records, test NDCG@10 0.1462>"
    shown = run._repr_html_()
    assert len(shown) < 3000
    for words in ("Run ml-1m-fedavg", "40 users", "5, best 4", "0.1462 (0.1342 to 0.1582)"):
        assert words in shown


def test_a_card_escapes_what_it_shows_and_leaves_out_what_is_empty():
    shown = card("<b>", {"a&b": "<script>", "nothing": "", "none": None}, ["", "x < y"])
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "nothing" not in shown
    assert ">none<" not in shown
    assert "x &lt; y" in shown
