"""Fills the histories of the model from the daemon's, in a thread of its own.

So plots are full when they are first seen, and after a pause. Shards that are shown come first;
all others follow, as the sums need them. Daemons without a history are asked once in a while.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from zinfo.client import Client, ClientKeys
from zinfo.client.sockets import clock
from zinfo.errors import (
    BadRequestError,
    NotAllowedError,
    UnknownOpError,
    UnknownShardError,
    ZinfoError,
)
from zinfo.top.history import SERIES
from zinfo.top.model import TopModel

logger = logging.getLogger(__name__)

SHARDS = 100
"""Shards in one request: the reply has about 600 KB."""

RETRY_INTERVAL = 60.0
"""Seconds after which a daemon that had no history is asked again."""

_PIECE = 25  # shards that are written to the model at a time
_TIMEOUT = 10.0  # seconds
_RETRY_DELAY = 1.0  # seconds after a request that failed
_FEW = 20  # the sums are computed again if one of so many shards is new
_CPU_SHARE = 0.25  # of a core that this may take
_CLOSE_TIMEOUT = 4.0  # seconds


class HistoryFeed:
    """Fills the histories of shards after each `wake`, until none is left.

    Args:
        endpoint_of: returns the query endpoint of the daemon whose copy of a shard is shown; None
            where there is none so far.
        model: the model.
        lock: of the model.
        keys: CURVE keys of this client and the daemon; None where the daemon requires none.
    """

    def __init__(
        self,
        endpoint_of: Callable[[str], str | None],
        model: TopModel,
        lock: threading.Lock,
        keys: ClientKeys | None,
    ) -> None:
        self._endpoint_of = endpoint_of
        self._model = model
        self._lock = lock
        self._keys = keys
        self._clients: dict[str, Client] = {}  # by endpoint
        self._without: dict[str, float] = {}  # daemons without history, and when they were asked
        self._filled = 0  # shards, since the sums were computed
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="zinfo-top-history", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Fill what is not filled: the model was read again."""
        self._wake.set()

    def close(self) -> None:
        """End the thread."""
        self._closing = True
        self._wake.set()
        self._thread.join(_CLOSE_TIMEOUT)
        if not self._thread.is_alive():  # else it still waits for a reply
            for client in self._clients.values():
                client.close()

    # --- the thread

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait()
            self._wake.clear()
            try:
                self._fill_all()
            except Exception:
                logger.exception("reading the history failed")

    def _fill_all(self) -> None:
        while not self._closing:
            with self._lock:
                shards = self._model.unfilled(SHARDS)
            if not shards:
                break
            began, cpu_began = clock(), time.thread_time()
            if not self._fill(shards):
                time.sleep(_RETRY_DELAY)
                return
            took, cpu = clock() - began, time.thread_time() - cpu_began
            time.sleep(max(0.0, cpu / _CPU_SHARE - took))
        if self._filled and not self._closing:
            self._fill_sums()

    def _fill(self, shards: Sequence[str]) -> bool:
        """Fill the histories of some shards; returns whether another request makes sense."""
        by_endpoint: dict[str | None, list[str]] = {}
        for shard in shards:
            by_endpoint.setdefault(self._endpoint_of(shard), []).append(shard)
        filled = 0
        for endpoint, ids in by_endpoint.items():
            if endpoint is None:
                continue
            try:
                self._read(endpoint, ids)
            except UnknownShardError:  # one was removed in the meantime
                continue
            except ZinfoError as error:
                logger.info("history of %s: %s", endpoint, error)
                continue
            filled += len(ids)
        return filled > 0

    def _read(self, endpoint: str, ids: Sequence[str]) -> None:
        if clock() - self._without.get(endpoint, -math.inf) < RETRY_INTERVAL:
            self._write(ids, {}, 0.0, 1.0)
            return
        if endpoint not in self._clients:
            self._clients[endpoint] = Client(endpoint, timeout=_TIMEOUT, retries=0, keys=self._keys)
        try:
            found = self._clients[endpoint].history(ids, SERIES)
        except (BadRequestError, NotAllowedError, UnknownOpError) as error:
            logger.info("history of %s: %s", endpoint, error)  # no such operation, or no right
            self._without[endpoint] = clock()
            self._write(ids, {}, 0.0, 1.0)
            return
        self._write(ids, found, found.newest, found.step)
        self._filled += len(ids)

    def _write(
        self,
        ids: Sequence[str],
        found: Mapping[str, Mapping[str, Sequence[float]]],
        newest: float,
        step: float,
    ) -> None:
        for start in range(0, len(ids), _PIECE):
            with self._lock:
                for shard in ids[start : start + _PIECE]:
                    values = {name: series[shard] for name, series in found.items()}
                    self._model.fill_history(shard, values, newest, step)

    def _fill_sums(self) -> None:
        """Compute the past of the sums, unless only a few shards are new."""
        with self._lock:
            few = self._filled * _FEW < len(self._model)
            steps = self._model.fill_totals(clock())
        self._filled = 0
        while not (few or self._closing):
            began = time.thread_time()
            with self._lock:
                if next(steps, self) is self:
                    return
            time.sleep((time.thread_time() - began) / _CPU_SHARE)
