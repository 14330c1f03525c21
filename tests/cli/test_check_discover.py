"""`zinfo check --discover`: asks each source once, and prints what it lists."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Following, invoke, zinfo
from zinfo.cli.discovered import print_json, print_readings
from zinfo.daemon.read_once import Reading
from zinfo.discovery.target import Answer, Target

LISTED = [
    {"targets": ["10.0.0.1:6379", "10.0.0.2:6379", "10.0.0.3"], "labels": {"env": "prod"}},
    {"targets": ["10.0.0.4:70000"], "labels": {"env": "prod"}},
    {"targets": ["10.0.0.5:6379"], "labels": {"env": "test"}},
]


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """The address of a server that accepts connections and never replies."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, silent: str) -> Path:
    """A directory with targets and configurations."""
    folder = tmp_path_factory.mktemp("discover")
    (folder / "targets.json").write_text(json.dumps(LISTED))
    good = (
        '[[shards]]\nurl = "redis://10.0.0.1:6379"\n[[shards]]\nurl = "redis://10.0.0.9:6379"\n'
        '[[sources]]\nname = "cmdb"\ntype = "file"\nfiles = ["targets.json"]\n'
        'keep = { env = "prod" }\n'
    )
    (folder / "good.toml").write_text(good)
    failing = (
        '[[sources]]\nname = "gone"\ntype = "file"\nfiles = ["none.json"]\n'
        f'[[sources]]\nname = "slow"\ntype = "http"\nurl = "http://{silent}/sd"\ntimeout = 60\n'
    )
    (folder / "failing.toml").write_text(good + failing)
    return folder


def test_a_source_that_is_read_is_a_line_with_counts_and_reasons(folder: Path) -> None:
    done = zinfo("check", "--discover", str(folder / "good.toml"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "cmdb  file  ok  3 shards, 1 skipped: bad port (1)\n"
        "4 shards in all, 2 of them in [[shards]], 1 listed more than once\n"
    )


def test_a_source_that_fails_or_takes_too_long_fails_the_check_and_no_other(folder: Path) -> None:
    done = zinfo("check", "--discover", "--timeout=3", str(folder / "failing.toml"))
    assert done.returncode == 1
    cmdb, gone, slow, _ = done.stdout.splitlines()
    assert cmdb.startswith("cmdb  file  ok      3 shards")
    assert gone.startswith("gone  file  FAILED  ")
    assert slow == "slow  http  FAILED  no answer within 3 s"


def test_with_json_each_source_is_an_object_with_its_shards(folder: Path) -> None:
    done = zinfo("check", "--discover", "--json", "--file", str(folder / "tar*.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    (source,) = map(json.loads, done.stdout.splitlines())
    assert (source["name"], source["state"], source["error"]) == ("file", "ok", "")
    assert source["skipped"] == {"bad port": 1}
    assert source["shards"][0] == {
        "id": "10.0.0.1:6379",
        "url": "redis://10.0.0.1:6379",
        "labels": {"env": "prod", "source": "file"},
        "credentials": "",
    }


def test_an_invalid_file_is_a_list_of_problems(tmp_path: Path) -> None:
    file = tmp_path / "zinfo.toml"
    file.write_text('[[sources]]\ntype = "file"\n')
    done = invoke("check", "--discover", str(file))
    assert done.exit_code == 1
    assert done.stdout.startswith(f"{file}: sources[0].files: missing")


def test_without_sources_it_says_so(tmp_path: Path) -> None:
    file = tmp_path / "zinfo.toml"
    file.write_text('[[shards]]\nurl = "redis://a"\n')
    done = invoke("check", "--discover", str(file))
    assert (done.exit_code, done.stdout) == (
        0,
        f"{file}: ok, 1 shard; there is no source to ask\n",
    )


def test_ctrl_c_ends_it_without_a_traceback(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        arguments = ("check", "--discover", "--timeout=60", "--http-sd", url)
        with Following(tmp_path, *arguments, daemon=None) as command:
            server.settimeout(60)
            connection, _ = server.accept()  # it waits for a response now
            assert command.interrupt() == 130
            assert (command.lines, command.errors) == ([], "")
            connection.close()


def test_texts_of_sources_cannot_control_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer(
        {"a\x1b[31m": Target("redis://a:1", {"x": "\x1b[31m"})},
        {f"reason {number} \x1b[31m": number for number in range(1, 9)},
        tuple(f"note {number} \x9b" for number in range(7)),
        incomplete=True,
    )
    readings = [
        Reading("one", "cluster", answer, "", 0.1),
        Reading("other", "http", None, "failed \x1b[31m", 0.1),
    ]
    print_readings(readings, (), local=True)
    for reading in readings:
        print_json(reading)
    output = capsys.readouterr().out
    assert not any(one in output for one in "\x1b\x9b")
    first, second, last, *objects = output.splitlines()
    assert first.startswith("one    cluster  PARTLY  1 shard, 36 skipped: reason 8 \\x1b[31m (8), ")
    assert "and 3 more (note 0" in first
    assert first.endswith("; and 2 more)")
    assert second == "other  http     FAILED  failed \\x1b[31m"
    assert last == "1 shard in all, and the servers of this machine"
    assert json.loads(objects[0])["state"] == "partly"
