"""clients/query.py and clients/xmlrpc_query.py, with a real daemon and a real server."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator

import pytest

from tests.clients.programs import CLIENTS, run
from tests.daemons import RunningDaemon
from tests.servers import RealServer

CLOSED_PORT = "127.0.0.1:1"
IDS = ("a", "b", "c", "d", "e")
PROGRAMS = ("query.py", "xmlrpc_query.py")


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    with RealServer() as running:
        running.client().set("a", 1)
        yield running


@pytest.fixture(scope="module")
def daemon(server: RealServer) -> Iterator[RunningDaemon]:
    # One server under many ids, which do not all fit into one page.
    tables = "\n".join(f'[[shards]]\nid = "{ident}"\nurl = "{server.url}"' for ident in IDS)
    small = {"ZINFO_QUERY_MAX_REPLY_BYTES": "16000"}
    with RunningDaemon(config_text=tables, xmlrpc=True, environ=small) as running:
        running.wait_polled(len(IDS))
        assert running.ask("get_infos").cursor
        yield running


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    name = request.param
    assert isinstance(name, str)
    return name


def endpoint(program: str, daemon: RunningDaemon) -> str:
    return f"--connect={daemon.query if program == 'query.py' else daemon.xmlrpc}"


def test_every_shard_is_printed_as_a_json_line(program: str, daemon: RunningDaemon) -> None:
    done = run(program, endpoint(program, daemon))
    assert (done.returncode, done.stderr) == (0, "")
    infos = [json.loads(line) for line in done.stdout.splitlines()]
    assert [info["meta"]["shard_identifier"] for info in infos] == [*IDS]
    for info in infos:
        assert info["db0"]["keys"] == 1
        assert len(info) > 100


def test_only_the_wanted_shards_and_fields_are_printed(program: str, daemon: RunningDaemon) -> None:
    connect = endpoint(program, daemon)
    exact = run(program, connect, "b", "--key", "role", "--key", "used_memory")
    (info,) = map(json.loads, exact.stdout.splitlines())
    assert set(info) == {"role", "used_memory", "meta"}
    prefixed = run(program, connect, "--key", "used_memory", "--prefix", "b")
    (info,) = map(json.loads, prefixed.stdout.splitlines())
    assert set(info) > {"used_memory", "used_memory_rss", "meta"}


def test_the_endpoint_can_be_set_in_the_environment(daemon: RunningDaemon) -> None:
    done = run("query.py", "b", "--key", "role", environ={"ZINFO_CONNECT": daemon.query})
    assert done.returncode == 0
    assert '"role": "master"' in done.stdout


def test_an_unknown_shard_is_reported_in_one_line(program: str, daemon: RunningDaemon) -> None:
    done = run(program, endpoint(program, daemon), "x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{program}: ")
    assert done.stderr.endswith("shard x not found\n")
    assert done.stderr.count("\n") == 1


def test_an_unreachable_daemon_is_reported_in_one_line() -> None:
    done = run("query.py", f"--connect=tcp://{CLOSED_PORT}", "--timeout=0.2")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"query.py: nothing answers at tcp://{CLOSED_PORT}; is a daemon running there?\n"
    )
    done = run("xmlrpc_query.py", f"--connect=http://{CLOSED_PORT}/")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"xmlrpc_query\.py: no answer at .*Connection refused\n", done.stderr)


def test_an_xmlrpc_server_that_does_not_respond_ends_in_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        done = run("xmlrpc_query.py", f"--connect={url}", "--timeout=0.3")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"xmlrpc_query.py: no answer at {url}: timed out\n"


def test_a_wrong_path_of_the_xmlrpc_server_is_reported_in_one_line(daemon: RunningDaemon) -> None:
    done = run("xmlrpc_query.py", f"--connect={daemon.xmlrpc}nowhere")
    assert done.returncode == 1
    assert "404 Not Found" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--connect=nonsense"], ["--kies"], ["--timeout=soon"]])
def test_wrong_usage_ends_with_2(program: str, arguments: list[str]) -> None:
    done = run(program, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", sorted(path.name for path in CLIENTS.glob("*.py")))
def test_each_program_has_help_with_examples_and_a_row_in_the_index(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0
    assert f"examples:\n  {name}" in done.stdout
    assert "exit codes: 0 done" in done.stdout
    assert f"| [{name}]({name}) |" in (CLIENTS / "README.md").read_text()


def test_query_implements_the_protocol_in_about_20_lines() -> None:
    text = (CLIENTS / "query.py").read_text()
    body = text[text.index("    with zmq.Context()") : text.index("def main")]
    assert len(body.splitlines()) <= 22


@pytest.mark.parametrize("name", ["query.py", "stream.py", "xmlrpc_query.py"])
def test_only_mirror_needs_zinfo(name: str) -> None:
    assert not re.search(r"^(from|import) zinfo", (CLIENTS / name).read_text(), re.MULTILINE)
