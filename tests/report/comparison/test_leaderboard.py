"""A leaderboard: rows from run folders alone, a table for each dataset and protocol."""

import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from experiments.cli.main import app
from fedrec.errors import ConfigError
from fedrec.report.leaderboard.entries import sections
from fedrec.report.leaderboard.written import markdown, terminal
from fedrec.runs.record import load

RANKS = [1, 2, 30, 4]


@pytest.fixture
def runs(write_run):
    """SASRec on ten silos with three seeds, in one place with one, and as one-person clients."""
    silos = {"model__name": "sasrec", "partition__count": 10}
    users = {"model__name": "sasrec", "federation__unit": "user"}
    users["local__optimizer_state"] = "reset"
    central = {"engine": "baseline (centralised)", "command": "fedrec baseline /a/b/c.toml"}
    rounds = [(1, 2.0, 3.0, 0.1)]
    found = [
        write_run(f"silo-{seed}", [1, 2, 30, 4 + seed], seed, rounds=rounds, **silos)
        for seed in range(3)
    ]
    found.append(write_run("central", RANKS, about=central | {"seconds": 90}, **silos))
    found.append(write_run("users", [9, 9, 9, 9], **users))
    return [load(folder) for folder in found]


def test_seeds_are_one_row_and_rows_are_by_federation(runs):
    [section] = sections(runs)
    assert [(e.model, e.federation, e.seeds) for e in section.entries] == [
        ("sasrec", "one place", (0,)),
        ("sasrec", "ten silos", (0, 1, 2)),
        ("sasrec", "one-person clients", (0,)),
    ]
    one, three, _ = section.entries
    # Ranks 1, 2, 30, 4: HR@10 is 3/4, NDCG@10 (1 + 1/log2 3 + 0 + 1/log2 5) / 4.
    assert one.figures["HR@10"]["value"] == 0.75
    assert one.figures["NDCG@10"]["value"] == pytest.approx((1 + 0.63093 + 0.43068) / 4, abs=1e-5)
    assert (one.seconds, one.megabytes) == (90, None)
    assert one.figures["NDCG@10"]["interval_over"] == "users"
    assert three.figures["NDCG@10"]["interval_over"] == "users and seeds"


def test_two_protocols_are_never_in_one_table(write_run):
    full = load(write_run("full", RANKS))
    some = load(write_run("some", RANKS, evaluation__validation_users=2))
    other = load(write_run("other", RANKS, about={"data": {"name": "own", "hash": "2"}}))
    found = sections([full, some, other])
    assert len(found) == 3
    assert [len(section.entries) for section in found] == [1, 1, 1]
    page = markdown(found)
    assert "| NDCG@10 |" in page
    assert "NDCG@10 (2 validation users)" in page


def test_rows_of_one_model_are_told_apart_by_the_keys_that_differ(write_run):
    found = sections([load(write_run(f"w{w}", RANKS, model__width=w)) for w in (32, 64)])
    names = sorted(entry.model for entry in found[0].entries)
    assert names == ["hybrid, model.width=32", "hybrid, model.width=64"]


def test_a_page_says_what_made_a_row_and_where_seeds_are_few(runs):
    page = markdown(sections(runs))
    assert "| sasrec | ten silos | .5" in page
    assert "| 1 of 3 |" in page
    assert "`fedrec baseline c.toml`" in page  # without the folders of a machine
    assert page.count("under 3 seeds") == 2
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(terminal(sections(runs), console))
    shown = console.export_text()
    assert "one-person clients" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_the_same_run_twice_is_one_row_and_what_is_not_complete_is_named(runs, tmp_path, write_run):
    failed = write_run("failed", RANKS, about={"status": "failed"})
    page = tmp_path / "page.md"
    folders = [str(tmp_path), str(runs[0].folder)]
    told = CliRunner().invoke(app, ["leaderboard", *folders, "--out", str(page), "--json"])
    assert told.exit_code == 0, told.output
    assert f"left out: {failed} holds a run that is failed" in told.stderr
    [section] = json.loads(told.stdout[: told.stdout.rindex("]") + 1])
    assert sum(len(row["seeds"]) for row in section["rows"]) == 5
    assert page.read_text().startswith("# Leaderboard")


def test_folders_without_a_complete_run_are_refused(tmp_path):
    told = CliRunner().invoke(app, ["leaderboard", str(tmp_path)])
    assert (told.exit_code, "no complete run in" in told.stderr) == (ConfigError.exit_code, True)
