"""One contract for the programs that run where zinfo does not: all against one real daemon.

Shards are polled when a test asks for it only, so that nothing changes by itself.
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

from tests.cli.running import asked, zinfo
from tests.clients.programs import Running, environment, run
from tests.clients.runtimes import Runtime
from tests.daemons import RunningDaemon
from tests.servers import RealServer, free_port
from tests.waiting import wait_until
from zinfo.aio import Client, Subscriber
from zinfo.client import Delta

ODD = "käse ~1/x"
"""An id that needs quoting in a topic, and more than ASCII when it is printed."""

LARGEST = 2**63 - 1
"""The largest integer that a server says; no floating-point number holds it."""

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
NOBODY = "tcp://127.0.0.1:1"
PROGRAMS = ("query", "stream")

ONLY_WHEN_ASKED = {
    "ZINFO_POLL_MIN_INTERVAL": "600",
    "ZINFO_POLL_MAX_INTERVAL": "600",
    "ZINFO_QUERY_MIN_REFRESH_INTERVAL": "0",
    "ZINFO_QUERY_MAX_REPLY_BYTES": "16000",  # not all shards fit a page
    "ZINFO_BUS_HEARTBEAT": "0.5",
}


@dataclass(frozen=True)
class Fleet:
    """What the programs are pointed at.

    Attributes:
        daemon: the daemon.
        first: a server, whose id is its address.
        second: another one, whose id is ODD; it has the label role=cache.
        dead: id of a shard that nobody listens at.
    """

    daemon: RunningDaemon
    first: RealServer
    second: RealServer
    dead: str

    @property
    def connect(self) -> str:
        """The option that says where the daemon is."""
        return f"--connect={self.daemon.query}"

    def poll(self) -> None:
        """Have the daemon poll, and publish what changed."""
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
        with RunningDaemon(urls, config_text=tables, environ=ONLY_WHEN_ASKED) as daemon:
            daemon.wait_polled(5)
            assert daemon.ask("get_infos").cursor
            yield Fleet(daemon, first, second, dead)


@pytest.fixture(autouse=True)
def _same_again(fleet: Fleet) -> None:
    """Every test begins with the same servers."""
    with fleet.first.client() as client:
        client.flushall()
    fleet.set(maxmemory=0, hz=10)


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def ids(text: str) -> list[str]:
    return [info["meta"]["shard_identifier"] for info in objects(text)]


# --- asking ---


def test_every_shard_comes_with_all_fields_page_by_page(runtime: Runtime, fleet: Fleet) -> None:
    done = run("query", fleet.connect, "--json", runtime=runtime)
    assert (done.returncode, done.stderr) == (0, "")
    assert ids(done.stdout) == sorted([fleet.first.ident, ODD, "more-1", "more-2", "more-3"])
    theirs = objects(zinfo("get", "--json", daemon=fleet.daemon).stdout)
    for info, other in zip(objects(done.stdout), theirs, strict=True):
        assert info["meta"].pop("info_age") < other["meta"].pop("info_age")
        assert info == other
        assert len(info) > 100


def test_its_text_is_that_of_zinfo_get(runtime: Runtime, fleet: Fleet) -> None:
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
    assert f"# {ODD}  up  master  " in done.stdout


def test_shards_keys_prefixes_sections_and_labels_narrow_it(runtime: Runtime, fleet: Fleet) -> None:
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


def test_refresh_has_shards_polled_for_it(runtime: Runtime, fleet: Fleet) -> None:
    ask = ("query", fleet.connect, fleet.first.ident, "--key=db0", "--json")
    with fleet.first.client() as client:
        client.set("a", 1)
    (before,) = objects(run(*ask, runtime=runtime).stdout)
    assert before.keys() == {"meta"}
    (young,) = objects(run(*ask, "--refresh", "--max-age=600", runtime=runtime).stdout)
    assert young["meta"]["revision"] == before["meta"]["revision"]
    (after,) = objects(run(*ask, "--refresh", runtime=runtime).stdout)
    assert after["db0"]["keys"] == 1


def test_integers_of_64_bits_survive(runtime: Runtime, fleet: Fleet) -> None:
    fleet.set(maxmemory=LARGEST)
    ask = ("query", fleet.connect, fleet.first.ident, "--key=maxmemory")
    assert f'"maxmemory": {LARGEST}' in run(*ask, "--json", runtime=runtime).stdout
    assert f"\nmaxmemory:{LARGEST}\n" in run(*ask, runtime=runtime).stdout


def test_nothing_that_matches_is_said_and_no_failure(runtime: Runtime, fleet: Fleet) -> None:
    done = run("query", fleet.connect, "--label", "role=none", runtime=runtime)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "no shard has INFO that matches\n"
    done = run("query", fleet.connect, "--section", "memroy", "--json", runtime=runtime)
    assert (done.returncode, done.stderr) == (0, "no field matches --key and --section\n")


def test_an_unknown_shard_is_told_in_one_line(runtime: Runtime, fleet: Fleet) -> None:
    done = run("query", fleet.connect, "nowhere", runtime=runtime)
    assert (done.returncode, done.stdout) == (1, "")
    name = runtime.programs["query"].rpartition("/")[2]
    assert done.stderr == f"{name}: unknown_shard: shard nowhere not found\n"


# --- both ---


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_environment_can_say_where_the_daemon_is(
    runtime: Runtime, fleet: Fleet, program: str
) -> None:
    environ = {"ZINFO_CONNECT": NOBODY}
    done = run(program, "--timeout=0.3", environ=environ, runtime=runtime)
    assert done.returncode == 1
    assert f"nothing answers at {NOBODY}; " in done.stderr
    done = run(program, fleet.connect, "--prefix", environ=environ, runtime=runtime)
    assert NOBODY not in done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_nobody_there_is_told_in_one_line(runtime: Runtime, program: str) -> None:
    done = run(program, f"--connect={NOBODY}", "--timeout=0.3", runtime=runtime)
    assert (done.returncode, done.stdout) == (1, "")
    name = runtime.programs[program].rpartition("/")[2]
    assert done.stderr == (
        f"{name}: nothing answers at {NOBODY}; does a daemon run there? "
        "(one that asks for keys needs --server-key and --client-key)\n"
    )


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--kies"], "--kies"),
        (["--connect=nonsense"], "--connect nonsense: "),
        (["--timeout=soon"], "soon is no number of seconds"),
        (["--timeout=0"], "0 is not above 0"),
        (["--prefix"], "--prefix says how to take --key, and there is none"),
        (["--client-key=a"], "come together: give both, or none"),
        (["--server-key=/nowhere", "--client-key=a"], "/nowhere: cannot be read: "),
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


# --- following ---


def following(runtime: Runtime, fleet: Fleet, *arguments: str) -> Running:
    """Start the stream, and wait until it has joined and looked at the daemon's cache."""
    before = asked(fleet.daemon, "get_infos")
    running = Running("stream", fleet.connect, *arguments, runtime=runtime)
    try:
        wait_until(lambda: asked(fleet.daemon, "get_infos") > before, what="the stream to ask")
    except BaseException:
        running.__exit__(None, None, None)
        raise
    return running


