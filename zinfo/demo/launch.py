"""Becomes a command that dies with the process that started it: `launch.py PARENT_PID COMMAND ...`.

This file is run, not imported. It replaces a `preexec_fn`, which can deadlock in a process with
threads. Only Linux has PR_SET_PDEATHSIG; elsewhere it just becomes the command.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2): a signal for this process when its parent ends; execve keeps it


def main() -> None:
    """Have the kernel send SIGKILL at the parent's death, then become the command."""
    parent, *command = sys.argv[1:]
    with contextlib.suppress(OSError, AttributeError):  # no prctl on this system
        unused = ctypes.c_ulong(0)
        signal_number = ctypes.c_ulong(signal.SIGKILL)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal_number, unused, unused, unused)
    if os.getppid() != int(parent):
        sys.exit("the parent has already ended")
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
