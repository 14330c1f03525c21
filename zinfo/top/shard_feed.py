"""Reads the whole INFO of the shards whose pages are open, and the names of all fields."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Collection

from zinfo.client import Client, ClientKeys, Delta
from zinfo.client.sockets import clock
from zinfo.errors import ZinfoError
from zinfo.top.model import TopModel
from zinfo.top.sections import fetch_sections

logger = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between two readings of a shard's INFO."""

FOLLOW_SECONDS = 3.0
"""Seconds for which a shard is followed after `follow` was called."""

_SECTIONS_INTERVAL = 5.0  # seconds until a shard's sections are requested again
_TIMEOUT = 2.0  # seconds
_RETRY_DELAY = 1.0  # seconds after a request that failed


class ShardFeed:
    """Keeps the whole INFO of some shards in the model, in a thread of its own.

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
        self._keys = keys
        self._model = model
        self._lock = lock
        self._followed: dict[str, float] = {}  # shard to the end of its time
        self._samples: set[str] = set()  # shards the names of whose fields are to be read
        self._whole: set[str] = set()  # of these, the newest INFO was read
        self._sections_at: dict[str, float] = {}
        self._wake = threading.Event()
        self._closing = False
        self._clients: dict[str, Client] = {}  # by endpoint
        self._thread = threading.Thread(target=self._run, name="zinfo-top-shard", daemon=True)
        self._thread.start()

    def follow(self, shard: str) -> None:
        """Follow a shard for the next seconds."""
        known = shard in self._followed
        self._followed[shard] = clock() + FOLLOW_SECONDS
        if not known:
            self._wake.set()

    def sample(self, shards: Collection[str]) -> None:
        """Have the names of the fields of some shards read once."""
        if not self._samples.issuperset(shards):
            self._samples = self._samples.union(shards)
            self._wake.set()

    def follows(self, shard: str) -> bool:
        """Return whether this writes the INFO of a shard to the model."""
        return shard in self._whole

    def close(self) -> None:
        """End the thread."""
        self._closing = True
        self._wake.set()
        self._thread.join(_TIMEOUT * 2)
        if not self._thread.is_alive():  # else it still waits for a reply
            for client in self._clients.values():
                client.close()

    # --- the thread

    def _run(self) -> None:
        while not self._closing:
            self._wake.clear()
            now = clock()
            for shard, until in list(self._followed.items()):
                if until < now:
                    del self._followed[shard]
                    self._whole.discard(shard)
            delay = INTERVAL if self._followed else None
            self._read_samples()
            for shard in list(self._followed):
                if self._closing:
                    return
                if self._read(shard):
                    self._whole.add(shard)
                else:
                    self._whole.discard(shard)
                    delay = _RETRY_DELAY
            self._wake.wait(delay)

    def _read(self, shard: str) -> bool:
        """Read a shard; returns whether that succeeded."""
        endpoint = self._endpoint_of(shard)
        if endpoint is None:
            return False
        try:
            client = self._client(endpoint)
            self._read_info(client, shard)
            if self._needs_sections(shard):
                sections = fetch_sections(client, shard)
                with self._lock:
                    self._model.set_sections(shard, sections)
        except ZinfoError as error:  # requested again while a view shows the shard
            logger.info("%s: %s", shard, error)
            return False
        except Exception:
            logger.exception("reading %s failed", shard)
            return False
        return True

    def _read_samples(self) -> None:
        """Read the names of fields; the feed asks again for those that are not known then."""
        samples, self._samples = self._samples, set()
        for shard in samples:
            endpoint = self._endpoint_of(shard)
            if endpoint is None or self._closing:
                continue
            try:
                (info,) = self._client(endpoint).get_infos([shard], allow_partial=True)
            except ZinfoError as error:
                logger.info("%s: %s", shard, error)
                continue
            except Exception:
                logger.exception("reading the fields of %s failed", shard)
                continue
            if "error" not in info.pop("meta"):
                with self._lock:
                    self._model.add_names(shard, info)

    def _client(self, endpoint: str) -> Client:
        if endpoint not in self._clients:
            self._clients[endpoint] = Client(endpoint, timeout=_TIMEOUT, retries=0, keys=self._keys)
        return self._clients[endpoint]

    def _needs_sections(self, shard: str) -> bool:
        """Return whether to request sections, which takes many requests."""
        now = clock()
        with self._lock:
            lacks_some = self._model.lacks_sections(shard)
        if not lacks_some or now - self._sections_at.get(shard, -math.inf) < _SECTIONS_INTERVAL:
            return False
        self._sections_at[shard] = now
        return True

    def _read_info(self, client: Client, shard: str) -> None:
        with self._lock:
            if self._model.row(shard, clock()) is None:  # unknown, so far
                return
        (info,) = client.get_infos([shard], allow_partial=True)
        now, meta = clock(), info.pop("meta")
        if "error" in meta:  # it was never polled, or was removed
            return
        delta = Delta(shard, meta["revision"], 0, meta["time"], info, ())
        with self._lock:
            if self._model.row(shard, now) is not None:
                self._model.apply(delta, now - meta["info_age"])
