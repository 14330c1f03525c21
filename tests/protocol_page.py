"""Parses docs/reference/protocol.md: its examples, tables and programs."""

from __future__ import annotations

import json
import re
from pathlib import Path

TEXT = (Path(__file__).parents[1] / "docs" / "reference" / "protocol.md").read_text(
    encoding="utf-8"
)

Frame = tuple[bytes, str]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def examples() -> dict[str, list[Frame]]:
    """Return the frames of each example: the bytes, and their meaning as the page has it."""
    found = re.findall(r"^```wire ([\w ]+)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    return {name: [frame(part) for part in text.split("frame ")[1:]] for name, text in found}


def frame(text: str) -> Frame:
    raw, meaning = b"", ""
    for line in re.sub(r"^\d+:", "", text).splitlines():
        if re.fullmatch(r"( [0-9a-f]{2})+", "".join(f" {word}" for word in line.split())):
            raw += bytes.fromhex(line)
        elif line.strip() != "(empty)":
            meaning += " " + line.strip()
    return raw, meaning.strip()


def section(heading: str) -> str:
    """Return the text from a heading to the next one."""
    _, _, rest = TEXT.partition(f"\n{heading}\n")
    assert rest, heading
    return re.split(r"\n#+ ", rest)[0]


def rows(text: str, columns: int) -> list[list[str]]:
    """Return the rows with that many columns whose first cell is one `name`."""
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return [
        [cells[0].strip("`"), *cells[1:]]
        for cells in split
        if len(cells) == columns and re.fullmatch(r"`[\w/<>~]+`", cells[0])
    ]


def names(text: str, columns: int = 3) -> set[str]:
    return {row[0] for row in rows(text, columns)}


REQUIRED = "required"
"""Stands in place of the default value of an argument that has none."""

OPERATIONS = re.findall(r"^#### `(\w+)`$", TEXT, re.MULTILINE)
ARGUMENTS = {
    op: {
        row[0]: (row[1], REQUIRED if row[2] == REQUIRED else json.loads(row[2].strip("`")))
        for row in rows(section(f"#### `{op}`"), 4)
    }
    for op in OPERATIONS
}
EXAMPLES = examples()
