"""One daemon that polls a server for each stored text, and everything that it gives of them.

A poll happens on demand only (`Watched.poll`), so that each text is polled once.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from tests.adapters.http.requests import fetch
from tests.daemons import ROOT, RunningDaemon
from tests.fidelity.values import Value
from tests.stored_replies import StoredReplies
from tests.waiting import wait_until
from zinfo.client import Client, Delta, Mirror, Subscriber

CONFIG = """
[poll]
min_interval = 80000.0
max_interval = 80000.0
jitter = 0.0
[bus]
heartbeat = 0.5
[query]
min_refresh_interval = 0
"""
Fields = dict[str, Value]


class Entry(NamedTuple):
    """The INFO of one shard: what a reply has under its names, and `meta`."""

    fields: Fields
    meta: dict[str, Any]


class Watched:
    """A daemon, the servers that it polls, and its clients.

    Attributes:
        daemon: The daemon.
        mirror: A Mirror of all shards.
        deltas: The deltas since the poll before, by shard; there are several where it took so long
            that the Client sent its request again.
    """

    def __init__(
        self,
        servers: StoredReplies,
        daemon: RunningDaemon,
        client: Client,
        mirror: Mirror,
        bus: Subscriber,
    ) -> None:
        self.daemon, self.mirror = daemon, mirror
        self.deltas: dict[str, list[Delta]] = {}
        self._servers, self._client, self._bus = servers, client, bus

    @property
    def texts(self) -> Mapping[str, bytes]:
        """What each server replies."""
        return self._servers.texts

    def poll(self, texts: Mapping[str, bytes]) -> None:
        """Poll all shards, whose servers now reply with these texts."""
        self._servers.texts.update(texts)
        self._client.get_infos(keys=["role"], refresh=True, timeout=60)
        revisions = self.revisions()
        self.deltas = {name: [] for name in texts}
        missing = set(texts)
        while missing:
            update = self._bus.recv(timeout=30)
            assert isinstance(update, Delta), update
            self.deltas[update.shard].append(update)
            if update.revision >= revisions[update.shard]:
                missing.discard(update.shard)
        self.wait_mirrored()

    def wait_mirrored(self) -> None:
        """Wait until the Mirror has what was polled."""
        revisions = self.revisions()

        def ready() -> bool:
            return len(self.mirror) == len(revisions) and all(
                self.mirror.revision(name) >= revision for name, revision in revisions.items()
            )

        wait_until(ready, what="the Mirror to have all polls")

    def revisions(self) -> dict[str, int]:
        """Return the number of the newest INFO of each shard."""
        found = self.queried(keys=["role"])
        return {name: entry.meta["revision"] for name, entry in found.items()}

    # -- what is given of the texts, each by the shard's id

    def queried(self, **args: Any) -> dict[str, Entry]:
        """Return what the query endpoint replies, through the Client."""
        return _entries(self._client.get_infos(**args))

    def fetched(self, **args: Any) -> dict[str, Entry]:
        """Return what HTTP replies as JSON."""
        found, cursor = [], None
        while True:
            query = urlencode({**args, **({"cursor": cursor} if cursor else {})}, doseq=True)
            body = fetch(self.daemon.http, f"api/v1/infos?{query}").json
            found += body["data"]
            cursor = body.get("cursor")
            if not cursor:
                return _entries(found)

    def printed(self, *args: str) -> dict[str, Entry]:
        """Return what `zinfo get --json` prints."""
        command = [sys.executable, "-m", "zinfo", "get", "--json", "--connect", self.daemon.query]
        done = subprocess.run(
            [*command, *args], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return _entries([json.loads(line) for line in done.stdout.splitlines()])

    def mirrored(self) -> dict[str, Fields]:
        """Return what the Mirror holds."""
        return dict(self.mirror.items())

    def stats(self) -> Mapping[str, Any]:
        """Return the daemon's counters."""
        return self._client.stats()

    def metrics(self) -> str:
        """Return the scrape of all shards."""
        return fetch(self.daemon.http, "metrics").text

    def scrape(self, shard: str) -> str:
        """Return the scrape of one shard."""
        return fetch(self.daemon.http, f"scrape?target={quote(shard)}").text


@contextlib.contextmanager
def watched(texts: Mapping[str, bytes], *, pure: bool) -> Iterator[Watched]:
    """Start everything.

    Args:
        texts: The text of each server, by its name, which is the id of the shard.
        pure: Whether the daemon works without the native part.
    """
    with StoredReplies(texts).running() as servers:
        shards = [
            f"[[shards]]\nid = '{name}'\nurl = '{url}'\n" for name, url in servers.urls.items()
        ]
        environ = {"ZINFO_PURE_PYTHON": "1"} if pure else {}
        with RunningDaemon(
            config_text=CONFIG + "".join(shards), http=True, environ=environ
        ) as daemon:
            daemon.wait_polled(len(texts))
            with (
                Client(daemon.query) as client,
                Mirror(daemon.query) as mirror,
                Subscriber(daemon.query, kinds=["delta"]) as bus,
            ):
                found = Watched(servers, daemon, client, mirror, bus)
                found.wait_mirrored()
                yield found


def _entries(replies: list[Any]) -> dict[str, Entry]:
    found = {}
    for reply in replies:
        meta = reply["meta"]
        assert meta["shard_identifier"] not in found
        found[meta["shard_identifier"]] = Entry(
            {k: v for k, v in reply.items() if k != "meta"}, meta
        )
    return found
