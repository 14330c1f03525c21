"""`zinfo` with an event loop that blocks while the file $ZI_BLOCKED exists.

A second file, with the suffix `.begun`, shows that it blocks. The process stays alive: its other
threads run, and it can receive signals. Run by `python -m gevent.monkey --module`, which patches
before anything else is imported.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gevent
from gevent import monkey

from zinfo.__main__ import main
from zinfo.daemon.daemon import Daemon

_CHECK_INTERVAL = 0.02  # seconds
_FILE = Path(os.environ["ZI_BLOCKED"])
_sleep: Any = monkey.get_original("time", "sleep")  # unpatched: blocks the event loop


def _block() -> None:
    while _FILE.exists():
        _FILE.with_suffix(".begun").touch()
        _sleep(_CHECK_INTERVAL)


def _start_blocking(self: Daemon) -> None:
    _start(self)
    timer = gevent.get_hub().loop.timer(_CHECK_INTERVAL, _CHECK_INTERVAL)
    timer.start(_block)
    self.__dict__["timer of the test"] = timer  # a reference keeps the timer alive


if __name__ == "__main__":
    _start = Daemon.start
    Daemon.start = _start_blocking  # type: ignore[method-assign]  # the fault
    main()
