"""The page of a run, from its folder alone."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from fedrec.errors import DataError
from fedrec.report.figures import curves, style
from fedrec.report.page import write_report
from fedrec.runs.record import read_run
from tests.run_folders import CONFIG


class Elements(HTMLParser):
    """Every tag of a page with its attributes, and the text of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] in ("script", "style") and data.strip():
            self.raw.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def written(make_run, only_figures):
    """``written(folder)``: the page of a run without its figures, which take seconds."""
    only_figures()
    return lambda folder: write_report(folder).read_text(encoding="utf-8")


@pytest.fixture
def page_of(make_run, written):
    return lambda **changes: written(make_run(**{"rounds": 2, "users": 60} | changes))


@pytest.fixture
def page(report):
    return (report / "report.html").read_text(encoding="utf-8")


def test_the_results_say_what_training_did_not_see(page_of, page):
    config = CONFIG + "\n[scenario]\ncold-items = 0.1\nkeep = 1.0\n"
    assert "Hidden from training by its scenario: cold-items = 0.1.<" in page_of(config=config)
    assert "Hidden from training" not in page


def test_the_page_tells_what_was_run_how_it_was_measured_and_what_came_out(page):
    for words in (
        "ml-1m-fedavg", "full ranking", "0.2610", "0.2490 to 0.2730", "popularity", "oracle",
        "centralised", "AUC", "updates to the server", "aggregate", "minilm", "53aa53aa",
        "reconstructed from the order in the file", "301,312", "learning-rate", "2.13.0",
        "fedrec run ml-1m --set federation.rounds=30 --seed 7",
    ):  # fmt: skip
        assert words in page, words


@pytest.mark.parametrize("status", ["degraded", "failed", "interrupted", "running"])
def test_a_run_that_is_not_simply_done_says_so_at_the_top(page_of, status):
    page = page_of(
        finished=status == "degraded", about={"status": status, "reason": "3 replies lost"}
    )
    assert page.index(f'<p class="banner {status}">') < page.index("3 replies lost")
    assert page.index("3 replies lost") < page.index('<h2 id="results">')


def test_a_run_that_failed_before_its_first_round_has_a_page(make_run, written):
    folder = make_run(rounds=0, finished=False, about={"status": "failed", "best_round": None})
    (folder / "rounds.jsonl").unlink()
    assert "No round was completed" in written(folder)


def test_the_page_is_self_contained_and_its_policy_allows_only_its_own_bytes(page):
    elements = Elements(page)
    names = {name for name, _ in elements.tags}
    assert names.isdisjoint({"link", "img", "iframe", "object", "embed", "form", "base"})
    assert not any("style" in a or any(k.startswith("on") for k in a) for _, a in elements.tags)
    targets = [
        v for _, a in elements.tags for k, v in a.items() if k in ("src", "href", "xlink:href")
    ]
    assert all(v.startswith("#") for v in targets)
    [policy] = [
        m["content"] for m in elements.all("meta") if "Policy" in (m.get("http-equiv") or "")
    ]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert len(elements.raw) == 2  # one style, one script
    for text in elements.raw:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_ids_are_unique_and_every_reference_inside_a_figure_resolves(page):
    ids = [a["id"] for _, a in Elements(page).tags if "id" in a]
    figures = [a for _, a in Elements(page).tags if a.get("class") == "drawn"]
    panels = [a for a in Elements(page).all("svg") if a.get("role") == "img"]
    # Two of three panels, sizes alone, four more of two, six slices and gates of two each.
    assert (len(figures), len(panels)) == (10, 2 * 3 + 1 + 4 * 2 + 2 + 4 + 4)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', page))
    assert used
    assert used <= set(ids)


