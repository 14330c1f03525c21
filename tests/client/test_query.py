"""Client against a peer on real sockets."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.client.flavours import Flavour
from tests.client.wire_peer import WirePeer
from tests.spawning import free_port
from tests.waiting import wait_until
from zinfo.client import Event
from zinfo.errors import (
    ConfigError,
    NoAnswerError,
    NotPolledError,
    ProtocolError,
    RequestError,
    UnknownOpError,
)
from zinfo.wire.codec import pack
from zinfo.wire.query_messages import decode_request, encode_reply


def test_every_operation_returns_its_result(peer: WirePeer, flavour: Flavour) -> None:
    with flavour.client(peer.query) as client:
        assert client.hello()["bus"] == [peer.bus]
        assert client.ping() == pytest.approx(time.time(), abs=60)
        assert client.stats() == {"revisions": 3}
        assert client.sources() == [{"name": "cmdb", "type": "http"}]
        assert client.accept_source("cmdb") == 4
        assert [shard["id"] for shard in client.shards()] == ["a", "b", "c"]
        infos = client.get_infos()
        assert [info["meta"]["shard_identifier"] for info in infos] == ["a", "b", "c"]
        assert [entry["shard"] for entry in client.snapshot()] == ["a", "b", "c"]
        assert client.snapshot(["b"])[0]["info"]["role"] == "master"
        reply = client.request("hello")
        assert reply.epoch == 1


def test_all_pages_are_fetched_or_yielded_one_by_one(peer: WirePeer, flavour: Flavour) -> None:
    with flavour.client(peer.query) as client:
        assert [len(page) for page in client.iter_infos()] == [2, 1]
        requests = [decode_request(request) for request in peer.requests]
        assert [request.args for request in requests] == [{}, {"cursor": "b"}]


def test_a_page_is_requested_before_the_previous_one_is_decoded(
    peer: WirePeer, flavour: Flavour
) -> None:
    peer.spoil = lambda frames: [*frames[:-1], b"\xc1"]  # a byte that msgpack never uses
    with flavour.client(peer.query) as client:
        with pytest.raises(ProtocolError, match="msgpack"):
            client.get_infos()
        wait_until(lambda: len(peer.requests) == 2, what="requests for both pages")
        peer.spoil = list
        assert len(client.get_infos()) == 3, "what came of the second page meets no other request"


def test_each_page_of_iter_infos_has_its_own_timeout(peer: WirePeer, blocking: Flavour) -> None:
    with blocking.client(peer.query) as client:
        pages = client.iter_infos(timeout=2)
        next(pages)
        busy_until = time.monotonic() + 2.1
        wait_until(lambda: time.monotonic() > busy_until, what="the consumer's own work")
        assert len(next(pages)) == 1


def test_empty_arguments_are_not_sent(peer: WirePeer, flavour: Flavour) -> None:
    with flavour.client(peer.query) as client:
        client.get_infos(
            ["a"],
            ("used_",),
            True,
            1.5,
            True,
            labels={"zone": "z"},
            with_labels=True,
            refresh=True,
            limit=10,
            state="up",
        )
        client.shards(labels={"zone": "z"}, state=("up", "busy"))
    requests = [decode_request(request) for request in peer.requests]
    first = {name: value for name, value in requests[0].args.items() if name != "cursor"}
    assert first == {
        "shard_ids": ["a"],
        "keys": ["used_"],
        "allow_partial": True,
        "max_age": 1.5,
        "prefix_matching": True,
        "labels": {"zone": "z"},
        "with_labels": True,
        "refresh": True,
        "limit": 10,
        "state": ["up"],
    }
    assert requests[-1].args == {"labels": {"zone": "z"}, "state": ["up", "busy"]}


def test_recent_events_say_whether_some_are_no_longer_stored(
    peer: WirePeer, flavour: Flavour
) -> None:
    with flavour.client(peer.query) as client:
        recent = client.events()
        assert [event.number for event in recent.events] == [4, 5, 6]
        assert all(isinstance(event, Event) for event in recent.events)
        assert (recent.oldest, recent.newest, recent.missed) == (4, 6, True)
        later = client.events(since=5)
        assert [event.number for event in later.events] == [6]
        assert not later.missed
        assert not client.events(since=3).missed  # all stored events are requested


def test_a_refusal_raises_its_error_and_the_next_call_works(
    peer: WirePeer, flavour: Flavour
) -> None:
    with flavour.client(peer.query) as client:
        with pytest.raises(UnknownOpError, match="no operation dance"):
            client.request("dance")
        peer.daemon.refusal = NotPolledError("info for shard a not available")
        with pytest.raises(KeyError) as refused:
            client.get_infos(["a"])
        assert isinstance(refused.value, RequestError)
        assert refused.value.retryable
        assert client.ping()


def test_without_a_daemon_the_error_is_one_line_with_endpoint_and_advice(flavour: Flavour) -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    with flavour.client(endpoint, timeout=0.2) as client:
        with pytest.raises(NoAnswerError) as refused:
            client.ping()
        message = str(refused.value)
        assert endpoint in message
        assert "zinfo serve" in message
        assert "\n" not in message


PATIENT = {"timeout": 20, "retries": 39}
"""Options of a client that sends a request again after half a second, and waits for long."""


def test_a_lost_request_is_sent_again_on_a_new_socket(peer: WirePeer, flavour: Flavour) -> None:
    peer.spoil = lambda reply: reply if len(peer.requests) > 1 else []
    with flavour.client(peer.query, **PATIENT) as client:
        assert client.ping()
    first, second = (decode_request(request) for request in peer.requests[:2])
    assert first.id == second.id
    assert first.deadline is not None
    assert second.deadline is not None
    assert 0 < second.deadline <= first.deadline - 0.5
    assert first.deadline <= 20
    assert peer.envelopes[0] != peer.envelopes[1]


def test_a_slow_reply_to_the_first_request_is_still_accepted(
    peer: WirePeer, flavour: Flavour
) -> None:
    def only_to_the_first(reply: list[bytes]) -> list[bytes]:
        if len(peer.requests) > 1:
            peer._router.send_multipart([*peer.envelopes[0], *reply])
        return []

    peer.spoil = only_to_the_first
    with flavour.client(peer.query, **PATIENT) as client:
        assert client.ping()


def test_the_call_s_own_timeout_covers_its_retries(peer: WirePeer, flavour: Flavour) -> None:
    peer.deaf = True
    with flavour.client(peer.query, retries=3) as client, pytest.raises(NoAnswerError):
        client.get_infos(timeout=2)
    deadlines = [decode_request(request).deadline or 0 for request in peer.requests]
    assert len(deadlines) == 4
    assert 2 >= deadlines[0] > deadlines[1] > deadlines[2] > deadlines[3] > 0


@pytest.mark.parametrize("ident", [0, [1]], ids=["a request's", "none that a request has"])
def test_a_late_reply_is_not_used_for_the_next_request(
    peer: WirePeer, flavour: Flavour, ident: object
) -> None:
    def twice(reply: list[bytes]) -> list[bytes]:
        late = [*encode_reply(ident, "late", 1), pack(1.0)]
        peer._router.send_multipart([*peer.envelopes[-1], *late])
        return reply

    peer.spoil = twice
    with flavour.client(peer.query) as client:
        assert client.ping() > 1.0
        assert client.ping() > 1.0


def test_calls_share_a_socket_until_one_fails(peer: WirePeer, flavour: Flavour) -> None:
    with flavour.client(peer.query, retries=0) as client:
        assert client.ping()
        assert client.ping()
        peer.deaf = True
        with pytest.raises(NoAnswerError):
            client.ping(timeout=1)
        peer.deaf = False
        assert client.ping()
    first, second, failed, fresh = (envelope[0] for envelope in peer.envelopes)
    assert first == second == failed != fresh


@pytest.mark.parametrize(
    "reply",
    [[b"HTTP/1.1 400 Bad Request"], [b"ZI1", b"\xc1"], [b"ZI1", pack({"ok": True, "id": 1}), b""]],
)
def test_a_malformed_reply_is_a_protocol_error(
    peer: WirePeer, flavour: Flavour, reply: list[bytes]
) -> None:
    peer.spoil = lambda _: reply
    with flavour.client(peer.query) as client, pytest.raises(ProtocolError):
        client.hello()


@pytest.mark.parametrize("operation", ["hello", "ping", "shards", "get_infos", "events", "stats"])
def test_a_body_of_another_type_is_a_protocol_error(
    peer: WirePeer, flavour: Flavour, operation: str
) -> None:
    peer.spoil = lambda reply: [*reply[:2], pack("text")]
    with flavour.client(peer.query) as client, pytest.raises(ProtocolError):
        getattr(client, operation)()


def test_events_without_their_counts_are_a_protocol_error(peer: WirePeer, flavour: Flavour) -> None:
    peer.spoil = lambda reply: [*encode_reply(1, "n", 1), reply[2]]
    with flavour.client(peer.query) as client, pytest.raises(ProtocolError):
        client.events()


def test_a_restarted_daemon_answers_the_next_request(peer: WirePeer, flavour: Flavour) -> None:
    with flavour.client(peer.query) as client:
        assert client.request("hello").epoch == 1
        peer.restart("a")
        assert client.request("hello").epoch == 2


def test_a_second_concurrent_call_is_refused(peer: WirePeer, blocking: Flavour) -> None:
    peer.deaf = True
    with blocking.client(peer.query, **PATIENT) as client:
        first = threading.Thread(target=client.ping)
        first.start()
        wait_until(lambda: peer.requests, what="the first call")
        with pytest.raises(RuntimeError, match="one call at a time"):
            client.ping()
        peer.deaf = False
        first.join()


def test_a_single_text_instead_of_a_collection_is_refused(flavour: Flavour) -> None:
    with flavour.client() as client, pytest.raises(TypeError, match="several"):
        client.get_infos("127.0.0.1:6379")


def test_an_invalid_endpoint_is_refused(flavour: Flavour) -> None:
    for endpoint in ("localhost:9736", f"ipc:///{'x' * 200}"):
        with pytest.raises(ConfigError, match="no endpoint"):
            flavour.client(endpoint)


def test_an_endpoint_that_zmq_rejects_is_refused(flavour: Flavour) -> None:
    no_name = "tcp://-:1"  # the parser leaves names to DNS
    with flavour.client(no_name) as client, pytest.raises(ConfigError, match="cannot"):
        client.ping()


def test_calls_of_a_closed_client_raise(flavour: Flavour) -> None:
    client = flavour.client()
    client.close()
    client.close()
    with pytest.raises(ValueError, match="closed"):
        client.ping()


def test_a_call_that_waits_in_another_thread_ends_when_the_client_is_closed(
    peer: WirePeer, blocking: Flavour
) -> None:
    peer.deaf = True
    client = blocking.client(peer.query)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.ping)
        wait_until(lambda: peer.requests, what="the request")
        client.close()
        with pytest.raises(ValueError, match="closed"):
            waiting.result(60)
