"""Waiting for a condition with a deadline; tests wait in no other way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

TIMEOUT = 30.0
"""Seconds after which a wait fails. It only ends a test that hangs: on a busy machine, what takes
milliseconds can take many seconds."""

POLL_INTERVAL = 0.01
"""Seconds between the first two checks of the condition; it grows with the time that has passed."""

MAX_INTERVAL = 0.05
"""The most seconds between two checks; many cost CPU time that what is waited for may need."""


def wait_until(
    predicate: Callable[[], T],
    timeout: float = TIMEOUT,
    what: str = "the condition",
    *,
    sleep: Callable[[float], object] | None = None,
) -> T:
    """Call `predicate` until it returns something truthy, and return that.

    Args:
        predicate: The condition; an exception that it raises ends the wait.
        timeout: Seconds to wait.
        what: Name of the condition, for the error message.
        sleep: Sleeps between two checks; in an unpatched process, `gevent.sleep` lets greenlets
            run meanwhile. Default: `time.sleep`.

    Returns:
        The first truthy value of `predicate`.

    Raises:
        AssertionError: The deadline passed; the message has `what` and the last value.
    """
    pause = sleep or time.sleep
    started = time.monotonic()
    while True:
        value = predicate()
        if value:
            return value
        waited = time.monotonic() - started
        if waited >= timeout:
            raise AssertionError(f"waited {waited:.1f} s for {what}; last seen: {value!r}")
        pause(min(POLL_INTERVAL + waited / 20, MAX_INTERVAL))
