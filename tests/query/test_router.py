"""The query endpoint of a real daemon, tested through plain sockets."""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
import zmq

from tests.column_replies import unpacked
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.errors import (
    BadRequestError,
    NotPolledError,
    TooLargeError,
    UnknownOpError,
    UnknownShardError,
    UnsupportedVersionError,
)
from zinfo.wire.codec import pack
from zinfo.wire.query_messages import MAGIC, Request, decode_reply, encode_request

UNREACHABLE = "redis://127.0.0.1:1"


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    """One server for all tests of this module, except those that count its commands."""
    with RealServer() as server:
        yield server


@pytest.fixture(scope="module")
def daemon(server: RealServer) -> Iterator[RunningDaemon]:
    config = f'[[shards]]\nurl = "{server.url}"\nlabels = {{ role = "cache" }}\n'
    with RunningDaemon([UNREACHABLE], config_text=config) as daemon:
        daemon.wait_settled()
        yield daemon


@contextlib.contextmanager
def dealer(daemon: RunningDaemon, rcvhwm: int = 1000) -> Iterator[zmq.Socket[bytes]]:
    with zmq.Context() as context, context.socket(zmq.DEALER) as sock:
        sock.linger = 0
        sock.rcvhwm = rcvhwm
        sock.connect(daemon.query)
        yield sock


def exchange(
    sock: zmq.Socket[bytes], frames: Sequence[bytes], timeout: float = 60.0
) -> list[bytes]:
    sock.send_multipart(frames)
    assert sock.poll(int(timeout * 1000)), "no reply"
    return sock.recv_multipart()


def test_hello_has_all_that_a_client_needs(daemon: RunningDaemon) -> None:
    hello: Any = daemon.ask("hello").body
    assert hello["bus"] == [daemon.bus]
    assert hello["versions"] == [1]
    assert set(hello["ops"]) == {
        *("hello", "get_infos", "get_columns", "history", "shards", "snapshot", "events", "stats"),
        *("sources", "accept_source", "ping"),
    }
    assert hello["limits"]["max_request_bytes"] == 65536


def test_ping_returns_the_time(daemon: RunningDaemon) -> None:
    reported: Any = daemon.ask("ping").body
    assert abs(reported - time.time()) < 60


def test_get_infos_returns_all_fields_and_meta(daemon: RunningDaemon, server: RealServer) -> None:
    infos: Any = daemon.ask("get_infos").body
    assert len(infos) == 1
    assert infos[0]["tcp_port"] == server.port
    meta = infos[0]["meta"]
    assert meta["shard_identifier"] == server.ident
    assert 0 <= meta["info_age"] < 60
    assert (meta["state"], meta["revision"] > 0, meta["time"] > 1.7e9) == ("up", True, True)


def test_get_columns_has_all_live_shards(daemon: RunningDaemon, server: RealServer) -> None:
    for _ in range(3):  # a field that is requested again is read at the poll
        body: Any = daemon.ask("get_columns", keys=["tcp_port", "role", "nothing"]).body
        columns = unpacked(body)
        assert columns["ids"] == sorted(["127.0.0.1:1", server.ident])
        at = columns["ids"].index(server.ident)
        assert [column[at] for column in columns["columns"]] == [server.port, "master", None]
        assert [column[1 - at] for column in columns["columns"]] == [None, None, None]
        assert (columns["state"][at], columns["state"][1 - at]) == ("up", "down")
        assert 0 <= columns["age"][at] < 60
        assert columns["age"][1 - at] == math.inf
        daemon.wait_polled(1)
    again: Any = daemon.ask("get_columns", keys=["role"], ids_revision=body["ids_revision"]).body
    assert again["ids"] is None
    requests = daemon.ask("stats").body
    assert isinstance(requests, dict)
    assert requests["query"]["requests"]["get_columns"] == 4
    assert isinstance(daemon.ask("get_columns").error, BadRequestError)


