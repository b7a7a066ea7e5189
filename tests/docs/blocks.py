"""Code blocks of README and docs, with the marks that say what a test does with them.

A mark is an HTML comment on the line above a block, which no reader sees:

``<!-- not run: REASON -->``  the block takes too long or needs what a test has not;
``<!-- output -->``           the block is what the one before prints, digits aside;
``<!-- file: NAME -->``       the block is a file, which later blocks find under that name;
``<!-- command: NAME -->``    CI runs the block in a fresh environment;
``<!-- needs: NAME -->``      the block is run where ``FEDREC_DATA`` holds that archive.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_BLOCK = re.compile(
    r"(?ms)^(?P<marks>(?:<!--[^\n]*-->\n)*)```(?P<language>[a-z]*)\n(?P<text>.*?)^```$"
)
_COMMAND = re.compile(
    r"""(?:"[^"]*"|'[^']*'|[^&|;"']|&(?!&))+"""
)  # up to &&, | or ; outside quotes
_MARK = re.compile(r"<!-- (?P<name>[a-z ]+)(?:: (?P<value>.*?))? -->")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: relative path of its page.
        line: number of its first line of code.
        language: after the fence.
        text: the code.
        marks: name to value.
    """

    page: str
    line: int
    language: str
    text: str
    marks: dict[str, str]


def pages() -> list[Path]:
    """README and every page of docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page in its order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        marks = {one["name"]: one["value"] or "" for one in _MARK.finditer(match["marks"])}
        line = text.count("\n", 0, match.start("text")) + 1
        name = page.relative_to(ROOT).as_posix()
        found.append(Block(name, line, match["language"], match["text"], marks))
    return found


def shell_lines(text: str) -> list[str]:
    """The commands of a shell block: continued lines joined, comments and blank lines left out."""
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines()]
    return [part.strip() for line in lines for part in _COMMAND.findall(line) if part.strip()]
