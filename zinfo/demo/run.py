"""The show: everything is started, shown for a while, and taken away again."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType

from rich.console import Console

from zinfo.demo.children import Children
from zinfo.demo.daemon_process import ServingDaemon
from zinfo.demo.feed import Watch
from zinfo.demo.lines import JsonView, LineView
from zinfo.demo.load import Load
from zinfo.demo.outages import Outages
from zinfo.demo.program import find_program
from zinfo.demo.screen import Picture, Summary, View
from zinfo.demo.servers import EmbeddedServer, start_servers
from zinfo.demo.view import LiveView
from zinfo.errors import EnvironmentNotReadyError
from zinfo.wire.lifecycle import DOWN

_SLICE_SECONDS = 0.05  # until a signal is noticed


class Ending:
    """Whether a signal asked to end. A context manager, for the main thread.

    The handlers only take note: an exception from one could fly out of the very code that starts a
    process or ends it.

    Attributes:
        asked: whether one came.
    """

    def __init__(self) -> None:
        self.asked = False
        self._former: dict[signal.Signals, object] = {}

    def __enter__(self) -> Ending:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup
            self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_exc: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # as signal() returned it

    def __call__(self) -> bool:
        """Return whether one came."""
        return self.asked

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than until a signal comes."""
        until = time.monotonic() + seconds
        while not self.asked and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE_SECONDS))

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


def run_demo(shards: int, seconds: float | None, *, as_json: bool = False) -> None:
    """Show zinfo at work until it was long enough, or a signal ends it; leave nothing behind.

    Args:
        shards: how many servers to start.
        seconds: how long to show them; None for as long as somebody wants to look.
        as_json: print JSON lines instead of a table or text.

    Raises:
        EnvironmentNotReadyError: there is no server program, or something does not start.
    """
    with Ending() as ended:
        program = find_program()
        with Children() as children:
            view = _view(children, as_json=as_json)
            view.start(program.name, shards)
            servers = start_servers(program, shards, children, ended)
            daemon = ServingDaemon(children, [server.url for server in servers])
            daemon.wait(ended)
            if ended():
                return
            with Load(servers), Watch(daemon.query) as watch, view:
                elapsed = _show(view, program.name, daemon, servers, watch, seconds, ended)
            daemon.stop()
        view.end(_summary(elapsed, watch))


def _view(children: Children, *, as_json: bool) -> View:
    if as_json:
        return JsonView()
    if sys.stdout.isatty() and not Console().is_dumb_terminal:
        return LiveView(children.tell_keeper)
    return LineView()


def _show(
    view: View,
    program: str,
    daemon: ServingDaemon,
    servers: list[EmbeddedServer],
    watch: Watch,
    seconds: float | None,
    ended: Ending,
) -> float:
    """Show what happens; returns for how many seconds."""
    watch.wait_ready(ended)
    outages = Outages(servers)
    began = time.monotonic()
    while True:
        elapsed = time.monotonic() - began
        outages.step(elapsed)
        if not daemon.running:
            raise EnvironmentNotReadyError(f"the daemon ended; {daemon.last_words()}")
        watch.look()
        picture = Picture(
            program, daemon.query, elapsed, watch.rows, list(watch.events), watch.problem
        )
        try:
            view.show(picture)
        except OSError:
            if not ended():  # else the terminal was closed
                raise
        if ended() or (seconds is not None and elapsed >= seconds):
            return elapsed
        ended.pause(view.interval)


def _summary(elapsed: float, watch: Watch) -> Summary:
    return Summary(
        seconds=elapsed,
        polls=sum(row.revision for row in watch.rows),
        events=watch.counts.total(),
        down=watch.counts[DOWN],
        up_again=watch.counts["back"],
    )
