"""Runs the demo: starts everything, shows it for a while, and removes it again."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType

from rich.console import Console

from zinfo.demo.children import Children
from zinfo.demo.daemon_process import DaemonProcess
from zinfo.demo.feed import BACK_UP, DemoFeed
from zinfo.demo.lines import JsonView, LineView
from zinfo.demo.load import Load
from zinfo.demo.outages import Outages
from zinfo.demo.program import find_program
from zinfo.demo.screen import Frame, Summary, View
from zinfo.demo.servers import EmbeddedServer, start_servers
from zinfo.demo.view import LiveView
from zinfo.errors import EnvironmentNotReadyError
from zinfo.wire.lifecycle import DOWN

_SIGNAL_CHECK_SECONDS = 0.05  # between two checks for a signal in `pause`


class StopSignals:
    """Records SIGINT, SIGTERM and SIGHUP. A context manager, for the main thread.

    The handlers raise nothing: an exception could interrupt the code that starts or ends a process.

    Attributes:
        received: whether one came.
    """

    def __init__(self) -> None:
        self.received = False
        self._former: dict[signal.Signals, object] = {}

    def __enter__(self) -> StopSignals:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup
            self._former[number] = signal.signal(number, self._record)
        return self

    def __exit__(self, *_exc: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # as signal() returned it

    def __call__(self) -> bool:
        """Return whether one came."""
        return self.received

    def pause(self, seconds: float) -> None:
        """Wait for some seconds, or until a signal comes."""
        until = time.monotonic() + seconds
        while not self.received and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _SIGNAL_CHECK_SECONDS))

    def _record(self, _number: int, _frame: FrameType | None) -> None:
        self.received = True


def run_demo(shards: int, seconds: float | None, *, as_json: bool = False) -> None:
    """Show zinfo at work for some time or until a signal comes; leave nothing behind.

    Args:
        shards: how many servers to start.
        seconds: how long to show them; None for no limit.
        as_json: print JSON lines instead of a table or text.

    Raises:
        EnvironmentNotReadyError: there is no server program, or something does not start.
    """
    with StopSignals() as stopping:
        program = find_program()
        with Children() as children:
            view = _view(children, as_json=as_json)
            view.start(program.name, shards)
            servers = start_servers(program, shards, children, stopping)
            daemon = DaemonProcess(children, [server.url for server in servers])
            daemon.wait(stopping)
            if stopping():
                return
            with Load(servers), DemoFeed(daemon.query) as feed, view:
                elapsed = _show(view, program.name, daemon, servers, feed, seconds, stopping)
            daemon.stop()
        view.end(_summary(elapsed, feed))


def _view(children: Children, *, as_json: bool) -> View:
    if as_json:
        return JsonView()
    if sys.stdout.isatty() and not Console().is_dumb_terminal:
        return LiveView(children.notify_reaper)
    return LineView()


def _show(
    view: View,
    program: str,
    daemon: DaemonProcess,
    servers: list[EmbeddedServer],
    feed: DemoFeed,
    seconds: float | None,
    stopping: StopSignals,
) -> float:
    """Show frames until the end; returns the seconds that this took."""
    feed.wait_ready(stopping)
    outages = Outages(servers)
    began = time.monotonic()
    while True:
        elapsed = time.monotonic() - began
        outages.step(elapsed)
        if not daemon.running:
            raise EnvironmentNotReadyError(f"the daemon ended; {daemon.last_words()}")
        feed.update()
        frame = Frame(program, daemon.query, elapsed, feed.rows, list(feed.events), feed.problem)
        try:
            view.show(frame)
        except OSError:
            if not stopping():  # else the terminal was closed
                raise
        if stopping() or (seconds is not None and elapsed >= seconds):
            return elapsed
        stopping.pause(view.interval)


def _summary(elapsed: float, feed: DemoFeed) -> Summary:
    return Summary(
        seconds=elapsed,
        polls=sum(row.revision for row in feed.rows),
        events=feed.counts.total(),
        down=feed.counts[DOWN],
        up_again=feed.counts[BACK_UP],
    )
