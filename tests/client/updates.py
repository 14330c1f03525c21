"""Waiting for an update of a Subscriber."""

from __future__ import annotations

import time
from typing import Any

from zinfo.client import Subscriber


def following(
    subscriber: Subscriber, kind: type[Any] | tuple[type[Any], ...], seconds: float = 60.0
) -> Any:
    """Return the next update of a type, and skip others.

    Args:
        subscriber: to receive from.
        kind: the type, or several.
        seconds: to wait.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        update = subscriber.recv(1)
        if isinstance(update, kind):
            return update
    raise AssertionError(f"no {kind} in {seconds} s")
