"""Free ports, and commands whose processes do not outlive the tests."""

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
"""Ports to choose from. They are below the kernel's ephemeral ports, so that no outgoing connection
takes one while its server is down (or connects to itself), and low enough for a cluster bus at
+10000."""


def _own_ports() -> range:
    """The ports of this worker of pytest-xdist: other workers use others."""
    number = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return PORTS[int(number) :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]


# Each is returned once, so that consecutive calls differ. With a generator of its own: a test that
# seeds the default one would make parallel runs collide.
_unused = itertools.cycle(random.SystemRandom().sample(_own_ports(), len(_own_ports())))


def free_port() -> int:
    """A port that is free now; the caller must handle that another process takes it first."""
    return next(port for port in _unused if is_free(port))


def is_free(port: int) -> bool:
    """Whether no process listens on a port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def command_prefix() -> tuple[str, ...]:
    """Prefix of a command that makes the kernel kill it when its parent dies.

    The kernel sends the signal when the *thread* that started the process ends, so the prefix is
    empty in any other than the main thread.
    """
    # Not by `threading`, which gevent patches.
    with contextlib.suppress(OSError):
        process, _, thread = str(Path("/proc/thread-self").readlink()).partition("/task/")
        return _death_signal_prefix() if process == thread else ()
    return ()


@functools.cache
def _death_signal_prefix() -> tuple[str, ...]:
    """The prefix with setpriv, if this machine has it.

    Not a preexec_fn: Python 3.12 warns about one in a process with threads.
    """
    setpriv = shutil.which("setpriv")
    if not setpriv:
        return ()
    prefix = (setpriv, "--pdeathsig", "KILL", "--")
    probe = subprocess.run([*prefix, "true"], capture_output=True, timeout=60, check=False)
    return () if probe.returncode else prefix
