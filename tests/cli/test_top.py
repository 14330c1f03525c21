"""`zinfo top` as a command: in a terminal, and where there is none."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.cli.conftest import Fleet
from tests.cli.running import TIMEOUT, environment, invoke, zinfo
from tests.daemons import ROOT
from tests.servers import free_port

COLOURS = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")
"""What sets a colour; 39 and 49, which set the terminal's own, are none."""

END = "\x1b[?1049l"
"""What gives a terminal its own screen back."""


class Terminal:
    """`zinfo` in a terminal of 80 x 24.

    Args:
        arguments: of the command.
        environ: its whole environment.
        redirected: file descriptors that are no terminal.
        blocked: modules that cannot be imported.
    """

    def __init__(
        self,
        *arguments: str,
        environ: dict[str, str],
        redirected: Sequence[int] = (),
        blocked: Sequence[str] = (),
    ) -> None:
        self.text = ""
        self._number, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        streams = [subprocess.PIPE if number in redirected else other for number in range(3)]
        command = ["-m", "zinfo"]
        if blocked:
            hide = "".join(f"sys.modules[{name!r}] = None; " for name in blocked)
            command = ["-c", f"import sys; {hide}from zinfo.__main__ import main; main()"]
        self.process = subprocess.Popen(
            [sys.executable, *command, *arguments],
            cwd=ROOT,
            env=environ,
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            start_new_session=True,
        )
        os.close(other)

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._number, keys.encode())

    def wait_for(self, *wanted: str) -> None:
        """Wait until all of this was drawn."""
        deadline = time.monotonic() + TIMEOUT
        while not all(one in self.text for one in wanted):
            assert time.monotonic() < deadline, f"{wanted} not drawn: {self.text[-3000:]!r}"
            assert self._read() or self.process.poll() is None, self.text[-3000:]

    def end(self) -> int:
        """Wait for its end, and read its last output; returns its exit code."""
        deadline = time.monotonic() + TIMEOUT
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end: {self.text[-3000:]!r}"
            self._read()
        while self._read():
            pass
        return self.process.returncode

    def close(self) -> None:
        """Take it all away."""
        self.process.kill()
        self.process.communicate()
        os.close(self._number)

    def _read(self) -> bool:
        if not select.select([self._number], [], [], 0.05)[0]:
            return False
        try:
            read = os.read(self._number, 65536)
        except OSError:  # the other end is closed
            return False
        self.text += read.decode(errors="replace")
        return bool(read)


@contextmanager
def terminal(*arguments: str, fleet: Fleet | None = None, **environ: str) -> Iterator[Terminal]:
    """Run a command in a terminal for the `with` block."""
    running = Terminal(*arguments, environ=environment(fleet.daemon if fleet else None, **environ))
    try:
        yield running
    finally:
        running.close()


def test_it_draws_until_it_is_quit_and_gives_the_terminal_back(fleet: Fleet) -> None:
    with terminal("top", fleet=fleet) as top:
        top.wait_for("3 shards", fleet.first.ident, "down: refused")
        assert COLOURS.search(top.text)
        top.press("\r")
        top.wait_for("value of")  # the shard may be the one that is down, without INFO
        top.press("q")
        assert top.end() == 0
        assert END in top.text
        assert "Traceback" not in top.text


def test_a_signal_ends_it_and_gives_the_terminal_back(fleet: Fleet) -> None:
    with terminal("top", fleet=fleet) as top:
        top.wait_for("3 shards")
        top.process.send_signal(signal.SIGTERM)
        assert top.end() == 0
        assert END in top.text


