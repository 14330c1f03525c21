"""`zinfo check` says how many shards are in the slice of a file."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.cli.running import invoke
from zinfo.wire.slices import SliceSpec

SPEC = SliceSpec(1, 3, 2)
OWN = [f"10.0.0.{n}:6379" for n in range(1, 6)]
LISTED = [f"10.0.0.{n}:6379" for n in range(4, 24)]  # two of them are listed twice
SOURCE = '[[sources]]\ntype = "file"\nfiles = ["a.json"]\n'
NUMBER = 'number = "zinfo-1"\n'


def count(ids: list[str]) -> int:
    return sum(SPEC.includes(one, {}) for one in ids)


def toml(folder: Path, keys: str = NUMBER, tables: str = SOURCE) -> str:
    (folder / "a.json").write_text(json.dumps([{"targets": LISTED}]), encoding="utf-8")
    shards = "".join(f'[[shards]]\nurl = "redis://{one}"\n' for one in OWN)
    path = folder / "zinfo.toml"
    path.write_text(f"[slice]\ncount = 3\ncopies = 2\n{keys}{shards}{tables}", encoding="utf-8")
    return str(path)


def test_the_shards_of_the_slice_are_counted(tmp_path: Path) -> None:
    done = invoke("check", "--discover", toml(tmp_path))
    assert done.exit_code == 0, done.output
    mine = count(sorted({*OWN, *LISTED}))
    assert 0 < mine < 23
    assert done.stdout.splitlines()[-1] == f"slice 1 of 3, copies 2: {mine} of 23"
    done = invoke("check", toml(tmp_path))
    last = done.stdout.splitlines()[-1]
    assert last == f"slice 1 of 3, copies 2: {count(OWN)} of 5 in [[shards]]"
    for arguments in ((), ("--discover",)):
        done = invoke("check", *arguments, toml(tmp_path, tables=""))
        assert done.stdout.splitlines()[-1] == f"slice 1 of 3, copies 2: {count(OWN)} of 5"


def test_a_label_decides_as_in_a_daemon(tmp_path: Path) -> None:
    spec = SliceSpec(1, 3, 2, "cluster")
    own = sum(spec.includes(one, {}) for one in OWN)
    names = [f"c{number}" for number in range(20)]
    for mine, listed in ((True, 18), (False, 0)):  # two have no label: they are in [[shards]]
        name = next(one for one in names if spec.includes("", {"cluster": one}) is mine)
        labelled = SOURCE.replace("files", f'labels = {{ cluster = "{name}" }}\nfiles')
        path = toml(tmp_path, 'number = 1\nby = "cluster"\n', labelled)
        done = invoke("check", "--discover", path)
        last = done.stdout.splitlines()[-1]
        assert last == f"slice 1 of 3, copies 2, by cluster: {own + listed} of 23"


def test_the_json_of_a_source_says_which_of_its_shards_are_in_the_slice(tmp_path: Path) -> None:
    done = invoke("check", "--discover", "--json", toml(tmp_path))
    (source,) = map(json.loads, done.stdout.splitlines())
    assert source["slice"] == {
        "number": 1,
        "count": 3,
        "copies": 2,
        "by": "id",
        "shards": count(LISTED),
    }
    in_slice = {one["id"]: one["in_slice"] for one in source["shards"]}
    assert in_slice == {one: SPEC.includes(one, {}) for one in LISTED}


def test_a_host_without_a_number_is_not_an_error_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "laptop")
    problem = "slice.number: missing, and the host name 'laptop' does not end in a number"
    for arguments in ((), ("--discover",)):
        done = invoke("check", *arguments, toml(tmp_path, ""))
        assert done.exit_code == 0
        assert done.stdout.splitlines()[-1].startswith(problem)
    done = invoke("check", "--discover", "--json", toml(tmp_path, ""))
    assert json.loads(done.stdout)["slice"] is None
    assert done.stderr.startswith(problem)
    monkeypatch.setattr(socket, "gethostname", lambda: "zinfo-1.example.net")
    done = invoke("check", toml(tmp_path, ""))
    assert done.stdout.splitlines()[-1].startswith("slice 1 of 3, copies 2: ")


def test_a_slice_turns_off_the_servers_of_the_own_machine(tmp_path: Path) -> None:
    path = tmp_path / "zinfo.toml"
    path.write_text("[slice]\nnumber = 0\ncount = 3\n")
    done = invoke("check", str(path))
    assert done.stdout == f"{path}: ok, 0 shards\nslice 0 of 3, copies 1: 0 of 0\n"
