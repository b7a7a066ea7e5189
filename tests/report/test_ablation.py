"""The tables and bars of an ablation: numbers by hand, from folders alone."""

import io

import numpy as np
import pytest
from rich.console import Console

from fedrec.evaluation.significance import sign_flip_p
from fedrec.report.ablation.columns import what_is_rare
from fedrec.report.ablation.summary import TASKS_FILE, found, write_ablation
from fedrec.report.ablation.tables import markdown
from fedrec.runs.record import read_json
from fedrec.runs.write import write_json

FIRST, SECOND = 1.0, 1 / np.log2(3)  # NDCG of the first two ranks


def test_a_user_counts_once_with_the_mean_of_its_seeds(write_cell, ask):
    write_cell("base", 0, {"a": (1, 1), "b": (2, 50)})
    write_cell("base", 1, {"a": (1, 2), "b": (2, 1)})
    base = ask({"Base": ""}, seeds=2)["Base"]
    assert base["all"]["users"] == 2
    assert base["all"]["NDCG@10"]["value"] == pytest.approx((FIRST + SECOND + 0 + FIRST) / 4)
    # Resampling two users: both the one, or both the other, or one of each.
    low, high = sorted([(FIRST + SECOND) / 2, FIRST / 2])
    bounds = base["all"]["NDCG@10"]["low"], base["all"]["NDCG@10"]["high"]
    assert bounds == pytest.approx((low, high))
    assert base["per seed"] == pytest.approx([FIRST / 2, (SECOND + FIRST) / 2])
    assert (base["seconds"], base["client_megabytes"]) == (15.0, 3.5)


def test_seeds_that_another_group_asked_for_are_not_in_this_one(write_cell, ask, tmp_path):
    for seed in (0, 1):
        write_cell("base", seed, {"a": (1, 1 + seed)})
    write_cell("new", 0, {"a": (1, 2)})
    ask({"Base": "", "New": "Base"}, seeds=1)
    tasks = read_json(tmp_path / TASKS_FILE)
    tasks["groups"]["more"] = tasks["groups"]["main"] | {"seeds": 2}
    write_json(tmp_path / TASKS_FILE, tasks)
    groups = found(tmp_path)["groups"]
    values = {
        name: [task["all"]["NDCG@10"]["value"] for task in group["tasks"]]
        for name, group in groups.items()
    }
    assert values["main"] == pytest.approx([FIRST, SECOND])
    assert values["more"] == pytest.approx([(FIRST + SECOND) / 2, SECOND])


def test_generated_users_are_others_in_every_seed(write_cell, ask):
    for seed in (0, 1):
        write_cell("base", seed, {"a": (1, 1), "b": (2, 50)}, source="synthetic:users=2")
    assert ask({"Base": ""}, seeds=2)["Base"]["all"]["users"] == 4


def test_a_difference_is_paired_by_user_and_target_over_the_seeds_of_both(write_cell, ask):
    write_cell("base", 0, {"a": (1, 2), "b": (2, 1), "c": (3, 1), "d": (4, 50)})
    write_cell("base", 1, {"a": (1, 1), "b": (2, 1), "c": (3, 1), "d": (4, 1)})
    # Others first, c has another target, e is nobody there.
    write_cell("new", 0, {"d": (4, 1), "a": (1, 1), "c": (9, 50), "e": (5, 1), "b": (2, 1)})
    new = ask({"Base": "", "New": "Base"}, seeds=2)["New"]
    values = np.array([1.0, FIRST - SECOND, 0.0])  # d, a, b
    assert new["difference"]["seeds"] == [0]
    assert new["difference"]["all"]["users"] == 3
    assert new["difference"]["all"]["value"] == pytest.approx(values.mean())
    assert new["difference"]["all"]["p"] == sign_flip_p(values, 0, name="any") == 2 / 4
    assert new["missing"] == {"1": "not run yet"}


def test_a_comparison_that_stands_twice_is_corrected_once(write_cell, ask, tmp_path):
    people = [f"u{n}" for n in range(40)]
    rng = np.random.default_rng(0)
    for name, most in (("base", 30), ("new", 5), ("old", 20)):
        write_cell(name, 0, {p: (1, int(rng.integers(1, most))) for p in people})
    tasks = {"Base": "", "New": "Base", "Old": "Base"}
    found_here = ask(tasks, again={"Base": "", "New": "Base"}, turned={"New": "", "Base": "New"})
    p = {name: found_here[name]["difference"]["all"]["p"] for name in ("New", "Old")}
    assert p["New"] < 0.01 < p["Old"]
    assert found_here["New"]["difference"]["all"]["p (Holm)"] == 2 * p["New"]
    assert found_here["Old"]["difference"]["all"]["p (Holm)"] == p["Old"]
    groups = found(tmp_path)["groups"]
    again, turned = (groups[name]["tasks"][1] for name in ("again", "turned"))
    assert again["difference"] == found_here["New"]["difference"]
    # The other way round it is the same test, and a run has the same interval wherever it stands.
    there, back = (task["difference"]["all"] for task in (again, turned))
    assert (back["p"], back["p (Holm)"]) == (there["p"], there["p (Holm)"])
    bounds = [there[key] for key in ("value", "low", "high")]
    assert [-back[key] for key in ("value", "high", "low")] == bounds
    assert turned["all"] == found_here["Base"]["all"]


