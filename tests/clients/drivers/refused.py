"""Runs a program whose connection is refused before it sends: `refused.py PROGRAM ARGUMENT...`.

Connecting a REQ socket waits until the daemon has closed the connection for good. `REFUSED_KEYS`
has three keys, server, public and secret, for a program without options for keys.
"""
# Like the programs, it runs on Python 2.7 and has types in comments.
# ruff: noqa: F401, UP010

from __future__ import print_function, unicode_literals

import os
import runpy
import sys
import time

import zmq

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TRIES = 6000  # checks, a hundredth of a second apart

plain_connect = zmq.Socket.connect


def connect(self, *args, **kwargs):
    # type: (zmq.Socket[bytes], *Any, **Any) -> Any
    """Connect, and wait until the socket can no longer send."""
    if self.getsockopt(zmq.TYPE) == zmq.REQ and "REFUSED_KEYS" in os.environ:
        keys = os.environ["REFUSED_KEYS"].encode("ascii").split()
        options = (zmq.CURVE_SERVERKEY, zmq.CURVE_PUBLICKEY, zmq.CURVE_SECRETKEY)
        for option, key in zip(options, keys):  # noqa: B905 - Python 2.7 has no `strict`
            self.setsockopt(option, key)
    done = plain_connect(self, *args, **kwargs)
    if self.getsockopt(zmq.TYPE) == zmq.REQ:
        for _ in range(TRIES):
            if not self.poll(10, zmq.POLLOUT):
                return done
            time.sleep(0.01)
        sys.exit("refused.py: the daemon does not refuse the connection")
    return done


# Patched in this process only: the program itself is unchanged.
zmq.Socket.connect = connect  # type: ignore[assignment,method-assign]
sys.argv[:] = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
