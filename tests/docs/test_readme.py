"""README stays short, and its two commands are what CI reads."""

import re
import tomllib

import fedrec
from tests.docs.blocks import ROOT, blocks_of

README = ROOT / "README.md"


def test_readme_is_short():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 120
    assert [line for line in lines if len(line) > 120] == []


def test_readme_has_one_block_for_each_command():
    marked = {b.marks["command"]: b for b in blocks_of(README) if "command" in b.marks}
    assert sorted(marked) == ["run", "test"]
    assert {block.language for block in marked.values()} == {"bash"}
    scripts = [block.text.split()[-1] for block in marked.values()]
    assert [script for script in scripts if not (ROOT / script).is_file()] == []


def test_versions_agree():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == fedrec.__version__
    assert re.findall(r"(?m)^version: (\S+)$", citation) == [fedrec.__version__]
    assert re.findall(r"(?m)^## (\d+\.\d+\.\d+)", changes)[0] == fedrec.__version__