def test_html_and_scripts_in_names_are_shown_as_text(page_of):
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    slices = {evil: [{"slice": evil, "users": 3, "metrics": {"HR@10": 0.5, "NDCG@10": 0.2}}]}
    page = page_of(
        about={"name": evil, "reason": evil, "command": evil, "versions": {evil: evil},
               "data": {"name": evil, "items": 9, "notes": [evil]}},
        metrics={"slices": slices, "baselines": {evil: {"test": {"HR@10": 0.1}}},
                 "gates": {"views": [evil], evil: [{"slice": evil, "weights": [1.0]}]}},
        config=f"[data]\nsource = '{evil}'\n",
    )  # fmt: skip
    elements = Elements(page)
    assert len(elements.all("script")) == 1
    assert not elements.all("img")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_secrets_never_reach_the_report(make_run, only_figures):
    only_figures("convergence_by_round")
    folder = make_run(
        rounds=2,
        users=60,
        config='[llm]\napi-key = "hunter2hunter2"\nmax-tokens = 64\n'
        '[wandb]\ntoken = "t0ps3cret"\npassword = "ab1%"\n',
        about={"command": "fedrec run x --set llm.api-key=hunter2hunter2 --password pw1",
               "reason": "401 Unauthorized for t0ps3cret"},
    )  # fmt: skip
    page = write_report(folder).read_text(encoding="utf-8")
    written = [folder / "report.html", *(folder / "figures").iterdir()]
    for secret in (b"hunter2", b"t0ps3cret", b"pw1", b"ab1%"):
        assert not any(secret in path.read_bytes() for path in written)
    assert "(hidden)" in page
    assert ">64<" in page  # max-tokens is no secret
    assert "e2c1" * 8 in page  # nor is the key of the semantic cache


def test_other_protocols_are_reported_under_their_own_names(page_of):
    other = {"uniform-99": {"test": {"HR@10": {"value": 0.7, "low": 0.69, "high": 0.71}}}}
    config = '[evaluation]\nprotocol = "full, uniform-99"\n'
    page = page_of(metrics={"other_protocols": other}, config=config)
    assert "HR@10 (99 sampled)" in page
    assert "0.6900 to 0.7100" in page


def test_every_position_of_unseen_users_is_a_table_of_its_own(page_of, page):
    def figures(value):
        return {"HR@1": {"value": value, "low": 0.011, "high": 0.099}}

    test = {"users": 12, "positions": 3456, "seen kept": figures(0.0432)}
    found = {"from": 30, "test": test | {"seen left out": figures(0.0654)}}
    shown = page_of(metrics={"every_position": found})
    assert "after 30 events: 3,456 of 12 users (test)." in shown
    assert "0.0432 <small>0.0110 to 0.0990</small>" in shown
    assert "0.0654" in shown
    assert "Every position" not in page


def test_traffic_of_one_person_clients_is_told_for_one_of_them(make_run, written):
    folder = make_run(rounds=2, users=60)
    path = folder / "rounds.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line |= {"client_megabytes": 4.25 * line["round"], "megabytes": 25_670.0 * line["round"]}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    page = written(folder)
    for words in ("Training traffic a client", "8.5 MB", "51.3 GB in all"):
        assert words in page, words
    with style.house_style():
        figure = curves.convergence(read_run(folder), "megabytes").figure
    for axes in figure.axes[:3]:
        assert axes.get_xlabel() == "training traffic, MB a client"
        assert max(axes.lines[0].get_xdata()) == 8.5


def test_a_torn_history_is_told(make_run, written):
    folder = make_run(rounds=2, users=60)
    path = folder / "rounds.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    assert "ended in half a line" in written(folder)


def test_no_run_folder_is_one_clear_line(tmp_path):
    with pytest.raises(DataError, match=r"run\.json is missing; is .* the folder of a run\?"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


FEW = ("clients_over_rounds",)  # to draw all takes seconds


@pytest.mark.slow
def test_the_folder_alone_gives_the_same_bytes_without_torch_or_an_engine(
    report, tmp_path, only_figures
):
    # The page offers commands that name the folder.
    folder, other = tmp_path / "copy" / "run", tmp_path / "other" / "run"
    for copy in (folder, other):
        shutil.copytree(report, copy, ignore=shutil.ignore_patterns("figures", "report.html"))
    only_figures(*FEW)
    code = """
import sys
from pathlib import Path
from fedrec.report.figures import draw
from fedrec.report.page import write_report
draw.FIGURES = tuple(row for row in draw.FIGURES if row[1].__name__ in sys.argv[2:])
print(write_report(Path(sys.argv[1])))
heavy = {"torch", "sentence_transformers", "flwr", "ray", "transformers", "matplotlib.pyplot"}
sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), *FEW], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == str(folder / "report.html")
    page = write_report(other).read_bytes()
    assert (folder / "report.html").read_bytes() == page
    names = {path.name for path in (folder / "figures").iterdir()}
    assert names == {"clients-rounds.svg"}
    for name in names:
        found = (folder / "figures" / name).read_bytes()
        assert found == (report / "figures" / name).read_bytes(), name