@pytest.mark.parametrize(
    "environ",
    [{"NO_COLOR": "1"}, {"TERM": "vt100"}, {"TERM": "xterm-mono"}],
    ids=["NO_COLOR", "vt100", "xterm-mono"],
)
def test_no_colour_is_set_where_there_are_to_be_none(fleet: Fleet, environ: dict[str, str]) -> None:
    """Ctrl-C ends it here; an old terminal also gets ASCII only."""
    with terminal("top", fleet=fleet, **environ) as top:
        top.wait_for("3 shards", "down: refused")
        top.press("e\r")
        top.wait_for("value of")  # the shard may be the one that is down, without INFO
        top.press("?")
        top.wait_for("Keys of the table")
        top.press("\x03")
        assert top.end() == 0
        assert END in top.text
        assert not COLOURS.search(top.text), COLOURS.findall(top.text)
        if environ.get("TERM") == "vt100":
            assert top.text.isascii()


def test_where_no_daemon_answers_it_says_so_in_one_line() -> None:
    nowhere = f"tcp://127.0.0.1:{free_port()}"
    with terminal("top", "--connect", nowhere, "--timeout", "0.5") as top:
        assert top.end() == 1
        assert top.text.startswith(
            f"Error: nothing answers at {nowhere}: connection refused; start"
        )
        assert top.text.count("\n") == 1


def test_without_textual_it_says_what_to_install(fleet: Fleet) -> None:
    running = Terminal("top", environ=environment(fleet.daemon), blocked=["textual"])
    try:
        assert running.end() == 1
        command = f"{sys.executable} -m pip install 'textual>="
        assert running.text.startswith(f"Error: `zinfo top` needs textual: {command}")
        assert running.text.count("\n") == 1
    finally:
        running.close()


def test_on_a_pipe_it_says_what_prints_lines(fleet: Fleet) -> None:
    done = zinfo("top", daemon=fleet.daemon)
    assert done.returncode == 1
    assert done.stderr == (
        "Error: `zinfo top` draws on a terminal, and stdout is none: "
        "`zinfo top --once` and `zinfo watch` print lines\n"
    )


@pytest.mark.parametrize(("number", "name"), [(0, "stdin"), (1, "stdout"), (2, "stderr")])
def test_each_stream_has_to_be_a_terminal(fleet: Fleet, number: int, name: str) -> None:
    running = Terminal("top", environ=environment(fleet.daemon), redirected=[number])
    try:
        assert running.end() == 1
        if number != 2:
            assert f"draws on a terminal, and {name} is none" in running.text
    finally:
        running.close()


def test_a_terminal_that_cannot_be_drawn_on_is_an_error(fleet: Fleet) -> None:
    with terminal("top", fleet=fleet, TERM="dumb") as top:
        assert top.end() == 1
        assert "cannot draw on this terminal (TERM=dumb)" in top.text
        assert top.text.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--insecure"], "--insecure needs --web"),
        (["--web", "8000"], "expected HOST:PORT"),
        (["--web", "0.0.0.0:8000"], "other machines can reach that address"),
        (["--web", "[::]:8000"], "other machines can reach that address"),
        (["--web", "zinfo.example:8000"], "other machines can reach that address"),
    ],
)
def test_invalid_or_unprotected_web_options_are_refused(arguments: list[str], error: str) -> None:
    done = invoke("top", *arguments)
    assert done.exit_code == 2
    assert error in done.output


def test_web_fails_before_serving_where_no_daemon_answers() -> None:
    nowhere = f"tcp://127.0.0.1:{free_port()}"
    done = zinfo("top", "--web=127.0.0.1:0", "--connect", nowhere, "--timeout=0.5")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: nothing answers at {nowhere}: connection refused; start")


def test_an_address_in_use_is_an_error(fleet: Fleet) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = zinfo("top", f"--web=127.0.0.1:{taken.getsockname()[1]}", daemon=fleet.daemon)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: page: cannot listen at 127.0.0.1:")


def test_only_the_command_itself_loads_textual() -> None:
    code = (
        "import sys, zinfo, zinfo.client, zinfo.cli.app, zinfo.cli.top, zinfo.top.feed\n"
        "print(sorted({'textual', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
