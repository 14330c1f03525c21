"""docs/reference/top.md is true: its filters, keys, program and pictures."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemons import ROOT, RunningDaemon
from tests.servers import RealServer
from tests.top.building import row
from tests.top.environ import SOON
from zinfo.views.columns import COLUMNS
from zinfo.views.filtering import Filter
from zinfo.views.formatting import STATE_COLOURS

PAGE = (ROOT / "docs" / "reference" / "top.md").read_text(encoding="utf-8")
IMAGES = ROOT / "docs" / "images"


def table(title: str) -> list[str]:
    """The first cells of the table below a heading."""
    part = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return [line.split("|")[1] for line in part.splitlines() if line.startswith("| ")][1:]


def test_every_filter_of_the_page_is_valid() -> None:
    words = [word for cell in table("Filter") for word in re.findall(r"`([^`]+)`", cell)]
    assert len(words) > 12
    for word in words:
        Filter(word)([row()])


def test_every_column_and_state_is_explained() -> None:
    explained = ",".join(table("What you see"))
    for column in COLUMNS:
        assert column.heading in explained
    for state in STATE_COLOURS:
        assert f"`{state}" in explained


def test_the_program_of_the_page_prints_the_shards(server: RealServer) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    with RunningDaemon([server.url], environ=SOON) as daemon:
        daemon.wait_polled(1)
        done = subprocess.run(
            [sys.executable, "-c", program.replace("tcp://127.0.0.1:9736", daemon.query)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert done.stdout.startswith(f"{server.ident} up ")


@pytest.mark.parametrize("name", re.findall(r"\]\(../images/(.*?\.svg)\)", PAGE))
def test_the_pictures_exist_and_load_nothing_from_other_sites(name: str) -> None:
    picture = (IMAGES / name).read_text(encoding="utf-8")
    assert "zinfo" in picture
    links = set(re.findall(r"https?://[^\s\"']+", picture))
    assert links == {"http://www.w3.org/2000/svg"}
    assert Path(IMAGES / name).stat().st_size < 200_000


@pytest.mark.parametrize("name", re.findall(r"\]\(../images/(.*?\.png)\)", PAGE))
def test_the_pictures_of_the_page_exist(name: str) -> None:
    picture = (IMAGES / name).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 200_000
