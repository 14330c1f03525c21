"""RunningDaemon does what the other tests rely on."""

from __future__ import annotations

import signal
import time

import pytest

from tests.daemons import DaemonError, RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until


def test_two_run_beside_each_other_and_end_with_0() -> None:
    with RunningDaemon(args=["--shard=redis://127.0.0.1:1"]) as one, RunningDaemon() as other:
        assert len({one.query, one.bus, other.query, other.bus}) == 4
        assert one.xmlrpc == ""
        assert one.terminate() == 0
        assert not one.running
        assert other.running
    assert not other.running
    assert not other.directory.exists()


def test_it_comes_back_at_the_same_endpoints_as_another_process(server: RealServer) -> None:
    with RunningDaemon([server.url], xmlrpc=True) as daemon:
        daemon.wait_polled(1)
        before = (daemon.query, daemon.bus, daemon.xmlrpc)
        seen = {(daemon.pid, daemon.ask("ping").epoch)}
        daemon.restart()
        seen.add((daemon.pid, daemon.ask("ping").epoch))
        daemon.kill()
        daemon.start()
        seen.add((daemon.pid, daemon.ask("ping").epoch))
        assert before == (daemon.query, daemon.bus, daemon.xmlrpc)
        assert len(seen) == 3
        assert daemon.log().count("watching 1 shard") == 3


def test_a_suspended_one_ends_all_the_same() -> None:
    with RunningDaemon() as daemon:
        daemon.suspend()
        begun = time.monotonic()
    assert time.monotonic() - begun < 5


def test_one_that_does_not_start_shows_what_it_said() -> None:
    broken = RunningDaemon(config_text="[poll]\nmin_interval = 0")
    with pytest.raises(DaemonError, match=r"poll\.min_interval"), broken:
        pass
    assert not broken.directory.exists()


def test_one_that_dies_by_itself_fails_its_test() -> None:
    daemon = RunningDaemon().start()
    daemon.signal(signal.SIGKILL)  # by somebody else, as far as it knows
    wait_until(lambda: not daemon.running, what="its end")
    with pytest.raises(DaemonError, match="ended with -9"):
        daemon.__exit__(None, None, None)
