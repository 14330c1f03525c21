"""Mirror against a peer on real sockets."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import Any

import pytest

from tests.client.flavours import Flavour
from tests.client.wire_peer import WirePeer
from tests.spawning import free_port
from tests.waiting import wait_until
from zinfo.client import Delta, Event, Mirror
from zinfo.errors import ConfigError, NoAnswerError, NotAllowedError
from zinfo.wire.query_messages import decode_request, encode_error


def equal(mirror: Mirror, peer: WirePeer) -> bool:
    """Whether a fresh mirror holds what the peer has."""
    if mirror.stale or mirror.epoch != peer.daemon.epoch:
        return False
    shards = peer.do(lambda daemon: {id_: shard.info for id_, shard in daemon.shards.items()})
    return dict(mirror.items()) == {id_: info or {} for id_, info in shards.items()}


def test_it_is_a_mapping_of_copies(peer: WirePeer, flavour: Flavour) -> None:
    with flavour.mirror(peer.query) as mirror:
        mirror.wait_ready(60)
        assert list(mirror) == ["a", "b", "c"]
        assert len(mirror) == 3
        assert "a" in mirror
        assert mirror["a"]["role"] == "master"
        mirror["a"]["role"] = "mine"
        assert mirror["a"]["role"] == "master"
        assert mirror.get("unknown") is None
        with pytest.raises(KeyError):
            mirror["unknown"]
        assert [info["role"] for info in mirror.values()] == ["master"] * 3
        assert equal(mirror, peer)
        assert repr(mirror) == f"<Mirror {peer.query} 3 shards>"


def test_it_returns_state_labels_and_age_of_a_shard(peer: WirePeer, flavour: Flavour) -> None:
    peer.do(lambda daemon: daemon.add("new"))
    with flavour.mirror(peer.query) as mirror:
        mirror.wait_ready(60)
        view = mirror.view("a")
        assert (view.revision, view.state, view.fresh) == (1, "up", True)
        assert mirror.fresh("a")
        with pytest.raises(KeyError):
            mirror.fresh("unknown")
        assert mirror.revision("a") == 1
        assert mirror.state("a") == ("up", "")
        assert mirror.labels("a") == {"zone": "z"}
        assert 0 <= mirror.age("a") < 10
        assert mirror.epoch == 1
        assert mirror.problem == ""
        assert mirror["new"] == {}
        assert mirror.view("new").info is None
        assert mirror.age("new") == float("inf")
        peer.do(lambda daemon: daemon.enter("a", "down", "refused"))
        wait_until(lambda: mirror.state("a") == ("down", "refused"), what="the event to arrive")


def test_it_applies_changes_and_reports_them(peer: WirePeer, flavour: Flavour) -> None:
    changes: list[tuple[str, object]] = []
    with flavour.mirror(
        peer.query, on_change=lambda shard, change: changes.append((shard, change))
    ) as mirror:
        mirror.wait_ready(60)
        assert len(changes) == 6  # each shard, and its INFO
        changes.clear()
        peer.do(lambda daemon: daemon.poll("a", {"db0": {"keys": 1}}))
        peer.do(lambda daemon: daemon.enter("b", "down", "timeout"))
        wait_until(lambda: len(changes) == 2, what="both changes")
        (first, delta), (second, event) = changes
        assert (first, second) == ("a", "b")
        assert isinstance(delta, Delta)
        assert isinstance(event, Event)
        assert isinstance(delta.set["db0"], dict)
        delta.set["db0"]["keys"] = 99
        assert mirror["a"]["db0"] == {"keys": 1}


def test_a_listener_hears_of_a_shard_that_is_down_already(peer: WirePeer, flavour: Flavour) -> None:
    outages: list[tuple[str, str]] = []

    def note(shard: str, change: object) -> None:
        if isinstance(change, Event) and change.type == "down":
            outages.append((shard, change.reason))

    peer.do(lambda daemon: daemon.enter("b", "down", "refused"))
    with flavour.mirror(peer.query, on_change=note) as mirror:
        mirror.wait_ready(60)
        wait_until(lambda: outages == [("b", "refused")], what="the call of the listener")


def test_a_listener_that_raises_is_logged_and_counted_and_others_are_called(
    peer: WirePeer, flavour: Flavour, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "zinfo.client.mirror_base")
    seen = threading.Event()
    with flavour.mirror(peer.query) as mirror:
        mirror.wait_ready(60)

        @mirror.on_change
        def broken(shard: str, change: object) -> None:
            raise LookupError(shard)

        mirror.on_change(lambda shard, change: seen.set())
        peer.do(lambda daemon: daemon.poll("a"))
        assert seen.wait(60)
        wait_until(lambda: mirror.counters["callback_errors"] == 1, what="the count")
        assert not mirror.stale


def test_a_listener_may_read_the_mirror(peer: WirePeer, flavour: Flavour) -> None:
    revisions: list[int] = []
    with flavour.mirror(peer.query) as mirror:
        mirror.wait_ready(60)
        mirror.on_change(lambda shard, change: revisions.append(mirror.view(shard).revision))
        peer.do(lambda daemon: daemon.poll("a"))
        wait_until(lambda: 2 in revisions, what="the change")


@pytest.mark.parametrize("kinds", [None, ("batch", "fields")])
def test_fields_are_read_and_listened_to(flavour: Flavour, kinds: tuple[str, ...] | None) -> None:
    used: list[Any] = []
    roles: list[object] = []
    with WirePeer("a", "b", kinds=kinds) as peer, flavour.mirror(peer.query) as mirror:
        mirror.wait_ready(60)
        assert mirror.field("a", "role") == "master"
        assert mirror.field("a", "other") is None
        assert mirror.field("a", "other", 0) == 0
        with pytest.raises(KeyError):
            mirror.field("unknown", "role")
        mirror.on_change(lambda _, change: used.append(change), fields=["used_memory", "db0"])
        mirror.on_change(lambda _, change: roles.append(change), fields=["role"])
        peer.do(lambda daemon: daemon.poll("a", {"used_memory": 7, "db0": {"keys": 1}}))
        peer.do(lambda daemon: daemon.poll("b"))
        peer.do(lambda daemon: daemon.enter("b", "down", "timeout"))
        peer.do(lambda daemon: daemon.poll("a", {"db0": None, "role": "slave"}))
        wait_until(lambda: len(used) == 3, what="three changes")
        wait_until(lambda: len(roles) == 2, what="two changes")
        first, event, second = used
        assert (first.shard, first.set) == ("a", {"used_memory": 7, "db0": {"keys": 1}})
        assert isinstance(event, Event)
        assert (second.set, second.unset) == ({}, ("db0",))
        assert isinstance(roles[1], Delta)
        assert roles[1].set == {"role": "slave"}
        assert mirror.field("a", "db0") is None
        assert mirror.field("a", "used_memory") == 7
        assert equal(mirror, peer)


@pytest.mark.parametrize("kinds", [None, ("batch",), ("batch", "fields")])
def test_a_mirror_of_some_fields_holds_no_others(
    flavour: Flavour, kinds: tuple[str, ...] | None
) -> None:
    changes: list[object] = []
    with (
        WirePeer("a", "b", kinds=kinds) as peer,
        flavour.mirror(peer.query, fields=["role"]) as mirror,
    ):
        mirror.wait_ready(60)
        mirror.on_change(lambda _, change: changes.append(change))
        peer.do(lambda daemon: daemon.poll("a", {"used_memory": 7}))
        peer.do(lambda daemon: daemon.poll("a", {"role": "slave"}))
        wait_until(lambda: bool(changes), what="a change")
        assert dict(mirror.items()) == {"a": {"role": "slave"}, "b": {"role": "master"}}
        (delta,) = changes
        assert isinstance(delta, Delta)
        assert (delta.revision, delta.set) == (3, {"role": "slave"})


def test_wrong_fields_are_refused(peer: WirePeer, flavour: Flavour) -> None:
    for fields, error in (("role", TypeError), ([1], TypeError), ([], ValueError)):
        with pytest.raises(error):
            flavour.mirror(peer.query, fields=fields)


def test_wait_ready_names_an_endpoint_without_a_daemon(flavour: Flavour) -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    with flavour.mirror(endpoint) as mirror:
        with pytest.raises(NoAnswerError, match=rf"{endpoint} within \d\.\d s: .*zinfo serve"):
            mirror.wait_ready(0.1)
        assert mirror.stale
        assert "stale" in repr(mirror)
        assert mirror.epoch is None


def test_wait_ready_says_why_the_daemon_refused(peer: WirePeer, flavour: Flavour) -> None:
    error = NotAllowedError("not for you")
    peer.spoil = lambda _: encode_error(decode_request(peer.requests[-1]).id, "n", 1, error)
    with (
        flavour.mirror(peer.query) as mirror,
        pytest.raises(NoAnswerError, match="not for you"),
    ):
        mirror.wait_ready(1)


def _drop(peer: WirePeer, count: int, _: object) -> None:
    peer.drop = count


def test_it_recovers_from_lost_messages(peer: WirePeer, flavour: Flavour) -> None:
    with flavour.mirror(peer.query) as mirror:
        mirror.wait_ready(60)
        for drop in (1, 3, 6):
            peer.do(partial(_drop, peer, drop))
            peer.do(lambda daemon: daemon.poll("a"))
            peer.do(lambda daemon: daemon.poll("b", {"role": "slave"}))
            peer.do(lambda daemon: daemon.enter("c", "down"))
            peer.do(lambda daemon: daemon.poll("c"))
            while peer.drop:
                peer.beat()  # is dropped, too
            peer.beat()
            wait_until(lambda: equal(mirror, peer), what="the mirror to mend")
        assert mirror.counters["gaps"]
        assert mirror.counters["joins"] == 1


def test_silence_makes_all_shards_stale_and_they_stay_readable(
    quick_peer: WirePeer, flavour: Flavour
) -> None:
    peer = quick_peer
    with flavour.mirror(peer.query) as mirror:
        mirror.wait_ready(60)
        peer.mute = True
        wait_until(lambda: mirror.stale, what="the silence to be noticed")
        assert mirror.stale_shards == {"a", "b", "c"}
        assert mirror["a"]["role"] == "master"
        assert not mirror.view("a").fresh
        wait_until(lambda: mirror.problem, what="a reason")
        peer.mute = False
        mirror.wait_ready(60)
        assert equal(mirror, peer)


@pytest.mark.parametrize("same_bus", [True, False])
def test_a_restarted_daemon_is_found_and_mirrored_again(
    quick_peer: WirePeer, flavour: Flavour, same_bus: bool
) -> None:
    peer = quick_peer
    with flavour.mirror(peer.query) as mirror:
        mirror.wait_ready(60)
        peer.restart("b", "d", same_bus=same_bus)
        wait_until(lambda: equal(mirror, peer), what="the new daemon's shards")
        assert set(mirror) == {"b", "d"}
        assert mirror.epoch == 2


def test_a_mirror_of_some_shards_does_not_wait_for_unknown_ones(
    peer: WirePeer, flavour: Flavour
) -> None:
    with flavour.mirror(peer.query, shard_ids=["a", "later"]) as mirror:
        mirror.wait_ready(60)
        assert set(mirror) == {"a"}
        peer.do(lambda daemon: daemon.add("later", zone="y"))
        peer.do(lambda daemon: daemon.add("other"))
        wait_until(lambda: "later" in mirror and not mirror.stale, what="the shard to come")
        assert mirror.labels("later") == {"zone": "y"}
        assert "other" not in mirror


def test_a_mirror_of_some_labels_follows_the_shards_that_have_them(
    peer: WirePeer, flavour: Flavour
) -> None:
    changes: list[tuple[str, str]] = []

    def note(shard: str, change: Delta | Event) -> None:
        if isinstance(change, Event):
            changes.append((shard, change.type))

    peer.do(lambda daemon: daemon.relabel("b", zone="y"))
    with flavour.mirror(peer.query, labels={"zone": "z"}, on_change=note) as mirror:
        mirror.wait_ready(60)
        assert "a" in mirror
        assert "b" not in mirror
        peer.do(lambda daemon: daemon.relabel("a", zone="y"))
        peer.do(lambda daemon: daemon.relabel("b", zone="z", rack="7"))
        wait_until(lambda: "b" in mirror and not mirror.stale, what="the shard to come")
        assert "a" not in mirror
        assert mirror.labels("b") == {"zone": "z", "rack": "7"}
        assert mirror["b"]["role"] == "master"
        wait_until(
            lambda: ("a", "removed") in changes and ("b", "added") in changes,
            what="both calls of the listener",
        )


def test_a_given_bus_endpoint_takes_precedence_over_that_of_hello(
    peer: WirePeer, flavour: Flavour
) -> None:
    bus, peer.daemon.bus = peer.bus, "tcp://127.0.0.1:1"
    with flavour.mirror(peer.query, bus=bus) as mirror:
        mirror.wait_ready(60)


def test_an_invalid_bus_endpoint_is_the_problem_and_is_retried(
    peer: WirePeer, flavour: Flavour
) -> None:
    bus, peer.daemon.bus = peer.bus, f"ipc:///{'x' * 200}"
    with flavour.mirror(peer.query) as mirror:
        wait_until(lambda: "cannot connect" in mirror.problem, what="the problem to be reported")
        peer.daemon.bus = bus
        mirror.wait_ready(60)


def test_a_closed_mirror_is_stale_and_readable(peer: WirePeer, flavour: Flavour) -> None:
    mirror = flavour.mirror(peer.query)
    mirror.wait_ready(60)
    mirror.close()
    mirror.close()
    assert mirror.stale
    assert mirror.problem == "closed"
    assert mirror["a"]["role"] == "master"
    with pytest.raises(NoAnswerError):
        mirror.wait_ready(300)


def test_a_terminated_context_ends_the_mirror(quick_peer: WirePeer, flavour: Flavour) -> None:
    context = flavour.new_context()
    mirror = flavour.mirror(quick_peer.query, context=context)
    mirror.wait_ready(60)
    context.term()
    wait_until(lambda: mirror.problem == "closed", what="the thread to end")
    with pytest.raises(NoAnswerError, match="closed"):
        mirror.wait_ready(300)
    mirror.close()


def test_an_internal_error_is_logged_and_the_mirror_joins_again(
    peer: WirePeer, flavour: Flavour, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "zinfo.client.mirror_base")
    with flavour.mirror(peer.query) as mirror:
        mirror.wait_ready(60)
        nothing: Any = None
        mirror._state.store = nothing
        peer.beat()
        wait_until(lambda: "failed" in mirror.problem, what="the failure to be noticed")
        with flavour.mirror(peer.query) as other:
            mirror._state = other._state
            mirror.close()


def test_wrong_arguments_are_refused(flavour: Flavour) -> None:
    with pytest.raises(TypeError, match="several"):
        flavour.mirror(shard_ids="a")
    with pytest.raises(TypeError, match="mapping of text"):
        flavour.mirror(labels={"rack": 7})
    with pytest.raises(ConfigError, match="no endpoint"):
        flavour.mirror("here")


def test_a_client_and_a_mirror_share_a_context(peer: WirePeer, flavour: Flavour) -> None:
    with (
        flavour.client(peer.query) as client,
        flavour.mirror(peer.query) as mirror,
    ):
        mirror.wait_ready(60)
        assert client.ping()
