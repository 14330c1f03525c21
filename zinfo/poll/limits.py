"""Bounds of one poll."""

from __future__ import annotations

from dataclasses import dataclass, replace

from zinfo.info.bounds import MAX_FIELDS
from zinfo.shards.connection_options import ConnectionOptions


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one poll.

    Attributes:
        timeout: seconds for an INFO reply.
        connect_timeout: seconds for connecting, TLS included.
        max_reply_bytes: largest INFO taken.
        max_fields: lines of an INFO, at most; see `info_bounds`.
    """

    timeout: float = 3.0
    connect_timeout: float = 3.0
    max_reply_bytes: int = 512 * 1024
    max_fields: int = MAX_FIELDS

    def overridden_by(self, options: ConnectionOptions) -> Limits:
        """Return these limits with a shard's own timeouts, where it has some."""
        if not options.timeout and not options.connect_timeout:
            return self
        return replace(
            self,
            timeout=options.timeout or self.timeout,
            connect_timeout=options.connect_timeout or self.connect_timeout,
        )


def too_long(length: int, most: int) -> str:
    """Return the words for an INFO of more bytes than a reply may have."""
    return f"INFO of {length} bytes, over the bound of {most} (poll.max_reply_bytes)"
