"""Waiting for a condition with a deadline: the tests' only way to wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_INTERVAL = 0.01
"""Seconds between two looks at the condition."""


def wait_until(
    predicate: Callable[[], T],
    timeout: float = 10.0,
    what: str = "the condition",
    *,
    sleep: Callable[[float], object] | None = None,
) -> T:
    """Call `predicate` until it returns something truthy, and return that.

    Args:
        predicate: What is looked at; an exception that it raises ends the wait.
        timeout: Seconds until the wait is given up.
        what: What is waited for, as the error message names it.
        sleep: How to wait between two looks; `gevent.sleep` lets greenlets of an
            unpatched process run meanwhile. Default: `time.sleep`.

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
        pause(POLL_INTERVAL)
