"""The same tests for the clients on all runtimes, with one real daemon.

Shards are polled only when a test requests it, so that nothing changes by itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from tests.cli.running import request_count, zinfo
from tests.clients.programs import Running, environment, run
from tests.clients.runtimes import Runtime
from tests.daemons import RunningDaemon
from tests.servers import RealServer, free_port
from tests.waiting import wait_until
from zinfo.aio import Client, Subscriber
from zinfo.client import Delta

ODD = "käse ~1/x"
"""An id that is percent-encoded in a topic, and not ASCII when it is printed."""

LARGEST = 2**63 - 1
"""The largest integer that a server can report; no floating-point number represents it."""

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
CLOSED_PORT = "tcp://127.0.0.1:1"
PROGRAMS = ("query", "stream")

POLL_ON_REQUEST = {
    "ZINFO_POLL_MIN_INTERVAL": "600",
    "ZINFO_POLL_MAX_INTERVAL": "600",
    "ZINFO_QUERY_MIN_REFRESH_INTERVAL": "0",
    "ZINFO_QUERY_MAX_REPLY_BYTES": "16000",  # not all shards fit into a page
    "ZINFO_BUS_HEARTBEAT": "1",
}


@dataclass(frozen=True)
class Fleet:
    """The daemon of these tests, and its shards.

    Attributes:
        daemon: The daemon.
        first: A server whose id is its address.
        second: A server whose id is ODD, with the label role=cache.
        dead: Id of a shard at a closed port.
    """

    daemon: RunningDaemon
    first: RealServer
    second: RealServer
    dead: str

    @property
    def connect(self) -> str:
        """The option for the daemon's endpoint."""
        return f"--connect={self.daemon.query}"

    def poll(self) -> None:
        """Make the daemon poll all shards, and publish changes."""
        assert self.daemon.ask("get_infos", refresh=True, keys=["role"]).error is None

    def set(self, **values: object) -> None:
        """Change the configuration of the first server, and poll."""
        with self.first.client() as client:
            for name, value in values.items():
                client.config_set(name, str(value))
        self.poll()


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    dead = f"127.0.0.1:{free_port()}"
    with RealServer() as first, RealServer() as second:
        tables = "".join(
            f'[[shards]]\nid = "{ident}"\nurl = "{second.url}"\nlabels = {{ role = "cache" }}\n'
            for ident in (ODD, "more-1", "more-2", "more-3")
        )
        urls = [first.url, f"redis://{dead}"]
        with RunningDaemon(urls, config_text=tables, environ=POLL_ON_REQUEST) as daemon:
            daemon.wait_polled(5)
            assert daemon.ask("get_infos").cursor
            yield Fleet(daemon, first, second, dead)


@pytest.fixture(autouse=True)
def _reset(fleet: Fleet) -> None:
    """Every test starts with the same configuration and data."""
    with fleet.first.client() as client:
        client.flushall()
    fleet.set(maxmemory=0, hz=10)


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def ids(text: str) -> list[str]:
    return [info["meta"]["shard_identifier"] for info in objects(text)]


# --- queries ---


def test_all_shards_are_printed_with_all_fields_page_by_page(
    each_runtime: Runtime, fleet: Fleet
) -> None:
    done = run("query", fleet.connect, "--json", runtime=each_runtime)
    assert (done.returncode, done.stderr) == (0, "")
    assert ids(done.stdout) == sorted([fleet.first.ident, ODD, "more-1", "more-2", "more-3"])
    theirs = objects(zinfo("get", "--json", daemon=fleet.daemon).stdout)
    for info, other in zip(objects(done.stdout), theirs, strict=True):
        assert info["meta"].pop("info_age") < other["meta"].pop("info_age")
        assert info == other
        assert len(info) > 100