def test_a_row_that_is_the_run_of_another_row_says_so_and_is_no_test(write_cell, ask, tmp_path):
    people = [f"u{n}" for n in range(40)]
    rng = np.random.default_rng(0)
    for name, most in (("base", 30), ("new", 5)):
        write_cell(name, 0, {p: (1, int(rng.integers(1, most))) for p in people})
    tasks = {"Base": "", "As base": "Base", "New": "Base", "As new": "Base; New"}
    rows = ask(tasks, folders={"As base": "base", "As new": "new"})
    assert [row["same as"] for row in rows.values()] == ["", "Base", "", "New"]
    assert [name for name in rows if "difference" in rows[name]] == ["New"]
    difference = rows["New"]["difference"]["all"]
    assert difference["p (Holm)"] == difference["p"] < 0.01
    write_ablation(tmp_path, Console(width=100, file=io.StringIO()))
    page = (tmp_path / "ablation.md").read_text()
    assert page.count("As new") == 1
    assert "| As base | = Base | |" in " ".join(page.split())
    assert "| As new | = New | |" in " ".join(page.split())


def test_what_was_skipped_is_told_apart_from_what_failed(write_cell, ask, tmp_path):
    write_cell("base", 0, {"a": (1, 1), "b": (2, 50)})
    tasks = {"Base": "", "Never": "Base", "Broken": "Base"}
    ask(tasks, failed={"broken-seed0": "no memory"}, skipped={"Never": "it has no times"})
    write_ablation(tmp_path, Console(width=100, file=io.StringIO()))
    page = (tmp_path / "ablation.md").read_text()
    assert "| Never | skipped |" in page
    assert "| Broken | failed |" in page
    assert "- never-seed0: skipped: it has no times" in page


def test_items_held_back_are_told_from_the_others(write_cell, ask, tmp_path):
    # Item 1 has no training event, item 2 has one, and so on.
    cold = "cold-items = 0.1"
    write_cell("base", 0, {"a": (1, 50), "b": (1, 60), "c": (7, 1)}, scenario=cold)
    write_cell("new", 0, {"a": (1, 1), "b": (1, 60), "c": (7, 2)}, scenario=cold)
    write_cell("none", 0, {"a": (1, 2), "b": (1, 1), "c": (7, 1)})
    tasks = ask({"Base": "", "New": "Base", "None": "New"})
    new = tasks["New"]
    assert (new["held back"], new["rare"]["users"], new["others"]["users"]) == ("cold", 2, 1)
    assert new["rare"]["HR@10"]["value"] == 0.5
    assert new["rare"]["chance"] == 10 / 20
    assert new["others"]["NDCG@10"]["value"] == pytest.approx(SECOND)
    assert new["difference"]["rare"]["value"] == 0.5
    assert new["difference"]["others"]["value"] == pytest.approx(SECOND - FIRST)
    # A run that holds nothing back is compared on what the other holds back.
    assert tasks["None"]["difference"]["others"]["value"] == pytest.approx(FIRST - SECOND)
    # It is measured on that, too, with the same chance.
    assert (tasks["None"]["held back"], tasks["None"]["rare"]["users"]) == ("", 2)
    assert tasks["None"]["rare"]["HR@10"]["value"] == 1.0
    assert tasks["None"]["rare"]["chance"] == 10 / 20
    assert tasks["None"]["others"]["NDCG@10"]["value"] == FIRST
    about = "cold: targets never seen in training; not so in None, which had them all."
    assert about in markdown(found(tmp_path))


def test_a_cell_is_compared_with_several_on_what_is_cold(write_cell, ask, tmp_path):
    cold, people = "cold-items = 0.1", [f"u{n}" for n in range(6)]
    write_cell("base", 0, dict.fromkeys(people, (1, 50)) | {"z": (7, 1)}, scenario=cold)
    write_cell("text", 0, dict.fromkeys(people[:3], (1, 9)) | {"u4": (1, 50)}, scenario=cold)
    write_cell("new", 0, dict.fromkeys(people, (1, 9)) | {"z": (7, 9)}, scenario=cold)
    ask({"Base": "", "New": "Base; Text", "Text": "Base"})
    _, first, second, text = found(tmp_path)["groups"]["main"]["tasks"]
    assert [row["same as"] for row in (first, second)] == ["", ""]
    rare = first["difference"]["rare"]
    # Six people gain a hit each: two of 2^6 ways to give signs reach that.
    assert (rare["metric"], rare["value"], rare["p"]) == ("HR@10", 1.0, 2 / 64)
    assert second["difference"]["rare"]["value"] == 1 / 4
    assert second["difference"]["rare"]["p"] == 1.0
    assert text["difference"]["rare"]["p"] == 2 / 8
    # Three pairs with two tests each; that of the rare targets has the smallest p-value of them.
    tests = [row["difference"][part] for row in (first, second, text) for part in ("all", "rare")]
    assert min(test["p"] for test in tests) == rare["p"]
    assert rare["p (Holm)"] == 6 * rare["p"]
    write_ablation(tmp_path, Console(width=100, file=io.StringIO()))
    page = (tmp_path / "ablation.md").read_text()
    assert "cold HR diff." in page
    assert "| New (to Text) |" in page
    assert "cold: targets never seen in training." in page


def test_few_shot_items_have_few_training_events(write_cell, ask):
    few = "few-shot-items = 0.1\nfew-shot-events = 3"
    write_cell("base", 0, {"a": (4, 1), "b": (5, 60)}, scenario=few)  # 3 and 4 training events
    base = ask({"Base": ""})["Base"]
    assert (base["held back"], base["rare"]["users"]) == ("few-shot", 1)
    words = ("few-shot", "targets with 1 to 3 training events")
    assert what_is_rare({"tasks": [base]}) == words
