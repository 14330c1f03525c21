"""What two replies say about the process that sent them: the same, restarted, or another. Pure.

A server without a run_id (Dragonfly, Kvrocks) has an uptime, by the clock of its machine. A process
that replied before has been up at least since then. So one whose uptime is shorter is new.
"""

from __future__ import annotations

from typing import Final

from zinfo.shards.snapshot import Snapshot

_TOLERANCE: Final = 2.0  # seconds of difference that rounding and delays explain
_MAX_DIGITS: Final = 18


def describe_process(previous: Snapshot, snapshot: Snapshot) -> str:
    """Return what is known of a process whose run_id differs from that of the previous reply.

    Returns:
        Text for people: whether it was started since the previous reply, or is another server at
        the same address; "" where INFO has no uptime.
    """
    uptime = _uptime(snapshot)
    if uptime is None:
        return ""
    if uptime <= snapshot.at - previous.at + _TOLERANCE:
        return f"the process was started {uptime} s ago"
    return (
        "another server replies at this address: its process was started "
        f"{uptime} s ago, before the previous reply"
    )


def restart_by_uptime(previous: Snapshot, snapshot: Snapshot) -> str:
    """Return how the uptime shows that another process replies than before.

    Returns:
        Text for people; "" where the process may be the same, or INFO has no uptime.
    """
    before, now = _uptime(previous), _uptime(snapshot)
    if before is None or now is None:
        return ""
    elapsed = snapshot.at - previous.at
    if now < elapsed - _TOLERANCE and now >= before:
        return f"the process was started {now} s ago, after the previous reply"
    if now >= before:
        return ""
    text = f"uptime fell from {before} to {now} s"
    if now <= elapsed + _TOLERANCE:
        return text
    if before - now <= _TOLERANCE:
        return ""  # the clock of its machine was corrected
    return f"{text}: it was restarted, another server replies, or its clock was set back"


def _uptime(snapshot: Snapshot) -> int | None:
    text = snapshot.text(b"uptime_in_seconds") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else None
