"""Signals at bad moments: a broken file, peers that read nothing, a blocked event loop."""

from __future__ import annotations

import contextlib
import itertools
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import zmq

from tests.bus_subscriber import subscribed
from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.servers import RealServer
from tests.spawning import command_prefix
from tests.waiting import wait_until
from zinfo.wire.query_messages import Request, encode_request

SUBSCRIBERS, CLIENTS = 4, 4

REQUESTS = 1500
"""Requests of each client that does not read; more replies than ZeroMQ queues for a peer."""

HEARTBEAT = 0.2  # seconds

BLOCKED = 1.5
"""Seconds for which the whole daemon is stopped."""

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
"""A program that subscribes to everything and reads one message."""


def wait_logged(daemon: RunningDaemon, text: str, start: int) -> None:
    """Wait until the log has a text after its first `start` characters."""
    wait_until(lambda: text in daemon.log()[start:], what=text)


def test_after_a_broken_file_the_old_configuration_stays_and_each_error_is_logged(
    server: RealServer, promise: Promise
) -> None:
    table = f'[[shards]]\nurl = "{server.url}"\n'
    with RunningDaemon(config_text=table) as daemon:
        daemon.wait_polled(1)
        before: Any = daemon.ask("stats").body
        broken = {"[[shards]\n": "configuration not taken", table + "tiemout = 1\n": "tiemout"}
        for text, line in broken.items():
            begin = len(daemon.log())
            daemon.config_path.write_text(text)
            daemon.signal(signal.SIGHUP)
            wait_logged(daemon, line, begin)
        daemon.config_path.unlink()
        begin = len(daemon.log())
        daemon.signal(signal.SIGHUP)
        wait_logged(daemon, "configuration not taken", begin)
        after: Any = daemon.ask("stats").body
        more = after["poll"]["connects"] - before["poll"]["connects"]
        promise(
            "SIGHUP with a broken file, or none",
            "old configuration stays, errors logged",
            f"{len(broken)} files and none, {after['shards']} as before, {more} new connections",
        )
        assert after["shards"] == {"up": 1}
        assert more == 0
        assert "Traceback" not in daemon.log()


@contextlib.contextmanager
def stopped_subscribers(bus: str) -> Iterator[None]:
    """Run processes that subscribe to everything, and stop them."""
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
def clients_that_do_not_read(query: str) -> Iterator[Callable[[], None]]:
    """Send many requests for all INFO, and read no reply; yield a function that sends more.

    A daemon on a busy machine replies to most of a flood that it is busy, which fills no buffer.
    """
    with zmq.Context() as context, contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(CLIENTS):
            socket = stack.enter_context(context.socket(zmq.DEALER))
            socket.linger = 0
            socket.rcvhwm = 1
            socket.rcvbuf = 4096
            socket.sndtimeo = 60_000
            socket.connect(query)
            sockets.append(socket)

        def send_more() -> None:
            for socket, number in itertools.product(sockets, range(REQUESTS)):
                socket.send_multipart([b"", *encode_request(Request("get_infos", id=number))])

        send_more()
        yield send_more


def test_the_daemon_exits_by_itself_while_peers_read_nothing(
    server: RealServer, promise: Promise
) -> None:
    environ = {"ZINFO_POLL_MIN_INTERVAL": "0.01", "ZINFO_POLL_MAX_INTERVAL": "0.01"}
    with (
        RunningDaemon([server.url], environ=environ) as daemon,
        stopped_subscribers(daemon.bus),
        clients_that_do_not_read(daemon.query) as send_more,
    ):
        daemon.wait_polled(1)

        def unread() -> bool:
            stats: Any = daemon.ask("stats").body
            if stats["query"]["dropped"].get("client does not read"):
                return True
            send_more()
            return False

        wait_until(unread, 60, "replies that no client reads")
        stats: Any = daemon.ask("stats").body
        started = time.monotonic()
        code = daemon.terminate()
        took = time.monotonic() - started
        promise(
            f"SIGTERM with {SUBSCRIBERS} stopped subscribers, {CLIENTS} clients that do not read",
            "exit 0, without SIGKILL",
            f"exit {code} in {took:.2f} s; {stats['query']['dropped']} dropped, "
            f"{sum(stats['bus']['messages'].values())} messages published",
        )
        assert code == 0


def test_the_lag_of_a_blocked_event_loop_is_measured_and_published(promise: Promise) -> None:
    with (
        RunningDaemon(environ={"ZINFO_BUS_HEARTBEAT": str(HEARTBEAT)}) as daemon,
        subscribed(daemon.bus, b"z1/hb/") as subscriber,
    ):

        def lag(minimum: float, maximum: float) -> float:
            """Return the lag of the next heartbeat whose lag is in this range."""
            received = subscriber.until(
                lambda one: one.kind == "hb" and minimum <= one.body["lag"] < maximum
            )
            found: float = received[-1].body["lag"]
            return found

        calm = lag(0.0, 0.1)
        time.sleep(
            HEARTBEAT / 2
        )  # the daemon waits for the next heartbeat, whose delay is measured
        daemon.suspend()
        time.sleep(BLOCKED)  # the measured delay
        daemon.resume()
        held = lag(BLOCKED - HEARTBEAT - 0.1, math.inf)
        stats: Any = daemon.ask("stats").body
        promise(
            f"the daemon's event loop is blocked for {BLOCKED:g} s",
            "lag in heartbeats and stats",
            f"heartbeat {held:.2f} s, hub_lag_max {stats['hub_lag_max']:.2f} s, "
            f"{calm * 1000:.1f} ms before",
        )
        assert stats["hub_lag_max"] >= held
        assert stats["hub_lag"] <= stats["hub_lag_max"]
