"""The log cannot be written: the daemon goes on and counts the lost records."""

from __future__ import annotations

import os
import select
import signal
import time

import pytest

from tests.faults.faulty_daemon import FaultyDaemon
from tests.faults.spinning import SPINS, cpu_per_wait
from tests.promises import Promise
from tests.servers import RealServer
from tests.waiting import wait_until

BROKEN = "".join(f"nonsense{number} = 1\n" for number in range(500))
"""A configuration with an error for each of its keys."""


def noise(daemon: FaultyDaemon) -> None:
    """Make the daemon log a traceback, and more lines than it can write."""
    with daemon.broken("saturation"):
        wait_until(lambda: daemon.stats()["restarts"].get("saturation"), what="a crash")
    daemon.config_path.write_text(BROKEN)

    def are_lost() -> bool:
        daemon.signal(signal.SIGHUP)
        return int(daemon.stats()["log"]["lost"]) >= 5

    wait_until(are_lost, 60.0, "records to be lost")


def shard_table(server: RealServer) -> str:
    return f'[[shards]]\nurl = "{server.url}"\n'


@pytest.mark.parametrize("format_", ["text", pytest.param("json", marks=pytest.mark.slow)])
def test_with_a_full_disk_the_daemon_goes_on_and_counts_lost_records(
    server: RealServer, format_: str, promise: Promise
) -> None:
    args = (f"--log-format={format_}",)
    with FaultyDaemon(config_text=shard_table(server), stderr="/dev/full", args=args) as daemon:
        daemon.wait_polled(1)
        noise(daemon)
        lost = daemon.stats()["log"]["lost"]
        busy = cpu_per_wait(daemon.pid)
        started = time.monotonic()
        code = daemon.terminate()
        took = time.monotonic() - started
        promise(
            f"the disk of the log is full ({format_})",
            "goes on, loss counted, exit 0",
            f"{lost} records lost, {1000 * busy:.1f} ms CPU a wait after; "
            f"exit {code} in {took:.2f} s",
        )
        assert lost >= 5
        assert busy < SPINS
        assert code == 0


def test_a_reader_of_the_log_that_stopped_reading_does_not_block_the_daemon(
    server: RealServer, short_tmp: os.PathLike[str], promise: Promise
) -> None:
    pipe = os.path.join(short_tmp, "pipe")  # noqa: PTH118 (a path as text is what a shell wants)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # open, but it does not read
    try:
        with FaultyDaemon(config_text=shard_table(server), stderr=pipe) as daemon:
            daemon.wait_polled(1)
            noise(daemon)
            started = time.monotonic()
            daemon.ask("ping")
            took = time.monotonic() - started
            lost = daemon.stats()["log"]["lost"]
            lines = 0
            while select.select([reader], [], [], 0)[0]:
                lines += os.read(reader, 1 << 16).count(b"\n")
            daemon.config_path.write_text(shard_table(server))
            daemon.signal(signal.SIGHUP)
            wait_until(lambda: select.select([reader], [], [], 0)[0], what="the log again")
            text = os.read(reader, 1 << 16)
            promise(
                "no process reads the pipe of the log",
                "goes on, loss counted, logs again",
                f"{lines} lines in the pipe, {lost} records lost; ping in {took * 1000:.0f} ms",
            )
            assert b"configuration read again" in text
    finally:
        os.close(reader)
