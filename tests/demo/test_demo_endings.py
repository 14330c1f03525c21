"""However a demo ends, it leaves no process and no file, and restores the terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.running import GONE_SECONDS, ROOT, RunningDemo, wait_for_processes
from tests.waiting import wait_until

ENTER_SCREEN, LEAVE_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"
HIDE_CURSOR, SHOW_CURSOR = b"\x1b[?25l", b"\x1b[?25h"

# Python that gives its process the terminal at its standard input, and becomes the demo. SIGHUP is
# ignored where the tests run under nohup.
IN_TERMINAL = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""

HEADING = b"clients"
"""A word that only the table's head has."""

SHOWING = " interval 0.5s"
"""What is printed once everything runs."""


class Terminal:
    """A pseudo-terminal of 80 columns and 24 lines, and what was written to it."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.set_blocking(self.ours, False)
        self._seen = b""

    @property
    def seen(self) -> bytes:
        """Everything that was written to it."""
        with contextlib.suppress(
            BlockingIOError, OSError
        ):  # EIO: no process has it open any longer
            while more := os.read(self.ours, 65536):
                self._seen += more
        return self._seen

    def close(self) -> None:
        for descriptor in (self.ours, self.theirs):
            with contextlib.suppress(OSError):
                os.close(descriptor)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


@contextlib.contextmanager
def demo_in(terminal: Terminal, directory: Path) -> Iterator[RunningDemo]:
    """Start a demo in a terminal, and wait until its table is there."""
    with RunningDemo(
        directory,
        "--shards",
        "1",
        environ={"TERM": "xterm-256color"},
        prefix=(sys.executable, "-c", IN_TERMINAL),
        terminal=terminal.theirs,
    ) as demo:
        wait_until(lambda: HEADING in terminal.seen, GONE_SECONDS, "the table")
        yield demo


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_a_demo_that_is_ended_while_it_starts_leaves_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    with RunningDemo(tmp_path) as demo:
        wait_for_processes(lambda: len(demo.processes()) >= 3, "reaper and first server")
        demo.end(number)
        assert demo.errors == ""
        demo.assert_nothing_left()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a parent's death")
def test_the_kernel_ends_the_children_where_both_demo_and_reaper_were_killed(
    tmp_path: Path,
) -> None:
    with RunningDemo(tmp_path, "--shards", "1") as demo:
        demo.wait_for(SHOWING)
        demo.child("reaper.py").kill()
        demo.end(signal.SIGKILL)
        wait_for_processes(lambda: not demo.processes(), "the server and the daemon to end")


def test_a_demo_whose_output_pipe_is_closed_ends_without_an_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m zinfo demo --shards 1 | head -n 3"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 3)
    assert not list(tmp_path.iterdir())


def test_a_demo_whose_daemon_dies_fails_with_an_error(tmp_path: Path) -> None:
    with RunningDemo(tmp_path, "--shards", "1") as demo:
        demo.wait_for(SHOWING)
        demo.child("zinfo serve").kill()
        assert demo.end() == 1
        assert demo.errors.startswith("Error: the daemon ended; exit code -9, last words: ")
        demo.assert_nothing_left()


def test_a_hanging_daemon_is_reported_and_without_its_reaper_a_demo_cleans_up_itself(
    tmp_path: Path,
) -> None:
    with RunningDemo(tmp_path, "--shards", "1") as demo:
        demo.wait_for(SHOWING)
        demo.child("reaper.py").kill()
        daemon = demo.child("zinfo serve")
        daemon.suspend()
        demo.wait_for(" STALE: no ")
        daemon.resume()
        demo.wait_for(" current again")
        assert demo.end(signal.SIGTERM) == 0
        demo.assert_nothing_left()


def test_on_a_terminal_a_table_is_redrawn_in_place_and_the_last_one_stays(
    tmp_path: Path, terminal: Terminal
) -> None:
    with demo_in(terminal, tmp_path) as demo:
        wait_until(
            lambda: terminal.seen.count(HEADING) > 2,
            timeout=GONE_SECONDS,
            what="the table drawn again",
        )
        demo.process.send_signal(signal.SIGINT)
        wait_until(lambda: b"up again" in terminal.seen, timeout=GONE_SECONDS, what="the summary")
        assert demo.end() == 0
        assert demo.errors == ""
        demo.assert_nothing_left()
    shown, _, after = terminal.seen.partition(LEAVE_SCREEN)
    assert ENTER_SCREEN in shown
    assert HIDE_CURSOR in shown
    assert b"\x1b[2K" not in shown  # a line erased before it is drawn flickers
    assert SHOW_CURSOR in terminal.seen[terminal.seen.rindex(HIDE_CURSOR) :]
    assert HEADING in after


def test_a_killed_demo_leaves_nothing_and_the_terminal_is_restored(
    tmp_path: Path, terminal: Terminal
) -> None:
    with demo_in(terminal, tmp_path) as demo:
        assert len(demo.processes()) == 4  # itself, reaper, server, daemon
        assert demo.end(signal.SIGKILL) == -signal.SIGKILL
        demo.assert_nothing_left()
        wait_until(lambda: LEAVE_SCREEN in terminal.seen, what="the terminal's own screen")
    assert SHOW_CURSOR in terminal.seen[terminal.seen.rindex(LEAVE_SCREEN) :]


def test_a_demo_whose_terminal_is_closed_ends_and_leaves_nothing(
    tmp_path: Path, terminal: Terminal
) -> None:
    with demo_in(terminal, tmp_path) as demo:
        terminal.close()
        assert demo.end() == 0
        demo.assert_nothing_left()
