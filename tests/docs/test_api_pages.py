"""Every public name is on the page of its module, and its public parts have docstrings."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemons import ROOT, RunningDaemon
from tests.packaging.test_public_surface import members
from tests.servers import RealServer

PAGES = Path(__file__).parents[2] / "docs" / "reference" / "api"

MODULES = {
    "zinfo": "framework",
    "zinfo.client": "client",
    "zinfo.aio": "aio",
    "zinfo.errors": "errors",
    "zinfo.recording": "recording",
}
"""The public modules, and their pages."""

NAMES = [(module, name) for module in MODULES for name in importlib.import_module(module).__all__]

DESCRIBED = re.compile(
    r"""^\.\.\ (?:autoclass|autoexception|py:type)::\ (\w+)$  # a directive of Sphinx
    | ^\|\ `zinfo\.(\w+)`\ \|  # or a row of the table of names from other modules
    """,
    re.MULTILINE | re.VERBOSE,
)


def described(module: str) -> list[str]:
    """Return the names that the page of a module describes."""
    text = (PAGES / f"{MODULES[module]}.md").read_text(encoding="utf-8")
    return [one or other for one, other in DESCRIBED.findall(text)]


@pytest.mark.parametrize("module", MODULES)
def test_the_page_of_a_module_describes_exactly_its_public_names(module: str) -> None:
    assert sorted(described(module)) == sorted(importlib.import_module(module).__all__)


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_a_public_class_and_its_public_methods_have_docstrings(module: str, name: str) -> None:
    found = getattr(importlib.import_module(module), name)
    if not inspect.isclass(found):  # __version__, and the union of all updates
        assert isinstance(found, str)
        return
    classes = [cls for cls in found.__mro__ if cls.__module__.startswith("zinfo")]
    assert classes[0].__doc__
    bare = [
        member
        for cls in classes
        for member, _ in members(cls)
        if not inspect.getdoc(getattr(cls, member))
    ]
    assert not bare, bare


def examples(module: str) -> list[str]:
    """Return the programs on the page of a module."""
    text = (PAGES / f"{MODULES[module]}.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("module", MODULES)
def test_the_page_of_a_module_begins_with_an_example_that_imports_it(module: str) -> None:
    text = (PAGES / f"{MODULES[module]}.md").read_text(encoding="utf-8")
    assert text.index("```python") < text.index("```{eval-rst}")
    assert re.search(rf"^from {re.escape(module)} import", examples(module)[0], re.MULTILINE)


def test_the_examples_run(server: RealServer, tmp_path: Path) -> None:
    reading, writing = examples("zinfo.recording")
    writing = writing.replace("seconds=60", "seconds=0.5")
    programs = {
        writing: "",
        reading.replace("incident.zrec", "minute.zrec"): "Segment(",
        **{examples(module)[0]: server.ident for module in ("zinfo", "zinfo.client", "zinfo.aio")},
        examples("zinfo.errors")[0]: "does not watch db-1:6379",
    }
    with RunningDaemon([server.url]) as daemon:
        daemon.wait_polled(1)
        for program, expected in programs.items():
            real = program.replace("tcp://127.0.0.1:9736", daemon.query)
            done = subprocess.run(
                [sys.executable, "-c", real.replace("redis://127.0.0.1:6379", server.url)],
                cwd=tmp_path,
                env={"PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert not done.returncode, done.stderr
            assert expected in done.stdout
