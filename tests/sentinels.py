"""Real Sentinels for the tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from typing_extensions import override

from tests.servers import RealServer
from tests.spawning import command_prefix
from tests.waiting import wait_until

DOWN_AFTER = 500
"""Milliseconds without a reply after which Sentinels of a `SentinelGroup` find a server down."""


class RealSentinel(RealServer):
    """A Sentinel on 127.0.0.1, of the same program as the primary that it monitors.

    Args:
        primary: the primary.
        name: of the primary, as the Sentinel calls it.
        quorum: number of Sentinels that must find the primary down before a failover.
        options: further lines of its configuration.
        password: password that it requires.
    """

    def __init__(
        self,
        primary: RealServer,
        name: str = "mymaster",
        *,
        quorum: int = 1,
        options: Sequence[str] = (),
        password: str | None = None,
    ) -> None:
        super().__init__(primary.kind, password=password)
        monitor = f"sentinel monitor {name} {primary.host} {primary.port} {quorum}"
        self._lines = [monitor, *options]
        if password:
            self._lines.append(f"requirepass {password}")

    @override
    def _command(self) -> list[str]:
        config = self.directory / "sentinel.conf"  # it writes its state to it
        lines = (f"port {self.port}", f"bind {self.host}", f"dir {self.directory}", *self._lines)
        if not config.exists():  # after a restart it is the same Sentinel
            config.write_text("\n".join(lines))
        return [*command_prefix(), str(self.kind.binary), str(config), "--sentinel"]


class SentinelGroup:
    """A primary with two replicas, and three Sentinels that know each other.

    Attributes:
        primary: the first primary.
        replicas: its replicas.
        sentinels: the Sentinels.
    """

    def __init__(self, primary: RealServer, name: str) -> None:
        follow = (
            "--replicaof",
            f"{primary.host} {primary.port}",
            "--repl-diskless-sync-delay",
            "0",
        )
        options = (
            f"sentinel down-after-milliseconds {name} {DOWN_AFTER}",
            f"sentinel failover-timeout {name} 3000",
        )
        self.name = name
        self.primary = primary
        self.replicas = [RealServer(primary.kind, args=follow) for _ in range(2)]
        self.sentinels = [RealSentinel(primary, name, quorum=2, options=options) for _ in range(3)]

    @property
    def servers(self) -> list[RealServer]:
        """The primary and its replicas."""
        return [self.primary, *self.replicas]

    def knows_all(self, sentinel: RealSentinel) -> bool:
        """Whether a Sentinel lists both replicas and both other Sentinels."""
        replicas = sentinel.cli("SENTINEL", "REPLICAS", self.name).count(b"\r\nrunid\r\n")
        others = sentinel.cli("SENTINEL", "SENTINELS", self.name).count(b"\r\nrunid\r\n")
        return (replicas, others) == (2, 2)


@contextlib.contextmanager
def sentinel_group(name: str = "mymaster") -> Iterator[SentinelGroup]:
    """Start a primary, two replicas and three Sentinels; wait until they know each other."""
    with contextlib.ExitStack() as stack:
        group = SentinelGroup(stack.enter_context(RealServer()), name)
        for server in (*group.replicas, *group.sentinels):
            stack.enter_context(server)
        wait_until(
            lambda: all(map(group.knows_all, group.sentinels)), what="Sentinels that know all"
        )
        yield group
