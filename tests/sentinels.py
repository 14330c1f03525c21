"""Real Sentinels for the tests."""

from __future__ import annotations

from typing_extensions import override

from tests.servers import RealServer
from tests.spawning import command_prefix


class RealSentinel(RealServer):
    """A Sentinel on 127.0.0.1, of the same program as the primary that it monitors.

    Args:
        primary: the primary.
        name: of the primary, as the Sentinel calls it.
    """

    def __init__(self, primary: RealServer, name: str = "mymaster") -> None:
        super().__init__(primary.kind)
        self._monitor = f"sentinel monitor {name} {primary.host} {primary.port} 1"

    @override
    def _command(self) -> list[str]:
        config = self.directory / "sentinel.conf"  # it writes its state to it
        lines = (f"port {self.port}", f"bind {self.host}", f"dir {self.directory}", self._monitor)
        config.write_text("\n".join(lines))
        return [*command_prefix(), str(self.kind.binary), str(config), "--sentinel"]
