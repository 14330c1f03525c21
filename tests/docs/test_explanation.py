"""The programs, the drawings and the figures in docs/explanation."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.client.world import World

DOCS = Path(__file__).parents[2] / "docs"
IMAGES = DOCS / "images"
POLLING = (DOCS / "explanation" / "polling.md").read_text(encoding="utf-8")


def test_the_program_about_intervals_prints_what_the_page_says() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", POLLING, re.DOTALL)
    (printed,) = re.findall(r"```text\n(.*?)```", POLLING, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == (printed, "")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The diagrams, drawn again."""
    folder = tmp_path_factory.mktemp("diagrams")
    subprocess.run(
        [sys.executable, "-m", "docs.diagrams", str(folder)],
        cwd=DOCS.parent,
        timeout=60,
        check=True,
    )
    return folder


def test_the_diagrams_are_those_that_the_script_draws(drawn: Path) -> None:
    assert sorted(path.name for path in drawn.iterdir())
    for path in drawn.iterdir():
        assert path.read_text() == (IMAGES / path.name).read_text(), "run `python -m docs.diagrams`"


def test_each_diagram_is_on_a_page_of_its_folder(drawn: Path) -> None:
    pages = "".join(path.read_text() for path in (DOCS / "explanation").glob("*.md"))
    for path in drawn.iterdir():
        assert f"](../images/{path.name})" in pages


def test_no_text_of_a_diagram_leaves_its_image(drawn: Path) -> None:
    for path in drawn.iterdir():
        image = ET.fromstring(path.read_text())
        width, height = float(image.attrib["width"]), float(image.attrib["height"])
        for text in image.iter("{http://www.w3.org/2000/svg}text"):
            assert 0 < float(text.attrib["x"]) < width, (path.name, text.text)
            assert 0 < float(text.attrib["y"]) < height, (path.name, text.text)


def test_a_mirror_repairs_a_gap_in_the_steps_of_the_drawing() -> None:
    world = World()
    world.daemon.add("a")
    world.daemon.poll("a")
    world.recover()
    first = world.mirror.view("a", world.now).revision

    def held() -> tuple[int, bool]:
        view = world.mirror.view("a", world.now)
        return view.revision - first + 41, view.fresh

    def poll(*, lost: bool = False) -> None:
        world.daemon.poll("a")
        if lost:
            world.bus.pop()
        while world.bus:
            world.deliver()

    assert held() == (41, True)
    poll()  # 1
    assert held() == (42, True)
    poll(lost=True)  # 2
    assert held() == (42, True)
    poll()  # 3
    assert held() == (42, False)
    while not world.requests:  # 4
        assert held() == (42, False)
        world.tick(0.01)
    world.serve()
    poll()  # 5
    assert held() == (42, False)
    world.deliver_reply()  # 6
    assert held() == (45, True)
