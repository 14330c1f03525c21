"""One wheel is for all Python versions: built by the newest, it works on the oldest."""

from __future__ import annotations

import ast
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import msgpack
import pytest

from tests.clients.runtimes import NEWEST
from tests.packaging.built.distributions import Distributions, run

ROOT = Path(__file__).parents[3]
CALLS = ROOT / "tests" / "native_calls.py"

WITH_LENGTH = re.compile(r'Py(?:_BuildValue|Arg_\w+|Object_Call\w*)\([^;"]*"[^"]*#')
"""A format string with `#`, whose meaning differs between the Python versions of one wheel."""


@pytest.fixture(scope="module")
def unpacked(built: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the files of the wheel."""
    if len(built.pythons) < 2:
        pytest.skip(f"only one Python of {', '.join(NEWEST)} on the PATH and in pyenv")
    directory = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(built.wheel) as archive:
        archive.extractall(directory)
    if not list(directory.glob("zinfo/_native*")):
        pytest.skip(f"{built.pythons[0]} compiles nothing: no compiler, or no Python.h of it")
    return directory


def test_one_wheel_is_for_every_python(built: Distributions, unpacked: Path) -> None:
    assert "-cp310-abi3-" in built.wheel.name
    assert [path.name for path in unpacked.glob("zinfo/_native*")] == ["_native.abi3.so"]


def test_a_wheel_built_by_the_newest_python_works_on_all_others(
    built: Distributions, unpacked: Path
) -> None:
    outputs = [
        json.loads(run([python, str(CALLS)], unpacked, unpacked)) for python in built.pythons
    ]
    assert outputs == [outputs[0]] * len(outputs)
    returned: dict[str, Any] = {name: ast.literal_eval(text) for name, text in outputs[0].items()}
    entries, number, taken = returned["encode_entries"]
    unpacker = msgpack.Unpacker()
    unpacker.feed(entries)
    meta = {"info_age": 10.0, "state": "up", "revision": 7, "time": 1700000000.5}
    assert list(unpacker) == [
        {
            "used_memory": 1048576,
            "role": "master",
            "meta": {"shard_identifier": shard, "id": shard, **meta},
        }
        for shard in ("a", "c")
    ]
    assert (number, taken) == (2, 3)


def test_no_format_string_of_the_native_part_uses_lengths() -> None:
    found = [
        path.name
        for path in (ROOT / "zinfo" / "native").glob("*.c")
        if WITH_LENGTH.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []
