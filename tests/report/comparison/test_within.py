"""Groups compared within the values of a key, and called as they are told to be."""

import io

import pytest
from rich.console import Console

import fedrec
from fedrec.errors import ConfigError
from fedrec.report.comparison.text import terminal

ALPHAS = (0.1, 5.0)


@pytest.fixture
def crossed(write_run):
    """Two strategies under two alphas, one seed each."""
    return [
        write_run(f"{name}-{alpha}", [1, rank, 20], strategy__name=name, partition__alpha=alpha)
        for alpha in ALPHAS
        for name, rank in (("fedavg", 3), ("fedadam", 2))
    ]


def pairs(found):
    return list(dict.fromkeys(zip(found.pairs["group"], found.pairs["against"], strict=True)))


def label(name, alpha):
    return f"strategy.name={name}, partition.alpha={alpha}"


def test_each_group_is_compared_with_the_one_of_its_own_value(crossed):
    found = fedrec.compare(crossed, within=["partition.alpha"])
    assert pairs(found) == [(label("fedadam", a), label("fedavg", a)) for a in ALPHAS]
    assert len(pairs(fedrec.compare(crossed))) == 3  # all with the first


def test_the_base_that_is_chosen_has_its_like_under_every_value(crossed):
    found = fedrec.compare(crossed, within=["partition.alpha"], against=label("fedadam", 5.0))
    assert set(pairs(found)) == {(label("fedavg", a), label("fedadam", a)) for a in ALPHAS}


def test_where_the_base_has_no_like_the_first_of_the_value_is_it(crossed):
    found = fedrec.compare(crossed[:2], crossed[3], within=["partition.alpha"])
    assert pairs(found) == [(label("fedadam", 0.1), label("fedavg", 0.1))]


def test_tables_and_page_say_what_a_group_is_compared_with(crossed, tmp_path):
    found = fedrec.compare(crossed, within=["partition.alpha"], metrics=["NDCG@10"])
    page = found.save(tmp_path / "out").read_text(encoding="utf-8")
    assert "Differences, paired by user" in page
    assert 'data-label="against"' in page
    console = Console(file=io.StringIO(), width=220)
    console.print(terminal(found, console))
    assert "against" in console.file.getvalue()


def test_a_key_that_is_none_and_groups_alone_are_refused(crossed):
    with pytest.raises(ConfigError, match=r"--within partition\.alfa is no key"):
        fedrec.compare(crossed, within=["partition.alfa"])
    with pytest.raises(ConfigError, match="--unpaired compares no pairs; leave out --within"):
        fedrec.compare(crossed, within=["partition.alpha"], unpaired=True)


def test_groups_are_called_as_told_unless_that_tells_them_not_apart(crossed):
    names = ("A", "B", "C", "D")
    called = dict(zip(crossed, names, strict=True))
    assert tuple(g.label for g in fedrec.compare(crossed, labels=called).groups) == names
    same = dict.fromkeys(crossed, "A")
    assert fedrec.compare(crossed, labels=same).groups[0].label == label("fedavg", 0.1)