def test_the_text_is_that_of_zinfo_get(runtime: Runtime, fleet: Fleet) -> None:
    with fleet.first.client() as client:
        client.set("a", 1)
    fleet.poll()
    names = ("role", "redis_version", "db0", "executable", "maxmemory", "io_threads_active")
    wanted = [f"--key={name}" for name in names]
    ask = [fleet.dead, ODD, fleet.first.ident, "nowhere", "--partial", *wanted]
    done = run("query", fleet.connect, *ask, runtime=runtime)
    assert (done.returncode, done.stderr) == (0, "")

    def ageless(text: str) -> str:
        return re.sub(r"\d+\.\d s old", "some s old", text)

    assert ageless(done.stdout) == ageless(zinfo("get", *ask, daemon=fleet.daemon).stdout)
    assert "db0:keys=1,expires=0,avg_ttl=0\n" in done.stdout
    assert f"# {ODD}  up  primary  " in done.stdout
    unknown = objects(run("query", fleet.connect, *ask, "--json", runtime=runtime).stdout)
    assert unknown[0] == objects(zinfo("get", *ask, "--json", daemon=fleet.daemon).stdout)[0]
    assert unknown[0]["meta"]["info_age"] is None


def test_shards_keys_prefixes_sections_and_labels_select(runtime: Runtime, fleet: Fleet) -> None:
    def names(*arguments: str) -> set[str]:
        done = run("query", fleet.connect, "--json", *arguments, runtime=runtime)
        assert (done.returncode, done.stderr) == (0, "")
        return {name for info in objects(done.stdout) for name in info} - {"meta"}

    assert names("more-1", "--key", "role", "more-2", "--key=hz") == {"role", "hz"}
    assert names("--prefix", "--key", "used_cpu", ODD) >= {"used_cpu_sys", "used_cpu_user"}
    assert names("--section", "cluster", "--section=CPU") >= {"cluster_enabled", "used_cpu_sys"}
    assert "used_memory" not in names("--section", "cluster")
    labelled = run("query", fleet.connect, "--json", "--label", "role=cache", runtime=runtime)
    assert set(ids(labelled.stdout)) == {ODD, "more-1", "more-2", "more-3"}


def test_refresh_polls_shards_first(runtime: Runtime, fleet: Fleet) -> None:
    ask = ("query", fleet.connect, fleet.first.ident, "--key=db0", "--json")
    with fleet.first.client() as client:
        client.set("a", 1)
    (before,) = objects(run(*ask, runtime=runtime).stdout)
    assert before.keys() == {"meta"}
    (young,) = objects(run(*ask, "--refresh", "--max-age=600", runtime=runtime).stdout)
    assert young["meta"]["revision"] == before["meta"]["revision"]
    (after,) = objects(run(*ask, "--refresh", runtime=runtime).stdout)
    assert after["db0"]["keys"] == 1


def test_integers_of_64_bits_are_printed_exactly(runtime: Runtime, fleet: Fleet) -> None:
    fleet.set(maxmemory=LARGEST)
    ask = ("query", fleet.connect, fleet.first.ident, "--key=maxmemory")
    assert f'"maxmemory": {LARGEST}' in run(*ask, "--json", runtime=runtime).stdout
    assert f"\nmaxmemory:{LARGEST}\n" in run(*ask, runtime=runtime).stdout


def test_an_empty_result_is_reported_and_not_a_failure(runtime: Runtime, fleet: Fleet) -> None:
    done = run("query", fleet.connect, "--label", "role=none", runtime=runtime)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "no shard has INFO that matches\n"
    done = run("query", fleet.connect, "--section", "memroy", "--json", runtime=runtime)
    assert (done.returncode, done.stderr) == (0, "no field matches --key and --section\n")


def test_an_unknown_shard_is_reported_in_one_line(runtime: Runtime, fleet: Fleet) -> None:
    done = run("query", fleet.connect, "nowhere", runtime=runtime)
    assert (done.returncode, done.stdout) == (1, "")
    name = runtime.programs["query"].rpartition("/")[2]
    assert done.stderr == f"{name}: unknown_shard: shard nowhere not found\n"


