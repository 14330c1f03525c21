"""Source: the base class of everything that lists shards."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import ClassVar

from zinfo.discovery.target import Answer, Target


class Source(abc.ABC):
    """Lists shards; says nothing about which of them become live or stop being live.

    `read` runs in a greenlet, once at a time. It may wait, with gevent's cooperative sockets, but
    it holds the event loop for at most 2 ms at a time.

    Args:
        name: unique name; the label `source` of the shards.
        interval: seconds from the end of a read to the start of the next.

    Attributes:
        kind: `type` of the source in the configuration.
        backs_off: whether reads that fail are repeated less and less often.
    """

    kind: ClassVar[str] = ""
    backs_off: ClassVar[bool] = True

    def __init__(self, name: str, interval: float) -> None:
        self.name = name
        self.interval = interval

    @abc.abstractmethod
    def read(self) -> Answer | None:
        """Read the source.

        Returns:
            The answer; None if it is the same as that of the last successful read.

        Raises:
            SourceError: the source cannot be read, or its answer as a whole cannot be used.
        """

    def remember(self, targets: Mapping[str, Target]) -> None:  # noqa: B027 - few sources use it
        """Take the targets of the last good answer before a restart; called before the first read.

        A source of a cluster then asks the members that it knew, if its seeds do not reply. The
        next read returns an answer even if it is the same.

        Args:
            targets: the targets by shard id.
        """

    def close(self) -> None:  # noqa: B027 - most sources hold nothing open
        """Release what the source holds open; it is not read again."""
