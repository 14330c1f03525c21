"""A daemon with faults that can be switched on and off, or with limited resources."""

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
    """`zinfo serve` with faults that can be switched on; see `tests.faults.own_faulty`.

    Args:
        shell: Shell command that runs first in the same process, such as `ulimit -n 64`.
        stderr: File for the log; empty for that of `RunningDaemon`.
        options: Arguments of `RunningDaemon`.
    """

    def __init__(self, *args: Any, shell: str = ":", stderr: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self.faults = self.directory / "faults"
        self.faults.mkdir()
        self._environ["ZI_FAULTS"] = str(self.faults)
        redirect = f" 2>{shlex.quote(stderr)}" if stderr else ""
        self._shell = ["sh", "-c", f'{shell}; exec "$@"{redirect}', "sh"]

    def arm(self, fault: str, text: str = "") -> None:
        """Switch a fault on."""
        (self.faults / fault).write_text(text)

    def disarm(self, fault: str) -> None:
        """Switch a fault off."""
        (self.faults / fault).unlink()

    @contextlib.contextmanager
    def broken(self, fault: str, text: str = "") -> Iterator[None]:
        """Switch a fault on for a while."""
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
        """Return its stored events of a type."""
        with Client(self.query) as client:
            return [event for event in client.events().events if event.type == type_]

    def wait_for_fault(self, part: str, says: str) -> Event:
        """Wait for a `fault` event of a part, and return it."""

        def found() -> list[Event]:
            faults = self.events("fault")
            return [event for event in faults if event.reason == part and says in event.message]

        return wait_until(found, what=f"a fault of {part}: {says}")[-1]

    @override
    def _command(self) -> list[str]:
        command = super()._command()
        at = command.index("zinfo")
        command[at : at + 1] = ["gevent.monkey", "--module", "tests.faults.own_faulty"]
        return [*self._shell, *command]
