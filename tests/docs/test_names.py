"""Every key, command, option and file that the documentation names exists."""

import re
import shlex
import sys

import pytest
from click import Option

from fedrec.config.config import Config
from fedrec.config.keys import flatten
from tests.docs.blocks import ROOT, blocks_of, pages, shell_lines

sys.path.insert(0, str(ROOT / "docs" / "_ext"))
from generated import command_tree, fill, grid

KEYS = flatten(Config())
SECTIONS = sorted({key.partition(".")[0] for key in KEYS if "." in key})
COMMANDS = command_tree()
FILES = {"run.json", "model.safetensors"}  # look like keys
_KEY = re.compile(rf"(?<![\w/.\-])(?:{'|'.join(SECTIONS)})\.[a-z][a-z0-9-]*(?![\w(\[/])")
_CODE = re.compile(r"`([^`\n]+)`")
RESULTS = sorted((ROOT / "experiments" / "results").glob("*.md"))
EVERY = [*pages(), *RESULTS]
IDS = {"argvalues": EVERY, "ids": lambda page: page.relative_to(ROOT).as_posix()}


def unknown_keys(text: str) -> list[str]:
    """What looks like a key of the config and is none."""
    return [found for found in _KEY.findall(text) if found not in KEYS and found not in FILES]


@pytest.mark.parametrize("page", **IDS)
def test_keys_of_a_page_exist(page):
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"(?ms)^```.*?^```$", "", text)
    spoken = [found for code in _CODE.findall(prose) for found in unknown_keys(code)]
    typed = [
        found
        for block in blocks_of(page)
        if block.language in ("bash", "toml", "")
        for found in unknown_keys(block.text)
    ]
    quoted = [
        found
        for block in blocks_of(page)
        if block.language == "python"
        for text in re.findall(r'"([^"\n]+)"', block.text)
        for found in unknown_keys(text)
    ]
    assert spoken + typed + quoted == []


def faults(line: str) -> list[str]:
    """What is wrong with a ``fedrec`` command: its words, options, keys."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        return [f"{line}: {error}"]
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]
    if not words or words[0] != "fedrec" or len(words) == 1:
        return []
    name = " ".join(words[1:3]) if " ".join(words[1:3]) in COMMANDS else words[1]
    if name not in COMMANDS:
        return [f"{line}: no command {name!r}"]
    options = {o for p in COMMANDS[name].params if isinstance(p, Option) for o in p.opts}
    found = []
    rest = words[1 + len(name.split()) :]
    for place, word in enumerate(rest):
        if word.startswith("-") and word.partition("=")[0] not in options | {"--help"}:
            found.append(f"{line}: no option {word}")
        if word in ("--set", "--grid", "--within"):
            key = [*rest, ""][place + 1].partition("=")[0]
            if key not in KEYS:
                found.append(f"{line}: no key {key!r}")
        if word == "--only":
            groups = [*rest, ""][place + 1].split(",")
            found += [f"{line}: no group {one!r}" for one in groups if one not in grid()]
    return found


def spoken_commands(text: str) -> list[str]:
    """Commands in running text that are complete enough to be checked."""
    return [
        code
        for code in _CODE.findall(re.sub(r"(?ms)^```.*?^```$", "", text))
        if code.startswith("fedrec ") and not re.search(r"[|\[…]|\.\.\.|COMMAND", code)
    ]


@pytest.mark.parametrize("page", **IDS)
def test_commands_of_a_page_exist(page):
    lines = [
        line
        for block in blocks_of(page)
        if block.language == "bash"
        for line in shell_lines(block.text)
    ]
    lines += spoken_commands(page.read_text(encoding="utf-8"))
    assert [fault for line in lines for fault in faults(line)] == []


def test_a_wrong_command_is_named():
    assert faults("fedrec runn x") == ["fedrec runn x: no command 'runn'"]
    assert faults("fedrec run x --sed 1") == ["fedrec run x --sed 1: no option --sed"]
    assert faults("fedrec run --set model.wide=1") == [
        "fedrec run --set model.wide=1: no key 'model.wide'"
    ]
    assert unknown_keys("model.widht and run.json") == ["model.widht"]


@pytest.mark.parametrize("page", argvalues=pages(), ids=IDS["ids"])
def test_options_spoken_of_exist(page):
    known = {o for c in COMMANDS.values() for p in c.params for o in p.opts} | {"--help"}
    known |= {"--install-completion", "--show-completion"}  # of fedrec itself
    known |= {"--stream", "--federation-config", "--run-config", "--head", "--address", "--port"}
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text(encoding="utf-8"))
    spoken = [m[1] for code in _CODE.findall(text) if (m := re.match(r"(--[a-z-]+)", code))]
    assert [option for option in spoken if option not in known] == []


@pytest.mark.parametrize("page", argvalues=pages(), ids=IDS["ids"])
def test_files_spoken_of_exist(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(
        r"`((?:fedrec|clients|server|experiments|tests|benchmarks|examples|docs)/[\w/.-]+)`", text
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", argvalues=pages(), ids=IDS["ids"])
def test_links_between_pages_lead_somewhere(page):
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text(encoding="utf-8"))
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [link for link in links if link and not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_every_key_has_a_meaning_in_the_reference():
    page = fill("<!-- generated: config keys -->")
    parts = re.split(r"(?m)^````\{confval\} ", page)[1:]
    without = [part.split("\n")[0] for part in parts if not part.split("\n")[4].strip()]
    assert len(parts) == len(KEYS)
    assert without == []


def test_the_range_of_a_key_stands_in_the_reference():
    page = fill("<!-- generated: config keys -->")
    assert "Allowed: a whole number of 1 or more." in page
    assert "Allowed: one of full, uniform-100" in page
