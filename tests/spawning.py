"""How to start a process that takes a free port and does not outlive the tests."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import random
import shutil
import socket
import subprocess
from pathlib import Path

HOST = "127.0.0.1"

PORTS = range(10240, 22000)
"""Ports to choose from: below the kernel's ephemeral ports, so that no outgoing connection takes
one while its server is down (or connects to itself), and low enough for a cluster bus at +10000."""


def _own_ports() -> range:
    """Those of this process: others beside it would put servers where no server is to be."""
    number = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return PORTS[int(number) :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]


# Each is given once, so that two asked for together differ. Not the module's generator: a test that
# seeds it would make parallel runs collide.
_unused = itertools.cycle(random.SystemRandom().sample(_own_ports(), len(_own_ports())))


def free_port() -> int:
    """A port nobody listens on now; the caller must cope with one taken meanwhile."""
    for port in _unused:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return port
    raise AssertionError("unreachable: the ports go round")


def command_prefix() -> tuple[str, ...]:
    """What goes before a command so that the kernel ends it when its parent dies.

    The signal comes when the *thread* that started the process ends: started from any other
    than the main thread, that would be a surprise, so those do without.
    """
    # Not from `threading`: gevent patches that.
    with contextlib.suppress(OSError):
        process, _, thread = str(Path("/proc/thread-self").readlink()).partition("/task/")
        return _death_signal_prefix() if process == thread else ()
    return ()


@functools.cache
def _death_signal_prefix() -> tuple[str, ...]:
    """The command that makes the kernel kill a server whose parent died, where there is one.

    Not a preexec_fn: Python 3.12 warns about those in a process with threads.
    """
    setpriv = shutil.which("setpriv")
    if not setpriv:
        return ()
    prefix = (setpriv, "--pdeathsig", "KILL", "--")
    probe = subprocess.run([*prefix, "true"], capture_output=True, timeout=10, check=False)
    return () if probe.returncode else prefix
