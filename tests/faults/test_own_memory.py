"""There is no memory for one thing: that one fails, all else goes on."""

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


def test_an_answer_that_there_is_no_memory_for_is_an_error_of_that_request_alone(
    server: RealServer, promise: Promise
) -> None:
    with FaultyDaemon([server.url], environ=QUICK) as daemon:
        daemon.wait_polled(1)
        with daemon.broken("memory of a reply"):
            failed = daemon.ask("get_infos")
            narrow = daemon.ask("get_infos", keys=["role"])
            pinged = daemon.ask("ping")
        begun = time.monotonic()
        whole = daemon.ask("get_infos")
        took = time.monotonic() - begun
        codes = daemon.stats()["query"]["errors"]
        promise(
            "MemoryError while an answer is made",
            "`internal` for that request alone",
            f"{codes}; the next answers are whole after {took * 1000:.0f} ms",
        )
        assert isinstance(failed.error, InternalError)
        assert narrow.error is None
        assert pinged.error is None
        assert whole.error is None
        assert codes == {"internal": 1}
        assert "MemoryError" in daemon.log()


def test_a_reply_that_there_is_no_memory_for_is_a_polling_error_of_that_shard_alone(
    server_factory: ServerFactory, promise: Promise
) -> None:
    poor, other = server_factory(), server_factory()
    with FaultyDaemon([poor.url, other.url], environ=QUICK) as daemon:
        daemon.wait_polled(2)

        def revision(server: RealServer) -> int:
            body: Any = daemon.ask("shards", ids=[server.ident]).body
            number: int = body[0]["revision"]
            return number

        with daemon.broken("memory of a shard", poor.ident):
            wait_until(lambda: daemon.events("polling_error"), what="the event")
            stuck, before = revision(poor), revision(other)
            wait_until(lambda: revision(other) >= before + 5, what="polls of the other")
            assert revision(poor) == stuck
        mended = time.monotonic()
        wait_until(lambda: revision(poor) > stuck, what="polls of the shard")
        took = time.monotonic() - mended
        with Client(daemon.query) as client:
            states = {shard["id"]: shard["state"] for shard in client.shards()}
        shards = {event.shard for event in daemon.events("polling_error")}
        faults = daemon.stats()["faults"]
        promise(
            "MemoryError while a reply is stored",
            "polling_error of that shard alone; polled again",
            f"{faults['poller']} faults, all of one shard; polled again after {took:.2f} s",
        )
        assert shards == {poor.ident}
        assert set(faults) == {"poller"}
        assert states == {poor.ident: "up", other.ident: "up"}
