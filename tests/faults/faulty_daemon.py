"""A daemon in which something can be broken and mended while it runs, or whose means are short."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from typing import Any

from typing_extensions import override

from tests.daemons import RunningDaemon
from tests.waiting import wait_until
from zinfo.client import Client, Event


class FaultyDaemon(RunningDaemon):
    """A `zinfo serve` with faults to switch on; see `tests.faults.own_faulty`.

    Args:
        shell: what a shell does before it becomes the daemon, such as `ulimit -n 64`.
        stderr: where the log goes; the daemon's own file where empty.
        options: what `RunningDaemon` takes.
    """

    def __init__(self, *args: Any, shell: str = ":", stderr: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self.faults = self.directory / "faults"
        self.faults.mkdir()
        self._environ["ZI_FAULTS"] = str(self.faults)
        redirect = f" 2>{shlex.quote(stderr)}" if stderr else ""
        self._shell = ["sh", "-c", f'{shell}; exec "$@"{redirect}', "sh"]

    def arm(self, fault: str, text: str = "") -> None:
        """Have a fault happen from now on."""
        (self.faults / fault).write_text(text)

    def disarm(self, fault: str) -> None:
        """End it."""
        (self.faults / fault).unlink()

    @contextlib.contextmanager
    def broken(self, fault: str, text: str = "") -> Iterator[None]:
        """Have a fault happen for a while."""
        self.arm(fault, text)
        try:
            yield
        finally:
            self.disarm(fault)

    def stats(self) -> dict[str, Any]:
        """Return the daemon's counters."""
        with Client(self.query) as client:
            found: dict[str, Any] = client.stats()
        return found

    def events(self, type_: str) -> list[Event]:
        """Return the events of a type that it holds."""
        with Client(self.query) as client:
            return [event for event in client.events().events if event.type == type_]

    def wait_for_fault(self, part: str, says: str) -> Event:
        """Wait until a fault of a part is told by an event, and return that."""

        def told() -> list[Event]:
            faults = self.events("fault")
            return [event for event in faults if event.reason == part and says in event.message]

        return wait_until(told, what=f"a fault of {part}: {says}")[-1]

    @override
    def _command(self) -> list[str]:
        command = super()._command()
        at = command.index("zinfo")
        command[at : at + 1] = ["gevent.monkey", "--module", "tests.faults.own_faulty"]
        return [*self._shell, *command]
