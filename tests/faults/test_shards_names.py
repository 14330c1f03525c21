"""Host names that do not resolve, or slowly; no other shard waits for them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.watched import LONG, SHORT, watching_daemon
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
        time.sleep(3600)  # the fault itself: a name server that does not reply
    folder = pathlib.Path(__file__).parent
    with (folder / "lookups").open("a") as lookups:
        lookups.write(f"{host}\\n")
    while (folder / "held").exists():
        time.sleep(0.01)
    return _look_up("127.0.0.1", *args, **kwargs)


_socket.getaddrinfo = getaddrinfo
"""


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH; names under .test do not resolve while it has the file `held`."""
    (tmp_path / "sitecustomize.py").write_text(SLOW_NAMES)
    return tmp_path


def test_names_that_do_not_resolve_or_resolve_slowly(
    server: RealServer, slow: Path, promise: Promise
) -> None:
    with watching_daemon(environ={"PYTHONPATH": str(slow)}) as watching:
        started = time.time()
        down = watching.watch("unknown", "redis://no-such-host.invalid:6379").wait_event("down")
        promise(
            "a name does not resolve",
            "down, dns",
            f"down, {down['reason']} after {down['time'] - started:.2f} s",
        )
        assert (down["old"], down["reason"]) == ("new", "dns")
        shard = watching.watch("slow", f"redis://slow.test:{server.port}", **SHORT)
        shard.wait_up()
        (slow / "held").touch()
        (slow / "lookups").unlink()
        since, killed = watching.newest(), time.time()
        server.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        down = shard.wait_event("down", since)
        took = down["time"] - killed
        shard.assert_known("down", shard.facts()["revision"])
        shard.wait_failures(1)
        lookups = (slow / "lookups").read_text().split()
        released = time.time()
        (slow / "held").unlink()
        up = shard.wait_event("up", since)
        promise(
            f"a name takes {released - killed:.1f} s to resolve",
            "down, dns; each try joins the lookup under way",
            f"down, {down['reason']} after {took:.2f} s; {len(lookups)} lookups; up "
            f"{up['time'] - released:.2f} s after it resolved",
        )
        assert down["reason"] == "dns"
        assert lookups == ["slow.test"], "the second try joins the lookup under way"


def test_names_that_hang_do_not_delay_other_shards(
    server: RealServer, slow: Path, promise: Promise
) -> None:
    hanging = 40
    with watching_daemon(environ={"PYTHONPATH": str(slow)}) as watching:
        hangs = {f"h{n}": f"redis://hangs-{n}.test:6379" for n in range(hanging)}
        *_, number, name = watching.watch_each(
            [
                *({"id": ident, "url": url, **SHORT} for ident, url in hangs.items()),
                {"id": "number", "url": server.url},
                {"id": "name", "url": f"redis://fine.test:{server.port}"},
            ]
        )
        for shard in (number, name):
            shard.wait_up()
        wait_until(
            lambda: watching.stats()["shards"].get("down") == hanging, LONG, "the others to be down"
        )
        since, killed = watching.newest(), time.time()
        server.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        cut = [shard.wait_event("polling_error", since) for shard in (number, name)]
        took = [event["time"] - killed for event in cut]
        for shard in (number, name):
            shard.wait_polls()
        stopped = time.monotonic()
        code = watching.daemon.terminate()
        ended = time.monotonic() - stopped
        promise(
            f"{hanging} names hang for an hour",
            "others connect again; SIGTERM ends zinfo",
            f"{took[0]:.2f} s by number, {took[1]:.2f} s by name; {ended:.2f} s",
        )
        assert code == 0
