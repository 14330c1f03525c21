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
from zmq.utils.monitor import recv_monitor_message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SECONDS = 45  # less than the test waits for this process

plain_connect = zmq.Socket.connect


def connect(self, *args, **kwargs):
    # type: (zmq.Socket[bytes], *Any, **Any) -> Any
    """Connect, and wait until the socket can no longer send."""
    if self.getsockopt(zmq.TYPE) == zmq.REQ and "REFUSED_KEYS" in os.environ:
        keys = os.environ["REFUSED_KEYS"].encode("ascii").split()
        options = (zmq.CURVE_SERVERKEY, zmq.CURVE_PUBLICKEY, zmq.CURVE_SECRETKEY)
        for option, key in zip(options, keys):  # noqa: B905 - Python 2.7 has no `strict`
            self.setsockopt(option, key)
    if self.getsockopt(zmq.TYPE) != zmq.REQ:
        return plain_connect(self, *args, **kwargs)
    events = self.get_monitor_socket()
    started = time.time()
    done = plain_connect(self, *args, **kwargs)
    seen = []
    try:
        while self.poll(10, zmq.POLLOUT):
            while events.poll(0):
                event = recv_monitor_message(events)
                seen.append((round(time.time() - started, 3), int(event["event"]), event["value"]))
            if time.time() > started + SECONDS:
                sys.exit("refused.py: not refused; (seconds, event, value): " + repr(seen[-30:]))
            time.sleep(0.01)
    finally:
        self.disable_monitor()
        events.close()
    return done


# Patched in this process only: the program itself is unchanged.
zmq.Socket.connect = connect  # type: ignore[assignment,method-assign]
sys.argv[:] = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