def test_keys_prefixes_sections_and_labels_restrict_the_result(daemon: RunningDaemon) -> None:
    def fields(**args: object) -> set[str]:
        infos: Any = daemon.ask("get_infos", **args).body
        assert len(infos) == 1
        return set(infos[0]) - {"meta"}

    assert fields(keys=["used_memory", "nothing"]) == {"used_memory"}
    assert fields(keys="used_memory") == {"used_memory"}
    assert fields(keys=["used_cpu_"], prefix_matching=True) >= {"used_cpu_sys", "used_cpu_user"}
    assert fields(sections=["clients"]) >= {"connected_clients"}
    assert fields(sections=["cpu"], keys=["used_cpu_sys", "role"]) == {"used_cpu_sys"}
    assert fields(labels={"role": "cache"}, keys=["role"]) == {"role"}
    assert daemon.ask("get_infos", labels={"role": "queue"}).body == []


def test_state_selects_shards(daemon: RunningDaemon, server: RealServer) -> None:
    dead = UNREACHABLE.removeprefix("redis://")

    def found(op: str, **args: object) -> list[str]:
        entries: Any = daemon.ask(op, **args).body
        return [entry["id"] if op == "shards" else entry["meta"]["state"] for entry in entries]

    assert found("get_infos", state="up") == ["up"]
    assert found("get_infos", state=["up", "loading"], keys=["role"]) == ["up"]
    assert found("get_infos", state=["down"], keys=["role"]) == []
    assert found("get_infos", state="down", shard_ids=[dead], allow_partial=True) == ["down"]
    assert found("get_infos", state="up", shard_ids=[dead, server.ident]) == ["up"]
    assert found("get_infos", state="up", labels={"role": "queue"}) == []
    assert found("shards", state="down") == [dead]
    assert found("shards", state=["down", "up", "up"]) == sorted([dead, server.ident])
    assert found("shards", state="busy", ids=[dead]) == []
    for op in ("get_infos", "shards"):
        error = daemon.ask(op, state=["up", "upp"]).error
        assert isinstance(error, BadRequestError)
        assert str(error) == "unknown state 'upp': a state is new, up, loading, busy or down"
        assert isinstance(daemon.ask(op, state=[1]).error, BadRequestError)
        assert isinstance(daemon.ask(op, state=["up"] * 1000).error, BadRequestError)


def test_a_refresh_polls_only_shards_in_the_requested_state(
    daemon: RunningDaemon, server: RealServer
) -> None:
    def refreshes() -> int:
        stats: Any = daemon.ask("stats").body
        return int(stats["poll"]["refreshes"])

    def polls(state: str) -> bool:
        before = refreshes()
        daemon.ask("get_infos", refresh=True, state=state)
        return refreshes() > before

    def age() -> float:
        shards: Any = daemon.ask("shards", shard_ids=[server.ident]).body
        return float(shards[0]["age"])

    wait_until(lambda: polls("up"), what="a poll that is not too soon after another one")
    wait_until(lambda: age() > 0.2, what="the next poll not to be too soon")
    assert not polls("busy")


def test_meta_has_the_labels_on_request(daemon: RunningDaemon) -> None:
    def labels(**args: object) -> object:
        infos: Any = daemon.ask("get_infos", **args).body
        return [info["meta"].get("labels") for info in infos]

    assert labels() == [None]
    assert labels(with_labels=True) == [{"role": "cache"}]
    assert labels(with_labels=True, keys=["role"]) == [{"role": "cache"}]
    assert labels(with_labels=True, sections=["cpu"]) == [{"role": "cache"}]


def test_a_shard_without_info_is_an_error_or_a_partial_entry(daemon: RunningDaemon) -> None:
    for ids, kind, message in (
        (["unknown"], UnknownShardError, "shard unknown not found"),
        (["127.0.0.1:1"], NotPolledError, "info for shard 127.0.0.1:1 not available"),
    ):
        error = daemon.ask("get_infos", shard_ids=ids).error
        assert (type(error), str(error)) == (kind, message)
        partial: Any = daemon.ask("get_infos", shard_ids=ids, allow_partial=True).body
        assert partial[0]["meta"]["error"] == message
        assert partial[0]["meta"]["info_age"] == 1e38


