"""Requests to a fleet: who is asked, what counts, and what is missing; daemons are models."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.client.flavours import Flavour
from tests.client.model import ModelDaemon
from tests.client.wire_peer import WirePeer
from tests.waiting import wait_until
from zinfo.client import Fleet, MissingSlice, SliceSpec
from zinfo.errors import (
    BadRequestError,
    InternalError,
    MissingSlicesError,
    NotPolledError,
    RequestError,
    UnknownOpError,
    UnknownShardError,
)
from zinfo.wire.query_messages import decode_request
from zinfo.wire.slices import slices_of

SHARDS = tuple(f"s{number}" for number in range(6))

PATIENT = 4.0
"""Timeout of a fleet with a silent daemon, in seconds: a tenth of it is waited for its copies."""

SHORT = 0.5
"""Timeout of requests that get no answer."""


@contextmanager
def running(count: int = 3, copies: int = 2, by: str = "id") -> Iterator[list[WirePeer]]:
    """A daemon for each slice, each with the shards of its slice."""
    with ExitStack() as stack:
        peers = []
        for number in range(count):
            own = [one for one in SHARDS if number in slices_of(one, count, copies)]
            peer = stack.enter_context(WirePeer(*own))
            peer.daemon.slice = {"number": number, "count": count, "copies": copies, "by": by}
            peer.daemon.node = f"zinfo-{number}"
            peers.append(peer)
        yield peers


@contextmanager
def fleet_of(flavour: Flavour, peers: Sequence[WirePeer], **options: Any) -> Iterator[Fleet]:
    """A fleet that has learned the slices of these daemons."""
    with flavour.fleet([peer.query for peer in peers], **options) as fleet:
        fleet.find_members()
        for peer in peers:
            peer.requests.clear()
        yield fleet


def owners(peers: Sequence[WirePeer], shard: str) -> list[WirePeer]:
    """The daemons of a shard, that of the first copy first."""
    return [peers[number] for number in slices_of(shard, len(peers), 2)]


def requested(peer: WirePeer) -> list[str]:
    """The operations that were requested so far."""
    return [decode_request(frames).op for frames in peer.requests]


def set_age(peer: WirePeer, shard: str, age: float, state: str = "up") -> None:
    """Change the age of the INFO of a shard at one daemon."""

    def change(daemon: ModelDaemon) -> None:
        daemon.shards[shard].time = daemon.clock() - age
        daemon.shards[shard].state = state

    peer.do(change)


def ids_of(infos: Sequence[dict[str, Any]]) -> list[str]:
    """The ids of the entries of get_infos."""
    return [info["meta"]["shard_identifier"] for info in infos]


def test_the_state_of_the_newest_copy_selects_a_shard(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers) as fleet:
        first, second = owners(peers, "s0")
        set_age(first, "s0", 50.0, "down")
        set_age(second, "s0", 5.0, "busy")
        rest = list(SHARDS[1:])
        assert ids_of(fleet.get_infos(state=["down", "up"])) == rest
        assert ids_of(fleet.get_infos(["s0", "s1"], state="busy")) == ["s0"]
        assert ids_of(fleet.get_infos(["s0", "s1"], state="up")) == ["s1"]
        assert ids_of([info for page in fleet.iter_infos(state="up") for info in page]) == rest
        assert [shard["id"] for shard in fleet.shards(state="up")] == rest
        assert [shard["id"] for shard in fleet.shards(["s0"], state=["busy"])] == ["s0"]
        with pytest.raises(UnknownShardError):
            fleet.get_infos(["unknown"], state="up")
        for peer in peers:
            peer.do(lambda daemon: daemon.add("never"))
        assert fleet.get_infos(["never"], state="up") == []
        with pytest.raises(NotPolledError):
            fleet.get_infos(["never"], state="new")
        for call in (fleet.get_infos, fleet.shards):
            with pytest.raises(BadRequestError, match="unknown state 'gone': a state is new, up"):
                call(state="gone")


def test_each_shard_is_there_once_with_its_newest_copy(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers) as fleet:
        first, second = owners(peers, "s0")
        set_age(first, "s0", 50.0, "down")
        set_age(second, "s0", 5.0, "busy")
        infos = fleet.get_infos()
        assert ids_of(infos) == list(SHARDS)
        assert infos.missing == ()
        assert infos[0]["meta"]["state"] == "busy"
        shards = fleet.shards()
        assert [shard["id"] for shard in shards] == list(SHARDS)
        assert shards[0]["state"] == "busy"
        columns = fleet.get_columns(["role"])
        assert columns.ids == SHARDS
        assert columns.states[0] == "busy"
        assert list(columns["role"]) == ["master"] * 6


def test_the_history_of_a_shard_is_that_of_the_daemon_that_has_most(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers) as fleet:
        first, _second = owners(peers, "s0")
        first.daemon.histories["s0"] = [math.nan, 7.0, 8.0]  # it has started later
        for found in (fleet.history(), fleet.history(list(SHARDS))):
            assert found.ids == SHARDS
            assert (found.step, found.newest, found.points) == (5.0, 1000.0, 3)
            assert {tuple(values) for values in found["memory"].values()} == {(1.0, 2.0, 3.0)}
            assert all(map(math.isnan, found["lag"]["s0"]))
            assert found.missing == ()
        first.daemon.histories["s1"] = [1.0, 1.0, math.nan]
        found = fleet.history(["s1", "s0"], ["memory"])
        assert (found.ids, list(found)) == (("s1", "s0"), ["memory"])
        with pytest.raises(UnknownShardError, match="none not found"):
            fleet.history(["s0", "none"])


def test_a_history_lacks_the_shards_of_daemons_without_one(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers, allow_missing=True) as fleet:
        for peer in peers[:2]:
            peer.daemon.without = {"history"}
        found = fleet.history()
        assert set(found.ids) == set(peers[2].daemon.shards)
        assert {one.endpoint for one in found.missing} == {peer.query for peer in peers[:2]}
        assert "has no history" in found.missing[0].problem
        peers[2].daemon.without = {"history"}
        with pytest.raises(UnknownOpError, match="has no history"):
            fleet.history()


def test_pages_of_all_daemons_are_merged_while_they_arrive(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers) as fleet:
        set_age(owners(peers, "s0")[0], "s0", 50.0, "down")
        pages = list(fleet.iter_infos(keys=["role"]))
        assert len(pages) > 1
        infos = [info for page in pages for info in page]
        assert ids_of(infos) == list(SHARDS)
        assert infos[0]["meta"]["state"] == "up"
        assert [ids_of(page) for page in fleet.iter_infos(["s3", "s0"])] == [["s3", "s0"]]


def test_a_daemon_that_becomes_silent_between_pages_is_left_out(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers, timeout=PATIENT) as fleet:
        pages = fleet.iter_infos()
        found = ids_of(next(pages))
        peers[0].deaf = True
        found += ids_of([info for page in pages for info in page])
        assert found == list(SHARDS)
        peers[1].deaf = True
        with pytest.raises(MissingSlicesError):
            list(fleet.iter_infos(timeout=SHORT))


def test_shards_are_requested_from_the_daemons_of_their_first_copies(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers) as fleet:
        first, second = owners(peers, "s0")
        assert ids_of(fleet.get_infos(["s0"], keys=["role"])) == ["s0"]
        assert [shard["id"] for shard in fleet.shards(["s0"])] == ["s0"]
        assert requested(first) == ["get_infos", "shards"]
        assert requested(second) == []
        assert ids_of(fleet.get_infos(["s3", "s0", "s1", "s0"])) == ["s3", "s0", "s1", "s0"]


def test_another_copy_is_requested_if_the_first_daemon_gets_no_reply(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers) as fleet:
        first, second = owners(peers, "s0")
        set_age(first, "s0", 90.0, "down")
        (info,) = fleet.get_infos(["s0"])
        assert info["meta"]["state"] == "up"
        assert requested(second) == ["get_infos"]
        (shard,) = fleet.shards(["s0"])
        assert shard["state"] == "up"


def test_another_copy_is_requested_soon_if_the_first_daemon_is_silent(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers, timeout=PATIENT) as fleet:
        first, second = owners(peers, "s0")
        first.deaf = True
        infos = fleet.get_infos(["s0"])
        assert ids_of(infos) == ["s0"]
        assert infos.missing == ()
        assert requested(second) == ["get_infos"]
        problems = {member.endpoint: member.problem for member in fleet.members}
        assert problems[first.query] == "no reply"
        first.requests.clear()
        fleet.get_infos(["s0"])
        assert "get_infos" not in requested(first), "it is not asked first while it is silent"
        first.deaf = False

        def asks_first() -> bool:
            first.requests.clear()
            fleet.get_infos(["s0"])
            return "get_infos" in requested(first)

        wait_until(asks_first, what="a request to the daemon that replies again")


def test_nothing_is_missing_while_a_copy_of_each_shard_answers(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers, timeout=PATIENT) as fleet:
        peers[1].deaf = True
        infos = fleet.get_infos()
        assert ids_of(infos) == list(SHARDS)
        assert infos.missing == ()
        peers[1].deaf = False
        wait_until(lambda: fleet.find_members() and not fleet.members[1].problem, what="an answer")


def test_silent_slices_are_missing(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers, timeout=SHORT) as fleet:
        for peer in peers[1:]:
            peer.deaf = True
        for request in (fleet.get_infos, fleet.shards, lambda: fleet.get_columns(["role"])):
            with pytest.raises(MissingSlicesError) as caught:
                request()
            assert [(one.endpoint, one.problem) for one in caught.value.missing] == [
                (peer.query, "no reply") for peer in peers[1:]
            ]
        partial = caught.value.partial
        assert partial is not None
        assert set(partial.ids) == set(peers[0].daemon.shards)  # type: ignore[attr-defined]  # it is typed as object
        assert str(caught.value.missing[0]) == f"slice 1 of 3 ({peers[1].query}: no reply)"


def test_a_result_may_lack_slices_if_that_is_allowed(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers, timeout=SHORT, allow_missing=True) as fleet:
        for peer in peers[1:]:
            peer.deaf = True
        infos = fleet.get_infos()
        assert set(ids_of(infos)) == set(peers[0].daemon.shards)
        assert [one.slice for one in infos.missing] == [SliceSpec(1, 3, 2), SliceSpec(2, 3, 2)]
        peers[0].deaf = True
        with pytest.raises(MissingSlicesError):
            fleet.get_infos()


def test_a_shard_without_a_daemon_that_answers_is_missing(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers, timeout=SHORT) as fleet:
        for peer in owners(peers, "s0"):
            peer.deaf = True
        other = next(one for one in SHARDS if slices_of(one, 3, 2)[0] not in slices_of("s0", 3, 2))
        for request in (fleet.get_infos, fleet.shards):
            with pytest.raises(MissingSlicesError) as caught:
                request(["s0", other])
            assert {one.endpoint for one in caught.value.missing} == {
                peer.query for peer in owners(peers, "s0")
            }
        assert len(fleet.get_infos([other])) == 1


def test_a_shard_that_no_daemon_knows_is_an_error(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers) as fleet:
        for request in (fleet.get_infos, fleet.shards):
            with pytest.raises(UnknownShardError, match="absent"):
                request(["s0", "absent"])
        entries = fleet.get_infos(["s0", "absent"], allow_partial=True)
        assert ["error" in entry["meta"] for entry in entries] == [False, True]


def test_a_daemon_that_does_not_know_a_shard_yet_is_not_believed(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers) as fleet:
        first, _ = owners(peers, "s0")
        first.do(lambda daemon: daemon.remove("s0"))
        assert ids_of(fleet.get_infos(["s0"])) == ["s0"]
        assert [shard["id"] for shard in fleet.shards(["s0"])] == ["s0"]


def test_an_unknown_shard_is_an_error_if_one_of_its_daemons_says_so(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers, timeout=PATIENT) as fleet:
        owners(peers, "absent")[0].deaf = True
        for request in (fleet.get_infos, fleet.shards):
            with pytest.raises(UnknownShardError):
                request(["absent"])


def test_a_shard_that_was_never_polled_is_an_error(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers) as fleet:
        for peer in owners(peers, "new"):
            peer.do(lambda daemon: daemon.add("new"))
        with pytest.raises(NotPolledError):
            fleet.get_infos(["new"])
        assert fleet.shards(["new"])[0]["age"] is None


def refuse(peer: WirePeer, error: RequestError) -> None:
    """Refuse the next request."""

    def change(daemon: ModelDaemon) -> None:
        daemon.refusal = error

    peer.do(change)


def test_a_refusal_of_one_daemon_counts_as_no_answer(flavour: Flavour) -> None:
    with running(copies=1) as peers, fleet_of(flavour, peers) as fleet:
        refuse(peers[1], InternalError("oh dear"))
        with pytest.raises(MissingSlicesError) as caught:
            fleet.get_infos()
        assert caught.value.missing == (MissingSlice(peers[1].query, SliceSpec(1, 3), "oh dear"),)
        assert len(fleet.get_infos()) == 6


def test_a_refusal_of_all_daemons_is_raised(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers) as fleet:
        for peer in peers:
            refuse(peer, BadRequestError("no such section"))
        with pytest.raises(BadRequestError, match="no such section"):
            fleet.get_infos()


def test_daemons_without_slices_and_without_columns_belong_to_a_fleet(flavour: Flavour) -> None:
    with WirePeer("a", "b") as old, WirePeer("b", "c") as new:
        old.daemon.without = {"get_columns", "sources"}
        new.daemon.slice = None
        with fleet_of(flavour, [old, new]) as fleet:
            set_age(old, "b", 50.0, "down")
            assert ids_of(fleet.get_infos()) == ["a", "b", "c"]
            columns = fleet.get_columns(["role", "uptime_in_seconds", "none"])
            assert columns.ids == ("a", "b", "c")
            assert columns.states == ("up", "up", "up")
            assert columns["uptime_in_seconds"].dtype == "int64"
            assert [shard["id"] for shard in fleet.shards(["c", "a"], {"zone": "z"})] == ["c", "a"]
            assert ids_of(fleet.get_infos(["c", "a"])) == ["c", "a"]
            sources = fleet.sources()
            assert list(sources) == [new.query]
            assert [(one.endpoint, one.problem) for one in sources.missing] == [
                (old.query, "no operation sources")
            ]


def test_a_silent_daemon_without_a_slice_is_missing(flavour: Flavour) -> None:
    with WirePeer("a") as silent, WirePeer("b") as other:
        silent.deaf = True
        with flavour.fleet([silent.query, other.query], timeout=SHORT) as fleet:
            requests: list[Callable[[], object]]
            requests = [fleet.get_infos, lambda: fleet.get_infos(["a"])]
            for request in requests:
                with pytest.raises(MissingSlicesError) as caught:
                    request()
                assert caught.value.missing == (MissingSlice(silent.query, None, "no reply"),)
            assert ids_of(fleet.get_infos(["b"])) == ["b"]


def test_slices_by_a_label_are_all_asked(flavour: Flavour) -> None:
    with running(by="zone") as peers, fleet_of(flavour, peers) as fleet:
        assert ids_of(fleet.get_infos(["s0", "s1"])) == ["s0", "s1"]
        # The last one may still be under way when the others have answered.
        wait_until(
            lambda: all(requested(peer) == ["get_infos"] for peer in peers), what="all to be asked"
        )


def test_events_name_the_daemon_that_counted_them(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers) as fleet:
        for peer in owners(peers, "s0"):
            peer.do(lambda daemon: daemon.enter("s0", "down"))
        found = [one for one in fleet.events(["s0"]) if one.event.shard == "s0"]
        assert [one.event.type for one in found] == ["down"]
        nodes = {peer.query: peer.daemon.node for peer in peers}
        assert found[0].node == nodes[found[0].endpoint]
        assert found[0].epoch == 1
        assert len({(one.epoch, one.node, one.event.number) for one in fleet.events()}) == len(
            fleet.events()
        )


def test_each_daemon_answers_for_itself(flavour: Flavour) -> None:
    with running() as peers, fleet_of(flavour, peers, timeout=PATIENT) as fleet:
        endpoints = [peer.query for peer in peers]
        assert list(fleet.stats()) == endpoints
        assert [reply["node"] for reply in fleet.hello().values()] == [
            "zinfo-0",
            "zinfo-1",
            "zinfo-2",
        ]
        assert fleet.sources().missing == ()
        assert list(fleet.accept_source("cmdb").values()) == [4, 4, 4]
        peers[0].deaf = True
        stats = fleet.stats(timeout=SHORT)
        assert list(stats) == endpoints[1:]
        assert [one.endpoint for one in stats.missing] == [endpoints[0]]


def test_nothing_is_said_twice_about_a_fleet_where_nothing_answers(flavour: Flavour) -> None:
    with WirePeer() as peer, flavour.fleet(peer.query, timeout=SHORT, allow_missing=True) as fleet:
        peer.deaf = True
        requests: list[Callable[[], object]] = [fleet.get_infos, fleet.stats, fleet.events]
        for request in requests:
            with pytest.raises(MissingSlicesError, match=f"{peer.query}: no reply"):
                request()


def test_a_daemon_that_has_restarted_with_another_slice_is_learned_again(flavour: Flavour) -> None:
    with running(count=2, copies=1) as peers, fleet_of(flavour, peers) as fleet:
        shards = tuple(peers[1].daemon.shards)
        peers[1].restart(*shards)
        peers[1].daemon.slice = {"number": 1, "count": 2, "copies": 2, "by": "id"}
        assert len(fleet.get_infos()) == 6
        assert fleet.members[1].slice == SliceSpec(1, 2, 2)


def test_several_threads_may_use_one_fleet(blocking: Flavour) -> None:
    with running() as peers, fleet_of(blocking, peers) as fleet, ThreadPoolExecutor(8) as pool:
        requests = [pool.submit(fleet.get_infos, ["s0", "s1"] * (at % 2)) for at in range(40)]
        assert {len(request.result(60)) for request in requests} == {2, 6}


def test_requests_do_not_wait_for_a_silent_daemon_again_and_again(blocking: Flavour) -> None:
    with running() as peers, fleet_of(blocking, peers, timeout=PATIENT) as fleet:
        peers[0].deaf = True
        for _ in range(100):  # more than there are threads
            assert len(fleet.get_infos()) == 6
        assert len(requested(peers[0])) < 10
