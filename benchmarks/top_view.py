"""`zinfo top` over a made-up fleet, on the terminal that it is started on.

    python -m benchmarks.top_view SHARDS

All shards are polled once a second, as a feed would do it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.top.fake import INFO
from tests.top.fleet import FleetSource
from zinfo.top.glyphs import FANCY
from zinfo.top.model import TopModel
from zinfo.top.terminal.app import TopApp
from zinfo.top.wanted_fields import BASE
from zinfo.views.grouping import TOTALS_FIELDS

_POLLS = 10  # before the view opens, so that there are bars
_FIELDS = (*BASE, *TOTALS_FIELDS)  # the others are read only while a shard's page is open
_INTERVAL = 1.0  # seconds between two polls of all shards


class _Polled(FleetSource):
    """The fleet, polled by a thread."""

    def __init__(self, count: int) -> None:
        super().__init__(count, {name: INFO[name] for name in _FIELDS if name in INFO})
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @contextmanager
    def locked(self) -> Iterator[TopModel]:
        with self._lock:
            yield self.model

    def poll_for_ever(self) -> None:
        """Poll until `end`."""
        while not self._ended.wait(_INTERVAL):
            self.poll_all()

    def end(self) -> None:
        """End the thread."""
        self._ended.set()


def main() -> None:
    """Run the view until it is quit."""
    source = _Polled(int(sys.argv[1]))
    for _ in range(_POLLS):
        source.poll_all()
    thread = threading.Thread(target=source.poll_for_ever, daemon=True)
    thread.start()
    TopApp(source, FANCY).run()
    source.end()
    thread.join()


if __name__ == "__main__":
    main()