def test_shards_returns_state_and_reason(daemon: RunningDaemon, server: RealServer) -> None:
    shards: Any = daemon.ask("shards").body
    assert [shard["id"] for shard in shards] == sorted(["127.0.0.1:1", server.ident])
    up = next(shard for shard in shards if shard["id"] == server.ident)
    down = next(shard for shard in shards if shard["id"] == "127.0.0.1:1")
    assert (up["state"], up["role"], up["reason"]) == ("up", "master", "")
    assert (down["state"], down["reason"], down["age"]) == ("down", "refused", None)
    assert down["failures"] >= 1
    events: Any = daemon.ask("events").body
    for shard in shards:
        (began,) = (e for e in events if (e["shard"], e["type"]) == (shard["id"], shard["state"]))
        assert abs(shard["since"] - began["time"]) < 1, "both are the moment of the change"
    assert "refused" in down["error"]
    assert isinstance(daemon.ask("shards", shard_ids=["unknown"]).error, UnknownShardError)


@pytest.mark.parametrize("op", ["shards", "snapshot", "events"])
def test_shard_ids_may_be_sent_under_their_former_name(
    daemon: RunningDaemon, server: RealServer, op: str
) -> None:
    def ids(**args: object) -> set[str]:
        entries: Any = daemon.ask(op, **args).body
        return {entry["id"] for entry in entries}

    assert ids(shard_ids=[server.ident]) == ids(ids=[server.ident]) == {server.ident}
    assert ids(shard_ids=server.ident, ids=[]) == {server.ident}
    error = daemon.ask(op, shard_ids=[server.ident], ids=[server.ident]).error
    assert isinstance(error, BadRequestError)
    assert str(error) == "ids is the former name of shard_ids: give only shard_ids"


@pytest.mark.parametrize("more", [[], [f"none_{number}" for number in range(60)]])
def test_a_snapshot_has_some_fields_only(
    daemon: RunningDaemon, server: RealServer, more: list[str]
) -> None:
    keys = ["used_memory", "role", "none", *more]
    entries: Any = daemon.ask("snapshot", shard_ids=[server.ident], keys=keys).body
    (entry,) = entries
    assert entry["info"].keys() == {"used_memory", "role"}
    assert entry["info"]["role"] == "master"
    entries = daemon.ask("snapshot", shard_ids=[server.ident]).body
    assert entry.keys() == entries[0].keys()
    error = daemon.ask("snapshot", keys=5).error
    assert isinstance(error, BadRequestError)


def test_a_snapshot_has_every_shard_and_its_sequence_numbers(
    daemon: RunningDaemon, server: RealServer
) -> None:
    reply = daemon.ask("snapshot")
    entries: Any = reply.body
    known = next(entry for entry in entries if entry["shard"] == server.ident)
    unknown = next(entry for entry in entries if entry["shard"] != server.ident)
    assert known["info"]["tcp_port"] == server.port
    assert (known["state"], known["revision"] > 0, known["seq"]) == ("up", True, 2)
    assert (unknown["info"], unknown["revision"]) == (None, 0)
    assert reply.header["number"] == 4
    some: Any = daemon.ask("snapshot", topics=[f"z1/delta/{server.ident}/"]).body
    assert [entry["shard"] for entry in some] == [server.ident]
    assert isinstance(
        daemon.ask("snapshot", topics=["z1/"], shard_ids=["x"]).error, BadRequestError
    )


def test_events_can_be_read_page_by_page(daemon: RunningDaemon) -> None:
    everything = daemon.ask("events")
    assert (everything.header["oldest"], everything.header["newest"]) == (1, 4)
    first = daemon.ask("events", limit=3)
    rest = daemon.ask("events", cursor=first.cursor)
    pages: tuple[Any, Any] = (first.body, rest.body)
    assert [*pages[0], *pages[1]] == everything.body
    assert daemon.ask("events", since=4).body == []
    of_one: Any = daemon.ask("events", shard_ids=["127.0.0.1:1"]).body
    assert [event["type"] for event in of_one] == ["added", "down"]


