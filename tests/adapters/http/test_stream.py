"""`/api/v1/stream`: deltas, snapshots and events of a real daemon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.adapters.http.requests import Message, fetch, stream
from tests.daemons import RunningDaemon
from tests.metrics.texts import samples
from tests.servers import RealServer
from tests.waiting import wait_until

FAST = {"ZINFO_POLL_MIN_INTERVAL": "0.05", "ZINFO_POLL_MAX_INTERVAL": "0.05"}


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    """One server for all tests of this module; each leaves it running."""
    with RealServer() as server:
        yield server


@pytest.fixture(scope="module")
def shared(server: RealServer) -> Iterator[RunningDaemon]:
    """One daemon for all tests of this module."""
    with RunningDaemon([server.url], http=True, environ=FAST) as running:
        running.wait_polled(1)
        yield running


@pytest.fixture
def fast(shared: RunningDaemon) -> RunningDaemon:
    """The daemon, without streams of earlier tests."""
    wait_until(lambda: streams(shared) == 0, what="earlier streams to end")
    return shared


def first(messages: Iterator[Message], kind: str) -> Message:
    return next(message for message in messages if message.kind == kind)


def streams(daemon: RunningDaemon) -> float:
    return samples(fetch(daemon.http, "metrics").text)["zinfo_http_streams", frozenset()]


def test_all_deltas_combined_equal_the_info(fast: RunningDaemon, server: RealServer) -> None:
    with stream(fast.http, "api/v1/stream?kinds=delta&kinds=info") as messages:
        hello = next(messages)
        assert hello.kind == "hello"
        daemon: Any = fast.ask("hello").body
        assert hello.data["epoch"] == daemon["epoch"]
        whole: dict[str, Any] = first(messages, "info").data
        fields, revision = whole["info"], whole["revision"]
        for _ in range(10):
            delta = first(messages, "delta").data
            server.client().incr("n")
            assert (delta["shard"], delta["base"]) == (server.ident, revision)
            fields.update(delta["set"])
            for name in delta["unset"]:
                del fields[name]
            info = first(messages, "info").data
            assert fields == info["info"]
            revision = info["revision"]
            assert revision == delta["revision"]


def test_only_requested_fields_are_sent_and_only_when_they_change(
    fast: RunningDaemon, server: RealServer
) -> None:
    path = f"api/v1/stream?kinds=delta&keys=maxmemory&shard_ids={server.ident}"
    with stream(fast.http, path) as messages:
        wait_until(lambda: streams(fast) == 1, what="the stream to be open")
        server.client().config_set("maxmemory", 5 << 20)
        delta = first(messages, "delta")
        assert delta.data["set"] == {"maxmemory": 5 << 20}
    wait_until(lambda: streams(fast) == 0, what="the stream to be forgotten")


def test_missed_events_are_sent_before_new_ones(fast: RunningDaemon, server: RealServer) -> None:
    with stream(fast.http, "api/v1/stream?kinds=event") as messages:
        next(messages)
        server.kill()
        down = first(messages, "event")
        assert (down.data["shard"], down.data["type"]) == (server.ident, "down")
    server.start()
    wait_until(lambda: _newest(fast) > down.data["number"] + 1, what="more events")
    headers = {"Last-Event-ID": down.ident}
    with stream(fast.http, "api/v1/stream?kinds=event", headers) as messages:
        up, restarted = first(messages, "event").data, first(messages, "event").data
        assert up["number"] == down.data["number"] + 1
        assert {up["type"], restarted["type"]} == {"up", "restarted"}


def _newest(daemon: RunningDaemon) -> int:
    newest: int = fetch(daemon.http, "api/v1/events").json["newest"]
    return newest


def test_an_event_id_of_another_run_replays_nothing(fast: RunningDaemon) -> None:
    body: Any = fast.ask("hello").body
    epoch = body["epoch"]
    idents = ("1:0", f"{epoch}:\xb2", f"{epoch}:" + 5000 * "9", ":", "x")
    with ExitStack() as stack:
        opened = {
            ident: stack.enter_context(
                stream(fast.http, "api/v1/stream?kinds=event", {"Last-Event-ID": ident})
            )
            for ident in idents
        }
        for ident, messages in opened.items():
            assert next(messages).kind == "hello", ident
            assert next(messages).kind == "beat", ident


def test_a_stream_without_messages_sends_beats(fast: RunningDaemon) -> None:
    with stream(fast.http, "api/v1/stream?kinds=event&shard_ids=none") as messages:
        assert [next(messages).kind for _ in range(3)] == ["hello", "beat", "beat"]