# --- both ---


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_endpoint_can_be_set_in_the_environment(
    runtime: Runtime, fleet: Fleet, program: str
) -> None:
    environ = {"ZINFO_CONNECT": CLOSED_PORT}
    done = run(program, "--timeout=0.3", environ=environ, runtime=runtime)
    assert done.returncode == 1
    assert f"nothing answers at {CLOSED_PORT}; " in done.stderr
    done = run(program, fleet.connect, "--prefix", environ=environ, runtime=runtime)
    assert CLOSED_PORT not in done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_unreachable_daemon_is_reported_in_one_line(runtime: Runtime, program: str) -> None:
    done = run(program, f"--connect={CLOSED_PORT}", "--timeout=0.3", runtime=runtime)
    assert (done.returncode, done.stdout) == (1, "")
    name = runtime.programs[program].rpartition("/")[2]
    assert done.stderr == (
        f"{name}: nothing answers at {CLOSED_PORT}; is a daemon running there? "
        "(if it requires keys, give --server-key and --client-key)\n"
    )


WRONG = [
    (["--kies"], "--kies"),
    (["--prefix"], "--prefix needs at least one --key"),
    (["--client-key=a"], "belong together: give both, or none"),
    (["--connect=nonsense"], "--connect nonsense: "),
    (["--timeout=soon"], "found soon, expected a number of seconds"),
    (["--timeout=0"], "found 0, expected seconds above 0"),
    (["--server-key=/nowhere", "--client-key=a"], "/nowhere: cannot be read: "),
]
"""Wrong arguments of both programs, with the messages."""

SHARED = {"--connect", "--timeout", "--server-key"}
"""Options whose errors come from code that both programs share: only at night for both."""


@pytest.mark.parametrize(
    ("program", "arguments", "expected"),
    [
        pytest.param(
            *(program, arguments, expected),
            marks=[pytest.mark.slow]
            if program == "stream" and arguments[0].partition("=")[0] in SHARED
            else [],
            id=f"{program}-{arguments[0]}",
        )
        for program in PROGRAMS
        for arguments, expected in WRONG
    ],
)
def test_wrong_usage_ends_with_2(
    runtime: Runtime, program: str, arguments: list[str], expected: str
) -> None:
    done = run(program, *arguments, runtime=runtime)
    assert (done.returncode, done.stdout) == (2, "")
    usage, error = done.stderr.splitlines()
    assert usage.startswith("usage: ")
    assert expected in error


@pytest.mark.parametrize("arguments", [["--label=role"], ["--label==x"], ["--max-age=-1"]])
def test_wrong_labels_and_ages_end_with_2(runtime: Runtime, arguments: list[str]) -> None:
    done = run("query", *arguments, runtime=runtime)
    assert (done.returncode, done.stdout) == (2, "")
    assert arguments[0].partition("=")[2] in done.stderr.splitlines()[1]


@pytest.mark.parametrize("program", PROGRAMS)
def test_its_help_has_examples_and_exit_codes(runtime: Runtime, program: str) -> None:
    done = run(program, "--help", runtime=runtime)
    name = runtime.programs[program].rpartition("/")[2]
    assert (done.returncode, done.stderr) == (0, "")
    assert f"examples:\n  {name}" in done.stdout
    assert "exit codes: 0 done" in done.stdout
    for option in ("--key", "--prefix", "--connect", "--timeout", "--server-key", "--json"):
        assert option in done.stdout


# --- streams ---


def joined_stream(runtime: Runtime, fleet: Fleet, *arguments: str) -> Running:
    """Start the stream, and wait until it has joined and queried the daemon's cache."""
    before = request_count(fleet.daemon, "get_infos")
    running = Running("stream", fleet.connect, *arguments, runtime=runtime)
    try:
        wait_until(
            lambda: request_count(fleet.daemon, "get_infos") > before, what="the stream to ask"
        )
    except BaseException:
        running.__exit__(None, None, None)
        raise
    return running