def test_a_result_over_the_size_limit_is_paged_with_a_cursor(server: RealServer) -> None:
    shards = "".join(f'[[shards]]\nid = "{ident}"\nurl = "{server.url}"\n' for ident in "abc")
    small = {"ZINFO_QUERY_MAX_REPLY_BYTES": "9000"}
    with RunningDaemon(config_text=shards, environ=small) as daemon:
        daemon.wait_polled(3)
        seen: list[str] = []
        cursor: str | None = None
        for _ in range(5):
            reply = daemon.ask("get_infos", **({"cursor": cursor} if cursor else {}))
            assert reply.error is None
            infos: Any = reply.body
            seen += [info["meta"]["shard_identifier"] for info in infos]
            cursor = reply.cursor
            if cursor is None:
                break
        assert seen == ["a", "b", "c"]
        two: Any = daemon.ask("get_infos", limit=2, keys=["role"])
        assert len(two.body) == 2
        assert two.cursor


def test_one_entry_over_the_size_limit_is_too_large(server: RealServer) -> None:
    with RunningDaemon([server.url], environ={"ZINFO_QUERY_MAX_REPLY_BYTES": "2000"}) as daemon:
        wait_until(
            lambda: isinstance(daemon.ask("get_infos").error, TooLargeError), what="too_large"
        )
        assert daemon.ask("get_infos", keys=["role"]).error is None


@pytest.fixture(scope="module")
def lazy_server() -> Iterator[RealServer]:
    """The server of `lazy`, which tests suspend."""
    with RealServer() as server:
        yield server


@pytest.fixture(scope="module")
def lazy(lazy_server: RealServer) -> Iterator[RunningDaemon]:
    """A daemon that polls its shard once, and then only if it is asked to."""
    environ = {
        "ZINFO_POLL_MIN_INTERVAL": "600",
        "ZINFO_POLL_MAX_INTERVAL": "600",
        "ZINFO_POLL_TIMEOUT": "600",
        "ZINFO_QUERY_MIN_REFRESH_INTERVAL": "0",
    }
    with RunningDaemon([lazy_server.url], environ=environ) as daemon:
        daemon.wait_polled(1)
        yield daemon


def revision(daemon: RunningDaemon, **args: object) -> int:
    infos: Any = daemon.ask("get_infos", keys=["role"], **args).body
    found: int = infos[0]["meta"]["revision"]
    return found


def test_refresh_polls_shards_with_info_older_than_max_age(lazy: RunningDaemon) -> None:
    before = revision(lazy)
    assert revision(lazy, refresh=True, max_age=500) == before
    assert revision(lazy, refresh=True) == before + 1


def test_refreshes_during_a_poll_share_its_result(
    lazy: RunningDaemon, lazy_server: RealServer
) -> None:
    before = revision(lazy)
    lazy_server.suspend()
    try:
        with dealer(lazy) as sock:
            for number in range(20):
                ask = Request("get_infos", {"refresh": True, "keys": ["role"]}, number)
                sock.send_multipart([b"", *encode_request(ask)])
            pong = exchange(sock, [b"", *encode_request(Request("ping", id="last"))])
            assert decode_reply(pong[1:]).id == "last", "all others have arrived, and wait"
            lazy_server.resume()
            replies = []
            for _ in range(20):
                assert sock.poll(60_000)
                replies.append(decode_reply(sock.recv_multipart()[1:]))
    finally:
        lazy_server.resume()
    assert {reply.id for reply in replies} == set(range(20))
    assert revision(lazy) == before + 1


def test_a_deadline_ends_the_wait_for_polls(lazy: RunningDaemon, lazy_server: RealServer) -> None:
    lazy_server.suspend()
    try:
        with dealer(lazy) as sock:
            request = Request("get_infos", {"refresh": True}, "me", deadline=1.5)
            reply = decode_reply(exchange(sock, [b"", *encode_request(request)])[1:])
    finally:
        lazy_server.resume()
    # An old snapshot is better than none; the client can see its age.
    assert (reply.id, reply.error) == ("me", None)
    infos: Any = reply.body
    assert infos[0]["meta"]["info_age"] > 0.5, "it has waited for the poll"


