"""A lack of memory fails one request or one shard, and everything else goes on."""

from __future__ import annotations

import time
from typing import Any

from tests.conftest import ServerFactory
from tests.faults.faulty_daemon import FaultyDaemon
from tests.promises import Promise
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.client import Client
from zinfo.errors import InternalError

QUICK = {"ZINFO_POLL_MIN_INTERVAL": "0.1", "ZINFO_POLL_MAX_INTERVAL": "0.1"}


def test_a_memory_error_in_a_query_fails_only_that_request(
    server: RealServer, promise: Promise
) -> None:
    with FaultyDaemon([server.url], environ=QUICK) as daemon:
        daemon.wait_polled(1)
        with daemon.broken("memory of a reply"):
            failed = daemon.ask("get_infos")
            narrow = daemon.ask("get_infos", keys=["role"])
            pinged = daemon.ask("ping")
        started = time.monotonic()
        complete = daemon.ask("get_infos")
        took = time.monotonic() - started
        codes = daemon.stats()["query"]["errors"]
        promise(
            "MemoryError while a reply to a query is made",
            "`internal` for that request alone",
            f"{codes}; the next replies are complete after {took * 1000:.0f} ms",
        )
        assert isinstance(failed.error, InternalError)
        assert narrow.error is None
        assert pinged.error is None
        assert complete.error is None
        assert codes == {"internal": 1}
        assert "MemoryError" in daemon.log()


def test_a_memory_error_in_a_poll_is_a_polling_error_of_only_that_shard(
    server_factory: ServerFactory, promise: Promise
) -> None:
    failing, other = server_factory(), server_factory()
    with FaultyDaemon([failing.url, other.url], environ=QUICK) as daemon:
        daemon.wait_polled(2)

        def revision(server: RealServer) -> int:
            body: Any = daemon.ask("shards", ids=[server.ident]).body
            number: int = body[0]["revision"]
            return number

        with daemon.broken("memory of a shard", failing.ident):
            wait_until(lambda: daemon.events("polling_error"), what="the event")
            stuck, before = revision(failing), revision(other)
            wait_until(lambda: revision(other) >= before + 5, what="polls of the other")
            assert revision(failing) == stuck
        repaired = time.monotonic()
        wait_until(lambda: revision(failing) > stuck, what="polls of the shard")
        took = time.monotonic() - repaired
        with Client(daemon.query) as client:
            states = {shard["id"]: shard["state"] for shard in client.shards()}
        shards = {event.shard for event in daemon.events("polling_error")}
        faults = daemon.stats()["faults"]
        promise(
            "MemoryError while a reply is stored",
            "polling_error of that shard alone; polled again",
            f"{faults['poller']} faults, all of one shard; polled again after {took:.2f} s",
        )
        assert shards == {failing.ident}
        assert set(faults) == {"poller"}
        assert states == {failing.ident: "up", other.ident: "up"}
