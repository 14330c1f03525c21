"""`zinfo` whose event loop stands still as long as there is the file $ZI_BLOCKED.

The process lives on meanwhile: its other threads run, and it would take signals. To be run by
`python -m gevent.monkey --module`, which patches before all else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gevent
from gevent import monkey

from zinfo.__main__ import main
from zinfo.daemon.daemon import Daemon

_LOOK = 0.02  # seconds
_FILE = Path(os.environ["ZI_BLOCKED"])
_sleep: Any = monkey.get_original("time", "sleep")  # it does not let the loop go on


def _hold_up() -> None:
    while _FILE.exists():
        _sleep(_LOOK)


def _start_held_up(self: Daemon) -> None:
    _start(self)
    timer = gevent.get_hub().loop.timer(_LOOK, _LOOK)
    timer.start(_hold_up)
    self.__dict__["timer of the test"] = timer  # so that it lives


if __name__ == "__main__":
    _start = Daemon.start
    Daemon.start = _start_held_up  # type: ignore[method-assign]
    main()