@pytest.mark.parametrize(
    ("frames", "kind"),
    [
        ([MAGIC, b"\xc1"], BadRequestError),
        ([MAGIC, pack({"op": "ping", "args": []})], BadRequestError),
        ([MAGIC, pack({"op": "ping", "args": {"extra": 1}})], BadRequestError),
        ([MAGIC], BadRequestError),
        ([MAGIC, b"x" * 70_000], TooLargeError),
        ([b"what?"], BadRequestError),
        ([b"ZI7", b""], UnsupportedVersionError),
        ([MAGIC, pack({"op": "drop_all"})], UnknownOpError),
    ],
)
def test_a_malformed_request_gets_an_error_and_does_not_end_the_loop(
    daemon: RunningDaemon, frames: list[bytes], kind: type[Exception]
) -> None:
    with dealer(daemon) as sock:
        reply = decode_reply(exchange(sock, [b"", *frames])[1:])
        assert isinstance(reply.error, kind)
    assert daemon.ask("ping").error is None


def test_a_message_without_an_envelope_is_counted_and_dropped(daemon: RunningDaemon) -> None:
    with dealer(daemon) as sock:
        sock.send_multipart([b"no", b"empty", b"frame"])
        sock.send(b"x")

        def dropped() -> bool:
            stats: Any = daemon.ask("stats").body
            return bool(stats["query"]["dropped"].get("no envelope") == 2)

        wait_until(dropped, what="both to be counted")


def test_the_reply_repeats_an_envelope_of_any_length(daemon: RunningDaemon) -> None:
    request = encode_request(Request("ping", id=secrets.token_bytes(4)))
    with dealer(daemon) as sock:
        for envelope in ([b""], [b"a", b""], [b"a", b"bb", b"ccc", b""]):
            got = exchange(sock, [*envelope, *request])
            assert got[: len(envelope)] == envelope
            assert decode_reply(got[len(envelope) :]).error is None


def test_a_correlating_req_socket_works(daemon: RunningDaemon) -> None:
    with zmq.Context() as context, context.socket(zmq.REQ) as sock:
        sock.linger = 0
        sock.setsockopt(zmq.REQ_CORRELATE, 1)
        sock.connect(daemon.query)
        for _ in range(3):
            reply = decode_reply(exchange(sock, encode_request(Request("ping"))))
            assert reply.error is None


def test_bytes_of_port_scanners_do_no_harm(daemon: RunningDaemon) -> None:
    parts = urlsplit(daemon.query)
    assert parts.hostname
    assert parts.port
    for data in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x02", os.urandom(500), b""):
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as sock:
            sock.sendall(data)
    assert daemon.ask("ping").error is None


def test_clients_that_read_nothing_are_dropped_and_counted(daemon: RunningDaemon) -> None:
    request = encode_request(Request("get_infos", {"allow_partial": True}))

    def dropped_of_more() -> int:
        for _ in range(50):  # the limit of one client; further requests get short replies
            sock.send_multipart([b"", *request])
        stats: Any = daemon.ask("stats").body
        count: int = stats["query"]["dropped"].get("client does not read", 0)
        return count

    with dealer(daemon, rcvhwm=1) as sock:
        for _ in range(3000):
            sock.send_multipart([b"", *request])
        assert daemon.ask("ping").error is None
        wait_until(dropped_of_more, what="replies that were dropped")


def test_a_second_daemon_at_the_same_endpoint_gets_a_clear_error(
    daemon: RunningDaemon, server: RealServer
) -> None:
    import subprocess
    import sys

    second = subprocess.run(
        [sys.executable, "-m", "zinfo", "serve", "--shard", server.url, "--query", daemon.query],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "ZINFO_BUS_ENDPOINT": "tcp://127.0.0.1:*"},
    )
    assert second.returncode == 1
    assert "cannot listen at" in second.stderr
    assert "Traceback" not in second.stderr


def test_the_daemon_ends_although_peers_do_not_read(server: RealServer) -> None:
    with RunningDaemon([server.url]) as daemon, dealer(daemon) as sock:
        daemon.wait_polled(1)
        request = encode_request(Request("get_infos"))
        for _ in range(500):
            sock.send_multipart([b"", *request])
        assert daemon.terminate() == 0
        assert "Traceback" not in daemon.log()
