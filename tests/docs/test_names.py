"""The pages mention only files, links and names that exist; architecture.md has the real layers."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]

PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for pattern in ("*.md", "docs/**/*.md", "clients/**/README.md", "*/README.md")
    for path in sorted(ROOT.glob(pattern))
    if "node_modules" not in path.parts
}

FILE = re.compile(
    r"(?<![\w/.-])((?:zinfo|tests|benchmarks|deploy|clients|docs)/[\w./-]*(?:\.\w+|/))(?![\w<*])"
)
"""A file or directory of the project; directories end with a slash."""

NAME = re.compile(r"`(?:python -m )?(zinfo(?:\.[A-Za-z_]\w*)+)")
"""A dotted name at the beginning of a code span."""

NOT_PYTHON = {"service", "toml", "json", "conf"}
"""Suffixes of files called zinfo."""

PLACEHOLDERS = {"clients/NAME.key"}
"""Paths in which NAME stands for a name."""

FORMER = {"zinfo.poller", "docs/doors.md"}
"""Names from before 0.2 that the changelog and the upgrade notes mention."""

ARCHITECTURE = PAGES["docs/explanation/architecture.md"]


def exists(name: str) -> bool:
    """Return whether a dotted name is a module, or an attribute of one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        module = ".".join(parts[:count])
        if _is_module(module):
            found: object = importlib.import_module(module)
            for attribute in parts[count:]:
                if not hasattr(found, attribute):
                    return False
                found = getattr(found, attribute)
            return True
    return False


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the parent is not a package
        return False


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_mentions_exist(page: str) -> None:
    files = set(FILE.findall(PAGES[page])) - FORMER - PLACEHOLDERS
    missing = [name for name in sorted(files) if not (ROOT / name).exists()]
    assert not missing, missing


@pytest.mark.parametrize("page", PAGES)
def test_python_names_that_a_page_mentions_exist(page: str) -> None:
    names = {name for name in NAME.findall(PAGES[page]) if name.split(".")[1] not in NOT_PYTHON}
    missing = [name for name in sorted(names - FORMER) if not exists(name)]
    assert not missing, missing


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_has_a_target(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if heading:
            assert heading in slugs(target.read_text(encoding="utf-8")), link


def slugs(text: str) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_a_name_that_does_not_exist_is_noticed() -> None:
    assert exists("zinfo.client.Mirror.wait_ready")
    assert not exists("zinfo.client.nothing")
    assert not exists("zinfo.nothing.at.all")


def test_functions_in_the_drawings_of_architecture_exist() -> None:
    drawings = re.findall(r"```text flow\n(.*?)```", ARCHITECTURE, re.DOTALL)
    assert len(drawings) == 3
    for drawing in drawings:
        names = re.findall(r"(?<![\w.])[a-z_]+\.[a-z_]+\.\w+(?:\.\w+)?", drawing)
        assert len(names) > 5
        missing = [name for name in names if not exists(f"zinfo.{name}")]
        assert not missing, missing


@pytest.mark.parametrize(("image", "number"), [("snapshot-path", 0), ("query-path", 1)])
def test_the_calls_in_a_diagram_are_in_the_drawing_below_it(image: str, number: int) -> None:
    drawing = re.findall(r"```text flow\n(.*?)```", ARCHITECTURE, re.DOTALL)[number]
    svg = (ROOT / "docs" / "images" / f"{image}.svg").read_text(encoding="utf-8")
    calls = re.findall(r'<text class="code"[^>]*>(\w+)', svg)
    assert len(calls) > 2
    missing = [name for name in calls if not re.search(rf"\.{name}\b", drawing)]
    assert not missing, missing


def layers_in_pyproject() -> list[set[str]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (one["layers"] for one in contracts if one["id"] == "layers")
    return [set(re.findall(r"\w+", layer)) for layer in layers]


def test_the_drawn_layers_are_those_of_pyproject() -> None:
    drawing = re.findall(r"```text layers\n(.*?)```", ARCHITECTURE, re.DOTALL)
    assert len(drawing) == 1
    names = [set(re.findall(r"\w+", line)) for line in drawing[0].splitlines()]
    assert [line for line in names if line] == layers_in_pyproject()


def test_every_package_has_a_row_and_no_other() -> None:
    rows = set(re.findall(r"^\| `zinfo\.(\w+)` \|", ARCHITECTURE, re.MULTILINE))
    packages = {path.parent.name for path in (ROOT / "zinfo").glob("*/__init__.py")}
    assert rows == packages
