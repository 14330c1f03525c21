"""RunningDaemon itself."""

from __future__ import annotations

import signal

import pytest

from tests.daemons import DaemonError, RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until


def test_two_daemons_run_at_the_same_time_and_exit_with_0_even_a_suspended_one() -> None:
    with RunningDaemon(args=["--shard=redis://127.0.0.1:1"]) as one, RunningDaemon() as other:
        assert len({one.query, one.bus, other.query, other.bus}) == 4
        assert one.xmlrpc == ""
        assert one.terminate() == 0
        assert not one.running
        assert other.running
        other.suspend()
    assert not other.running
    assert not other.directory.exists()


def test_a_restarted_daemon_has_the_same_endpoints_and_another_process(server: RealServer) -> None:
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
        # It replies before it has written this.
        wait_until(lambda: daemon.log().count("watching 1 shard") == 3, what="three starts")


def test_the_error_of_a_daemon_that_does_not_start_has_its_log() -> None:
    broken = RunningDaemon(config_text="[poll]\nmin_interval = 0")
    with pytest.raises(DaemonError, match=r"poll\.min_interval"), broken:
        pass
    assert not broken.directory.exists()


def test_a_daemon_that_dies_unexpectedly_fails_its_test() -> None:
    daemon = RunningDaemon().start()
    daemon.signal(signal.SIGKILL)  # not by kill(), which would be expected
    wait_until(lambda: not daemon.running, what="its end")
    with pytest.raises(DaemonError, match="ended with -9"):
        daemon.__exit__(None, None, None)
