"""Who a daemon is to its clients: the name and epoch that every message carries."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass, field


def default_node() -> str:
    """Return the name of a daemon that was given none: host name and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def new_epoch() -> int:
    """Return a random epoch; below 2**48, so that any language's numbers can hold it."""
    return secrets.randbelow(1 << 48)


@dataclass(frozen=True, slots=True)
class Identity:
    """A daemon's name and this start's epoch.

    Attributes:
        node: names the daemon; host name and process id where it was given none.
        epoch: random number of this start.
    """

    node: str = field(default_factory=default_node)
    epoch: int = field(default_factory=new_epoch)