def test_a_change_has_time_shard_field_old_and_new_value(
    each_runtime: Runtime, fleet: Fleet
) -> None:
    wanted = ("--key", "db0", "--key", "maxmemory", "--key", "hz")
    with joined_stream(each_runtime, fleet, *wanted) as stream, fleet.first.client() as client:
        ident = re.escape(fleet.first.ident)
        fleet.set(hz=42)
        assert re.fullmatch(rf"{STAMP} {ident} hz: 10 -> 42", stream.line())
        client.set("a", 1)
        fleet.poll()
        assert stream.line().endswith(" db0: - -> keys=1,expires=0,avg_ttl=0")
        client.set("b", 1)
        fleet.poll()
        assert stream.line().endswith(" db0: keys=1 -> keys=2")
        client.flushall()
        fleet.set(maxmemory=LARGEST)
        lines = {stream.line().partition(f"{fleet.first.ident} ")[2] for _ in range(2)}
        assert lines == {f"maxmemory: 0 -> {LARGEST}", "db0: keys=2,expires=0,avg_ttl=0 -> -"}
        stream.interrupt()
        assert stream.end() == (130, "")


def test_json_has_the_type_of_each_update(runtime: Runtime, fleet: Fleet) -> None:
    wanted = (fleet.first.ident, "--key", "maxmem", "--prefix", "--json")
    with joined_stream(runtime, fleet, *wanted) as stream:
        fleet.set(maxmemory=2 << 20)
        changes = [stream.json() for _ in range(2)]
        assert all(isinstance(change.pop("time"), float | int) for change in changes)
        revision = {change.pop("revision") for change in changes}
        assert len(revision) == 1
        same = {"update": "change", "shard": fleet.first.ident}
        assert changes == [
            {**same, "field": "maxmemory", "old": 0, "new": 2 << 20},
            {**same, "field": "maxmemory_human", "old": "0B", "new": "2.00M"},
        ]
        fleet.set(maxmemory=LARGEST)
        assert f'"new": {LARGEST}' in stream.line()


def test_events_are_printed_among_changes(runtime: Runtime, fleet: Fleet) -> None:
    with (
        joined_stream(runtime, fleet, "--json", "--key=role") as stream,
        joined_stream(runtime, fleet, "--key=role", fleet.first.ident) as text,
    ):
        fleet.first.kill()
        down = stream.until(update="event", shard=fleet.first.ident, type="down")
        assert list(down) == [
            *("update", "shard", "type", "old", "new", "reason"),
            *("message", "number", "seq", "time"),
        ]
        assert (down["old"], down["new"], down["reason"]) == ("up", "down", "refused")
        fleet.first.start()
        stream.until(update="event", shard=fleet.first.ident, type="up")
        line = rf"{STAMP} {re.escape(fleet.first.ident)} #{down['number']} down \(refused\), was up"
        assert re.match(line, text.line())


def test_only_the_wanted_shards_are_printed(runtime: Runtime, fleet: Fleet) -> None:
    with joined_stream(runtime, fleet, ODD, "--key=lru_clock", "--key=hz") as stream:
        fleet.set(hz=11)
        with fleet.second.client() as client:
            client.config_set("hz", 12)
        fleet.poll()
        while True:
            line = stream.line()
            assert f" {ODD} " in line
            if " hz: " in line:
                break
        with fleet.second.client() as client:
            client.config_set("hz", 10)


def test_a_shard_that_does_not_exist_yet_is_awaited(runtime: Runtime, fleet: Fleet) -> None:
    before = fleet.daemon.config_path.read_text()
    with joined_stream(runtime, fleet, "later", "--key", "role") as stream:
        try:
            late = f'{before}[[shards]]\nid = "later"\nurl = "{fleet.second.url}"\n'
            fleet.daemon.config_path.write_text(late)
            fleet.daemon.signal(signal.SIGHUP)
            assert stream.line().endswith(" added")
            assert stream.line().endswith(" up, was new")
            assert stream.line().endswith(" later role: - -> master")
        finally:
            fleet.daemon.config_path.write_text(before)
            fleet.daemon.signal(signal.SIGHUP)
        assert stream.line().endswith(" removed")
        stream.interrupt()
        assert stream.end() == (130, "shard later not found; waiting for it\n")


