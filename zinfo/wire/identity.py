"""A daemon's identity in every message: its name, and the epoch of this run."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass, field


def default_node() -> str:
    """Return the default name of a daemon: host name and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def new_epoch() -> int:
    """Return a random epoch; below 2**48, so that numbers of any language can represent it."""
    return secrets.randbelow(1 << 48)


@dataclass(frozen=True, slots=True)
class Identity:
    """A daemon's name and epoch.

    Attributes:
        node: name of the daemon; by default host name and process id.
        epoch: random number of this run of the daemon.
    """

    node: str = field(default_factory=default_node)
    epoch: int = field(default_factory=new_epoch)