def test_a_change_has_time_shard_field_old_and_new_value(runtime: Runtime, fleet: Fleet) -> None:
    wanted = ("--key", "db0", "--key", "maxmemory", "--key", "hz")
    with following(runtime, fleet, *wanted) as stream, fleet.first.client() as client:
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


def test_json_tells_the_kind_of_each_update(runtime: Runtime, fleet: Fleet) -> None:
    wanted = (fleet.first.ident, "--key", "maxmem", "--prefix", "--json")
    with following(runtime, fleet, *wanted) as stream:
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


def test_events_are_told_in_between(runtime: Runtime, fleet: Fleet) -> None:
    with (
        following(runtime, fleet, "--json", "--key=role") as stream,
        following(runtime, fleet, "--key=role", fleet.first.ident) as text,
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


def test_only_the_wanted_shards_are_told(runtime: Runtime, fleet: Fleet) -> None:
    with following(runtime, fleet, ODD, "--key=lru_clock", "--key=hz") as stream:
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


def test_a_shard_that_is_not_there_yet_is_waited_for(runtime: Runtime, fleet: Fleet) -> None:
    before = fleet.daemon.config_path.read_text()
    with following(runtime, fleet, "later", "--key", "role") as stream:
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


def test_silence_return_and_restart_of_the_daemon_are_said(runtime: Runtime, fleet: Fleet) -> None:
    with following(runtime, fleet, "--key", "hz", "--json") as stream:
        fleet.daemon.suspend()
        stale = stream.until(update="stale")
        assert re.fullmatch(r"no heartbeat for \d+\.\d s", stale["message"])
        assert stale["shard"] is None
        fleet.daemon.resume()
        assert stream.until(update="again")["message"] == "the daemon is heard again"
        fleet.set(hz=13)
        change = stream.until(update="change")
        assert (change["old"], change["new"]) == (10, 13)
        fleet.daemon.restart()
        assert " was started again" in stream.until(update="restart")["message"]
        fleet.daemon.wait_polled(5)
        wait_until(lambda: asked(fleet.daemon, "get_infos"), what="the new daemon to be asked")
        fleet.set(hz=14)
        change = stream.until(update="change", new=14)
        assert change.get("old") in (None, 13)  # it may have looked before the first poll
        stream.interrupt()
        assert stream.end() == (130, "")


def end_of(runtime: Runtime, fleet: Fleet, program: str, stdout: IO[bytes]) -> tuple[int, str]:
    """Exit code and stderr of a program that gets something to print until it ends."""

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
def test_output_that_nobody_reads_any_more_ends_it_quietly(
    runtime: Runtime, fleet: Fleet, program: str
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as unread:
        code, said = end_of(runtime, fleet, program, unread)
    assert code in (0, -signal.SIGPIPE)
    assert said == ""


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_full_disk_is_told_in_one_line(runtime: Runtime, fleet: Fleet, program: str) -> None:
    with Path("/dev/full").open("wb") as full:
        code, said = end_of(runtime, fleet, program, full)
    name = runtime.programs[program].rpartition("/")[2]
    assert said == f"{name}: the output cannot be written: No space left on device\n"
    assert code == 1


def test_ctrl_c_before_the_daemon_has_answered_ends_it_quietly(runtime: Runtime) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.settimeout(10)
        ask = (f"--connect=tcp://127.0.0.1:{mute.getsockname()[1]}", "--timeout=60")
        with Running("stream", *ask, runtime=runtime) as stream:
            mute.accept()[0].close()  # it is there, and waits for what never comes
            stream.interrupt()
            assert stream.end() == (130, "")


# --- and asyncio, against the same daemon


def test_asyncio_gets_what_the_others_get(fleet: Fleet) -> None:
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

    infos, delta = asyncio.run(asyncio.wait_for(ask(), 20))
    assert ODD in {info["meta"]["shard_identifier"] for info in infos}
    assert delta.shard == fleet.first.ident
    of_first = next(i for i in infos if i["meta"]["shard_identifier"] == fleet.first.ident)
    assert of_first["maxmemory"] >= delta.set["maxmemory"]
