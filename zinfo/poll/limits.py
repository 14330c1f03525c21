"""What one poll requests, its timeouts, and its size limits."""

from __future__ import annotations

from dataclasses import dataclass, replace

from zinfo.info.bounds import MAX_FIELDS
from zinfo.info.section_choice import EVERYTHING
from zinfo.shards.connection_options import ConnectionOptions


@dataclass(frozen=True, slots=True)
class PollLimits:
    """What one poll requests, its timeouts, and its size limits.

    Attributes:
        timeout: seconds to wait for an INFO reply.
        connect_timeout: seconds for connecting, TLS included.
        max_reply_bytes: size of the largest INFO reply that is accepted.
        max_fields: the most lines of an INFO reply; see `zinfo.info.bounds`.
        sections: the sections of INFO; see `zinfo.info.section_choice`.
    """

    timeout: float = 3.0
    connect_timeout: float = 3.0
    max_reply_bytes: int = 512 * 1024
    max_fields: int = MAX_FIELDS
    sections: tuple[str, ...] = EVERYTHING

    def overridden_by(self, options: ConnectionOptions) -> PollLimits:
        """Return these limits with the timeouts and sections that a shard's own options set."""
        if not options.timeout and not options.connect_timeout and options.sections is None:
            return self
        return replace(
            self,
            timeout=options.timeout or self.timeout,
            connect_timeout=options.connect_timeout or self.connect_timeout,
            sections=options.sections or self.sections,
        )


def reply_too_long(length: int, limit: int) -> str:
    """Return the error text for an INFO reply of more than `max_reply_bytes`."""
    return f"INFO of {length} bytes, over the bound of {limit} (poll.max_reply_bytes)"