def test_missed_heartbeats_recovery_and_restart_of_the_daemon_are_printed(
    runtime: Runtime, fleet: Fleet
) -> None:
    with joined_stream(runtime, fleet, "--key", "hz", "--json") as stream:
        fleet.daemon.suspend()
        stale = stream.until(update="stale")
        assert re.fullmatch(r"no heartbeat for \d+\.\d s", stale["message"])
        assert stale["shard"] is None
        fleet.daemon.resume()
        assert stream.until(update="again")["message"] == "the daemon responds again"
        fleet.set(hz=13)
        change = stream.until(update="change")
        assert (change["old"], change["new"]) == (10, 13)
        fleet.daemon.restart()
        assert " was restarted" in stream.until(update="restart")["message"]
        fleet.daemon.wait_polled(5)
        wait_until(
            lambda: request_count(fleet.daemon, "get_infos"), what="a query of the new daemon"
        )
        fleet.set(hz=14)
        change = stream.until(update="change", new=14)
        assert change.get("old") in (None, 13)  # it may have queried before the first poll
        stream.interrupt()
        assert stream.end() == (130, "")


def end_of(runtime: Runtime, fleet: Fleet, program: str, stdout: IO[bytes]) -> tuple[int, str]:
    """Exit code and stderr of a program that has output to write until it ends."""

    def gone() -> bool:
        fleet.set(hz=15)
        fleet.set(hz=10)
        return process.poll() is not None

    with subprocess.Popen(
        runtime.line(program, fleet.connect, "--json"),
        env=environment(runtime),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_until(gone, what="it to end")
            return process.returncode, process.communicate()[1]
        finally:
            process.kill()


@pytest.mark.parametrize("program", PROGRAMS)
def test_closed_output_ends_the_program_quietly(
    runtime: Runtime, fleet: Fleet, program: str
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as unread:
        code, stderr = end_of(runtime, fleet, program, unread)
    assert code in (0, -signal.SIGPIPE)
    assert stderr == ""


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_full_disk_is_reported_in_one_line(runtime: Runtime, fleet: Fleet, program: str) -> None:
    with Path("/dev/full").open("wb") as full:
        code, stderr = end_of(runtime, fleet, program, full)
    name = runtime.programs[program].rpartition("/")[2]
    assert stderr == f"{name}: the output cannot be written: No space left on device\n"
    assert code == 1


def test_ctrl_c_before_the_first_reply_ends_it_quietly(runtime: Runtime) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.settimeout(60)
        ask = (f"--connect=tcp://127.0.0.1:{mute.getsockname()[1]}", "--timeout=100")
        with Running("stream", *ask, runtime=runtime) as stream:
            mute.accept()[0].close()  # it has connected, and waits for a reply
            stream.interrupt()
            assert stream.end() == (130, "")


# --- zinfo.aio, with the same daemon ---


def test_the_asyncio_client_gets_the_same(fleet: Fleet) -> None:
    async def ask() -> tuple[list[dict[str, Any]], Delta]:
        async with Client(fleet.daemon.query) as client, Subscriber(fleet.daemon.query) as updates:
            waiting = asyncio.ensure_future(first_delta(updates))
            maxmemory = 1 << 30
            while not waiting.done():  # until it has joined, and sees a change
                maxmemory += 4096
                await asyncio.to_thread(fleet.set, maxmemory=maxmemory)
                await asyncio.wait([waiting], timeout=0.2)
            return await client.get_infos(keys=["role", "maxmemory"]), await waiting

    async def first_delta(updates: Subscriber) -> Delta:
        async for update in updates:
            if isinstance(update, Delta) and "maxmemory" in update.set:
                return update
        raise AssertionError("the stream ended")

    infos, delta = asyncio.run(asyncio.wait_for(ask(), 60))
    assert ODD in {info["meta"]["shard_identifier"] for info in infos}
    assert delta.shard == fleet.first.ident
    of_first = next(i for i in infos if i["meta"]["shard_identifier"] == fleet.first.ident)
    assert of_first["maxmemory"] >= delta.set["maxmemory"]
