"""Client.get_columns against a peer on real sockets."""

from __future__ import annotations

import time

import pytest

from tests.client.flavours import Flavour
from tests.client.model import Frames
from tests.client.wire_peer import WirePeer
from tests.waiting import wait_until
from zinfo.client.columns_query import MAX_LISTS, MAX_TRIES
from zinfo.errors import ChangedError, NoAnswerError, ProtocolError, RequestError, UnknownOpError
from zinfo.wire.codec import pack, unpack
from zinfo.wire.query_messages import decode_request


def requests_of(peer: WirePeer) -> list[dict[str, object]]:
    """Return the arguments of all requests so far, and forget them."""
    args = [decode_request(request).args for request in peer.requests]
    peer.requests.clear()
    return args


def test_columns_of_all_pages_are_returned(peer: WirePeer, flavour: Flavour) -> None:
    peer.do(lambda daemon: daemon.poll("b", {"used_memory": 7, "role": "slave"}))
    with flavour.client(peer.query) as client:
        columns = client.get_columns(["used_memory", "role"])
        assert columns.ids == ("a", "b", "c")
        assert list(columns["used_memory"]) == [None, 7, None]
        assert list(columns["role"]) == ["master", "slave", "master"]
        assert columns.states == ("up",) * 3
        assert all(-60 < age < 60 for age in columns.ages)


def test_ids_are_requested_only_when_they_have_changed(peer: WirePeer, flavour: Flavour) -> None:
    with flavour.client(peer.query) as client:
        first = client.get_columns(["role"])
        assert requests_of(peer)[0] == {"keys": ["role"]}
        second = client.get_columns(["role", "maxmemory", "role"])
        assert second.ids is first.ids
        assert list(second) == ["role", "maxmemory"]
        assert requests_of(peer)[0] == {"keys": ["role", "maxmemory"], "ids_revision": 3}
        peer.do(lambda daemon: daemon.add("d"))
        assert client.get_columns(["role"]).ids == ("a", "b", "c", "d")
        assert list(client.get_columns(["role"])["role"]) == ["master"] * 3 + [None]
        assert requests_of(peer)[-1]["ids_revision"] == 4


def test_each_selection_by_labels_has_its_own_ids(peer: WirePeer, flavour: Flavour) -> None:
    peer.do(lambda daemon: daemon.add("d", site="fra"))
    with flavour.client(peer.query) as client:
        for _ in range(2):
            assert client.get_columns(["role"], {"site": "fra"}).ids == ("d",)
            assert client.get_columns(["role"]).ids == ("a", "b", "c", "d")
        requests_of(peer)
        for number in range(MAX_LISTS):
            assert client.get_columns(["role"], {"rack": str(number)}).ids == ()
        client.get_columns(["role"], {"site": "fra"})
        assert "ids_revision" not in requests_of(peer)[-1], "the list was not used for longest"


def test_a_call_starts_again_when_the_id_list_changes_between_two_pages(
    peer: WirePeer, flavour: Flavour
) -> None:
    added: list[str] = []

    def add_after_first_page(frames: Frames) -> Frames:
        if not added:
            added.append("d")
            peer.daemon.add("d")
        return frames

    peer.spoil = add_after_first_page
    with flavour.client(peer.query) as client:
        assert client.get_columns(["role"]).ids == ("a", "b", "c", "d")
        assert client.ping()


def test_a_list_that_changes_each_time_is_an_error_after_some_tries(
    peer: WirePeer, flavour: Flavour
) -> None:
    names = iter(range(1000))

    def add(frames: Frames) -> Frames:
        peer.daemon.add(f"d{next(names)}")
        return frames

    peer.spoil = add
    with flavour.client(peer.query) as client:
        with pytest.raises(ChangedError):
            client.get_columns(["role"])
        assert sum("cursor" not in args for args in requests_of(peer)) == MAX_TRIES
        peer.spoil = list
        assert len(client.get_columns(["role"])["role"]) == len(peer.daemon.shards)


def test_ids_of_a_former_daemon_are_not_used(peer: WirePeer, flavour: Flavour) -> None:
    with flavour.client(peer.query) as client:
        assert client.get_columns(["role"]).ids == ("a", "b", "c")
        peer.restart("x", "y", "z")  # whose id list has the same revision
        assert client.get_columns(["role"]).ids == ("x", "y", "z")
        peer.restart("x", "y", "z", "zz")
        assert client.get_columns(["role"]).ids == ("x", "y", "z", "zz")


def test_pages_of_several_daemons_are_an_error(peer: WirePeer, flavour: Flavour) -> None:
    epochs = iter(range(100, 1000))

    def other_epoch(frames: Frames) -> Frames:
        header = unpack(frames[1])
        assert isinstance(header, dict)
        return [frames[0], pack({**header, "epoch": next(epochs)}), *frames[2:]]

    peer.spoil = other_epoch
    with flavour.client(peer.query) as client:
        with pytest.raises(ProtocolError, match="several daemons"):
            client.get_columns(["role"])
        peer.spoil = list
        assert len(client.get_columns(["role"]).ids) == 3


def test_a_daemon_without_columns_is_named_as_the_reason(peer: WirePeer, flavour: Flavour) -> None:
    peer.daemon.refusal = UnknownOpError("unknown operation 'get_columns'")
    with flavour.client(peer.query) as client:
        with pytest.raises(UnknownOpError, match="version without get_columns; get_infos has"):
            client.get_columns(["role"])
        with pytest.raises(TypeError, match="keys takes several texts"):
            client.get_columns("role")


def test_other_errors_and_malformed_bodies_end_the_call(peer: WirePeer, flavour: Flavour) -> None:
    with flavour.client(peer.query) as client:
        peer.daemon.refusal = RequestError("no")
        with pytest.raises(RequestError, match="no"):
            client.get_columns(["role"])
        peer.spoil = lambda frames: [*frames[:-1], pack([])]
        with pytest.raises(ProtocolError, match="page of columns"):
            client.get_columns(["role"])
        peer.spoil = list
        assert client.get_columns(["role"]).ids == ("a", "b", "c")


def test_the_timeout_is_for_all_tries_together(peer: WirePeer, blocking: Flavour) -> None:
    names = iter(range(1000))

    def add_slowly(frames: Frames) -> Frames:
        peer.daemon.add(f"d{next(names)}")
        busy_until = time.monotonic() + 0.3
        wait_until(lambda: time.monotonic() > busy_until, what="the daemon's work")
        return frames

    peer.spoil = add_slowly
    with blocking.client(peer.query) as client, pytest.raises(NoAnswerError):
        client.get_columns(["role"], timeout=0.8)
