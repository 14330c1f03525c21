"""Host names that do not resolve, or slowly; no other shard waits for them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.watched import BACKOFF, INTERVAL, SLACK, TIMEOUT, watching_daemon
from tests.promises import Promise
from tests.servers import RealServer
from tests.waiting import wait_until

# Replaces a slow name server. Python runs this module at its start; it replaces the C function that
# gevent calls in a thread.
SLOW_NAMES = """
import _socket
import pathlib
import time

_look_up = _socket.getaddrinfo


def getaddrinfo(host, *args, **kwargs):
    if not str(host).endswith(".test"):
        return _look_up(host, *args, **kwargs)
    if str(host).startswith("hangs"):
        time.sleep(60)  # the fault itself: a name server that does not reply
    until = time.monotonic() + float(pathlib.Path(__file__).with_name("seconds").read_text())
    while time.monotonic() < until:
        time.sleep(0.01)
    return _look_up("127.0.0.1", *args, **kwargs)


_socket.getaddrinfo = getaddrinfo
"""

GIVES_UP = 2 * TIMEOUT
"""Seconds in which connecting and the first INFO succeed or fail."""


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH; names under .test resolve after the seconds in its file."""
    (tmp_path / "sitecustomize.py").write_text(SLOW_NAMES)
    (tmp_path / "seconds").write_text("0")
    return tmp_path


def test_names_that_do_not_resolve_or_resolve_slowly(
    server: RealServer, slow: Path, promise: Promise
) -> None:
    seconds = 2.5
    assert seconds > GIVES_UP
    with watching_daemon(environ={"PYTHONPATH": str(slow)}) as watching:
        started = time.time()
        down = watching.watch("unknown", "redis://no-such-host.invalid:6379").wait_event("down")
        promise(
            "a name does not resolve",
            f"down, dns within {GIVES_UP:g} s",
            f"down, {down['reason']} after {down['time'] - started:.2f} s",
        )
        assert (down["old"], down["reason"]) == ("new", "dns")
        assert down["time"] - started <= GIVES_UP + SLACK
        shard = watching.watch("slow", f"redis://slow.test:{server.port}")
        shard.wait_up()
        (slow / "seconds").write_text(str(seconds))
        since, killed = watching.newest(), time.time()
        server.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        down = shard.wait_event("down", since)
        took = down["time"] - killed
        shard.assert_known("down", shard.facts()["revision"])
        up = shard.wait_event("up", since)
        back = up["time"] - killed
        promise(
            f"a name takes {seconds:g} s to resolve",
            f"down, dns within {GIVES_UP:g} s; up when the next try finds it resolved",
            f"down, {down['reason']} after {took:.2f} s; up after {back:.2f} s",
        )
        assert down["reason"] == "dns"
        assert took <= GIVES_UP + SLACK
        assert back <= seconds + BACKOFF + INTERVAL + SLACK, "the try joins the lookup under way"


def test_names_that_hang_do_not_delay_other_shards(
    server: RealServer, slow: Path, promise: Promise
) -> None:
    hanging = 40
    with watching_daemon(environ={"PYTHONPATH": str(slow)}) as watching:
        watching.watch_all({f"h{n}": f"redis://hangs-{n}.test:6379" for n in range(hanging)})
        number = watching.watch("number", server.url)
        name = watching.watch("name", f"redis://fine.test:{server.port}")
        for shard in (number, name):
            shard.wait_up()
        wait_until(
            lambda: watching.stats()["shards"].get("down") == hanging, 20, "the others to be down"
        )
        since, killed = watching.newest(), time.time()
        server.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        cut = [shard.wait_event("polling_error", since) for shard in (number, name)]
        took = [event["time"] - killed for event in cut]
        stopped = time.monotonic()
        watching.daemon.terminate()
        ended = time.monotonic() - stopped
        promise(
            f"{hanging} names hang for a minute",
            f"others connect again within {SLACK:g} s; SIGTERM ends zinfo in 2 s",
            f"{took[0]:.2f} s by number, {took[1]:.2f} s by name; {ended:.2f} s",
        )
        assert max(took) <= SLACK
        assert ended <= 2 + SLACK
