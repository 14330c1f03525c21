"""Signals at bad moments: a broken file, peers that read nothing, a loop that was held up."""

from __future__ import annotations

import contextlib
import math
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import zmq

from tests.bus_subscriber import subscribed
from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.servers import RealServer
from tests.spawning import command_prefix
from tests.waiting import wait_until
from zinfo.wire.query_messages import Request, encode_request

SUBSCRIBERS, ASKERS = 4, 4

QUESTIONS = 1500
"""Of each client that reads no answer; more answers than ZeroMQ holds for one."""

END_SECONDS = 2.0
"""Within which a daemon ends, whatever its peers do."""

HEARTBEAT = 0.2  # seconds

HELD = 1.5
"""Seconds for which the whole daemon is held up."""

LISTEN = """
import sys, zmq
socket = zmq.Context().socket(zmq.SUB)
socket.rcvbuf = 4096
socket.rcvhwm = 1
socket.subscribe(b"")
socket.connect(sys.argv[1])
socket.recv_multipart()
print("subscribed", flush=True)
sys.stdin.read()
"""
"""A subscriber to everything that reads one message."""


def wait_logged(daemon: RunningDaemon, says: str, begin: int) -> None:
    """Wait until the daemon has logged something, behind so many characters."""
    wait_until(lambda: says in daemon.log()[begin:], what=says)


def test_a_broken_file_leaves_the_old_configuration_and_every_error_is_told(
    server: RealServer, promise: Promise
) -> None:
    table = f'[[shards]]\nurl = "{server.url}"\n'
    with RunningDaemon(config_text=table) as daemon:
        daemon.wait_polled(1)
        before: Any = daemon.ask("stats").body
        broken = ["[[shards]\n", table + "tiemout = 1\n", '[poll]\ntimeout = "soon"\n', ""]
        told = ["configuration not taken", "tiemout", "poll.timeout", "not taken"]
        daemon.config_path.write_text(broken[0])
        for text, says in zip(broken[:3], told[:3], strict=True):
            begin = len(daemon.log())
            daemon.config_path.write_text(text)
            daemon.signal(signal.SIGHUP)
            wait_logged(daemon, says, begin)
        daemon.config_path.unlink()
        begin = len(daemon.log())
        daemon.signal(signal.SIGHUP)
        wait_logged(daemon, "configuration not taken", begin)
        after: Any = daemon.ask("stats").body
        more = after["poll"]["connects"] - before["poll"]["connects"]
        promise(
            "SIGHUP with a broken file, or none",
            "old configuration stays, errors told",
            f"4 files, {after['shards']} as before, {more} new connections",
        )
        assert after["shards"] == {"up": 1}
        assert more == 0
        assert "Traceback" not in daemon.log()


@contextlib.contextmanager
def stopped_subscribers(bus: str) -> Iterator[None]:
    """Subscribe to everything in processes that are then stopped."""
    with contextlib.ExitStack() as stack:
        children = []
        for _ in range(SUBSCRIBERS):
            child = stack.enter_context(
                subprocess.Popen(
                    [*command_prefix(), sys.executable, "-c", LISTEN, bus],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            stack.callback(child.kill)
            children.append(child)
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == b"subscribed\n"
            child.send_signal(signal.SIGSTOP)
        yield


@contextlib.contextmanager
def silent_askers(query: str) -> Iterator[None]:
    """Ask for everything, again and again, and read no answer."""
    with zmq.Context() as context, contextlib.ExitStack() as stack:
        for _ in range(ASKERS):
            socket = stack.enter_context(context.socket(zmq.DEALER))
            socket.linger = 0
            socket.rcvhwm = 1
            socket.rcvbuf = 4096
            socket.sndtimeo = 10_000
            socket.connect(query)
            for number in range(QUESTIONS):
                socket.send_multipart([b"", *encode_request(Request("get_infos", id=number))])
        yield


def test_peers_that_read_nothing_do_not_keep_a_daemon_from_ending(
    server: RealServer, promise: Promise
) -> None:
    environ = {"ZINFO_POLL_MIN_INTERVAL": "0.01", "ZINFO_POLL_MAX_INTERVAL": "0.01"}
    with (
        RunningDaemon([server.url], environ=environ) as daemon,
        stopped_subscribers(daemon.bus),
        silent_askers(daemon.query),
    ):
        daemon.wait_polled(1)

        def unread() -> bool:
            stats: Any = daemon.ask("stats").body
            return bool(stats["query"]["dropped"].get("client does not read"))

        wait_until(unread, 30, "answers that nobody reads")
        stats: Any = daemon.ask("stats").body
        begun = time.monotonic()
        code = daemon.terminate()
        took = time.monotonic() - begun
        promise(
            f"SIGTERM with {SUBSCRIBERS} stopped subscribers, {ASKERS} clients that do not read",
            f"exit 0 within {END_SECONDS:g} s",
            f"exit {code} in {took:.2f} s; {stats['query']['dropped']} dropped, "
            f"{sum(stats['bus']['messages'].values())} messages published",
        )
        assert code == 0
        assert took < END_SECONDS


def test_a_loop_that_was_held_up_is_measured_and_told(promise: Promise) -> None:
    with (
        RunningDaemon(environ={"ZINFO_BUS_HEARTBEAT": str(HEARTBEAT)}) as daemon,
        subscribed(daemon.bus, b"z1/hb/") as subscriber,
    ):

        def lag(least: float, most: float) -> float:
            """Return the lag of the next heartbeat in which it is between the two."""
            received = subscriber.until(
                lambda one: one.kind == "hb" and least <= one.body["lag"] < most
            )
            found: float = received[-1].body["lag"]
            return found

        calm = lag(0.0, 0.1)
        time.sleep(HEARTBEAT / 2)  # it waits for the next by now: that wait is what is measured
        daemon.suspend()
        time.sleep(HELD)  # what is measured
        daemon.resume()
        held = lag(0.5, math.inf)
        stats: Any = daemon.ask("stats").body
        promise(
            f"the daemon's loop is held up for {HELD:g} s",
            "lag in heartbeats and stats",
            f"heartbeat {held:.2f} s, hub_lag_max {stats['hub_lag_max']:.2f} s, "
            f"{calm * 1000:.1f} ms before",
        )
        assert HELD - HEARTBEAT - 0.1 <= held <= HELD + 2
        assert stats["hub_lag_max"] >= held
        assert stats["hub_lag"] <= stats["hub_lag_max"]
