"""The live copy of a Fleet, against several peers on real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

import zinfo.aio.fleet
import zinfo.client.fleet
from tests.client.flavours import Flavour
from tests.client.model import ModelDaemon
from tests.client.wire_peer import QUICK_INTERVAL, WirePeer
from tests.waiting import wait_until
from zinfo.client import Fleet
from zinfo.client.fleet_endpoints import DnsName
from zinfo.errors import MissingSlicesError, NoAnswerError
from zinfo.wire.query_messages import decode_request
from zinfo.wire.slices import SliceSpec

COUNT, COPIES = 3, 2
SPECS = [SliceSpec(number, COUNT, COPIES) for number in range(COUNT)]
IDS = [f"shard-{number}" for number in range(6)]


def slice_peer(spec: SliceSpec) -> WirePeer:
    """A peer with a slice, and the shards of that slice."""
    ids = [shard for shard in IDS if spec.includes(shard, {})]
    peer = WirePeer(*ids, interval=QUICK_INTERVAL)
    peer.daemon.slice = as_map(spec)
    return peer


def as_map(spec: SliceSpec) -> dict[str, object]:
    """A slice as it is in a reply to hello."""
    return {name: getattr(spec, name) for name in ("number", "count", "copies", "by")}


@pytest.fixture
def peers() -> Iterator[list[WirePeer]]:
    """Three peers with two copies."""
    with slice_peer(SPECS[0]) as one, slice_peer(SPECS[1]) as two, slice_peer(SPECS[2]) as three:
        yield [one, two, three]


def owners(peers: list[WirePeer], shard: str) -> list[WirePeer]:
    """The peers that have a shard."""
    return [peer for peer in peers if shard in peer.daemon.shards]


def silence(peer: WirePeer) -> None:
    """Make a peer silent, as if it were stopped."""
    peer.mute = peer.deaf = True


def test_it_is_a_mapping_of_all_shards(peers: list[WirePeer], flavour: Flavour) -> None:
    with flavour.fleet([peer.query for peer in peers]) as fleet:
        fleet.wait_ready(60)
        assert list(fleet) == IDS
        assert len(fleet) == len(IDS)
        assert IDS[0] in fleet
        assert "unknown" not in fleet
        assert fleet.get("unknown") is None
        assert fleet[IDS[0]]["role"] == "master"
        assert {shard: info["role"] for shard, info in fleet.items()} == dict.fromkeys(
            IDS, "master"
        )
        assert [info["role"] for info in fleet.values()] == ["master"] * len(IDS)
        assert fleet.field(IDS[0], "role") == "master"
        assert fleet.field(IDS[0], "other", 0) == 0
        assert fleet.state(IDS[0]) == ("up", "")
        assert fleet.labels(IDS[0]) == {"zone": "z"}
        assert 0 <= fleet.age(IDS[0]) < 30
        view = fleet.view(IDS[0])
        assert (view.revision, view.state, view.fresh) == (1, "up", True)
        assert fleet.fresh(IDS[0])
        assert not fleet.stale
        assert fleet.stale_shards == frozenset()
        assert fleet.missing == ()
        assert [member.slice for member in fleet.members] == SPECS
        for read in (fleet.view, fleet.state, fleet.labels, fleet.age, fleet.fresh):
            with pytest.raises(KeyError):
                read("unknown")


def test_the_copy_with_the_newest_info_counts(peers: list[WirePeer], flavour: Flavour) -> None:
    with flavour.fleet([peer.query for peer in peers]) as fleet:
        fleet.wait_ready(60)
        shard = IDS[0]
        for number, peer in enumerate([*owners(peers, shard), *owners(peers, shard)]):
            peer.do(partial(ModelDaemon.poll, shard=shard, changes={"used_memory": number}))
            wait_until(partial(has_used, fleet, shard, number), what="the newest INFO")


def has_used(fleet: Fleet, shard: str, number: int) -> bool:
    """Whether a shard has this value."""
    return fleet.field(shard, "used_memory") == number


def test_nothing_is_stale_while_one_of_three_daemons_is_silent(
    peers: list[WirePeer], flavour: Flavour
) -> None:
    with flavour.fleet([peer.query for peer in peers]) as fleet:
        fleet.wait_ready(60)
        silence(peers[0])
        wait_until(lambda: fleet.members[0].problem, what="the silence to be noticed")
        fleet.wait_ready(60)
        assert list(fleet) == IDS
        silence(peers[1])
        wait_until(lambda: fleet.stale, what="the silence to be noticed")
        assert [missing.slice for missing in fleet.missing] == SPECS[:2]
        assert list(fleet) == IDS
        lost = [shard for shard in IDS if owners(peers, shard) == peers[:2]]
        wait_until(lambda: fleet.stale_shards == set(lost), what="the stale shards")
        assert not fleet.fresh(lost[0])
        with pytest.raises(MissingSlicesError, match=r"slice 0 of 3 .*slice 1 of 3"):
            fleet.wait_ready(0.01)


def test_a_shard_that_only_a_silent_daemon_has_left_does_not_exist(
    peers: list[WirePeer], flavour: Flavour
) -> None:
    with flavour.fleet([peer.query for peer in peers]) as fleet:
        fleet.wait_ready(60)
        shard = next(shard for shard in IDS if owners(peers, shard) == peers[:2])
        silence(peers[0])
        peers[1].do(lambda daemon: daemon.remove(shard))
        wait_until(lambda: not fleet.stale and shard not in fleet, what="the shard to be gone")
        with pytest.raises(KeyError):
            fleet.fresh(shard)


def test_a_daemon_that_has_not_read_its_sources_does_not_vouch_for_its_slice(
    peers: list[WirePeer], flavour: Flavour
) -> None:
    peers[0].daemon.waiting = 1
    silence(peers[1])
    with flavour.fleet([peer.query for peer in peers]) as fleet:
        assert fleet.stale  # which starts the Mirrors
        wait_until(lambda: "waits" in fleet.members[0].problem, what="the daemon to be joined")
        with pytest.raises(MissingSlicesError, match="it waits for a source"):
            fleet.wait_ready(0.01)
        peers[0].do(lambda daemon: setattr(daemon, "waiting", 0))
        fleet.wait_ready(60)


def test_a_request_is_not_complete_if_a_daemon_has_not_read_its_sources(
    peers: list[WirePeer], flavour: Flavour
) -> None:
    peers[0].daemon.waiting = 2
    peers[1].deaf = True
    with flavour.fleet([peer.query for peer in peers], timeout=2.0, retries=0) as fleet:
        with pytest.raises(MissingSlicesError, match="it has not read 2 of its sources"):
            fleet.get_infos()
        both = next(shard for shard in IDS if owners(peers, shard) == peers[:2])
        assert fleet.get_infos([both])[0]["meta"]["shard_identifier"] == both
        peers[0].do(lambda daemon: daemon.remove(both))
        with pytest.raises(MissingSlicesError, match="it has not read 2 of its sources"):
            fleet.get_infos([both])
        peers[0].daemon.waiting = 0
        assert len(fleet.get_infos()) == len(IDS) - 1


def test_daemons_without_slices_must_all_be_heard(flavour: Flavour) -> None:
    with (
        WirePeer("a", interval=QUICK_INTERVAL) as one,
        WirePeer("b", interval=QUICK_INTERVAL) as two,
        flavour.fleet([one.query, two.query]) as fleet,
    ):
        fleet.wait_ready(60)
        assert list(fleet) == ["a", "b"]
        silence(two)
        wait_until(lambda: fleet.stale, what="the silence to be noticed")
        assert fleet.fresh("a")
        assert not fleet.fresh("b")
        assert [missing.endpoint for missing in fleet.missing] == [two.query]


def test_daemons_of_different_versions_go_together(flavour: Flavour) -> None:
    newest = WirePeer("a", interval=QUICK_INTERVAL, kinds=("batch", "fields"))
    newest.daemon.slice = None
    with (
        newest,
        WirePeer("a", "b", interval=QUICK_INTERVAL) as older,  # neither slices nor batches
        flavour.fleet([newest.query, older.query], fields=["role"]) as fleet,
    ):
        fleet.wait_ready(60)
        assert dict(fleet.items()) == {"a": {"role": "master"}, "b": {"role": "master"}}
        for peer in (newest, older):
            role = f"of {peer.query}"
            peer.do(partial(ModelDaemon.poll, shard="a", changes={"role": role}))
            wait_until(partial(has_role, fleet, "a", role), what="the newest INFO")
        assert not fleet.stale


def has_role(fleet: Fleet, shard: str, role: str) -> bool:
    """Whether a shard has this role."""
    return fleet.field(shard, "role") == role


def test_a_fleet_of_one_daemon_is_as_its_mirror(flavour: Flavour) -> None:
    with WirePeer("a", "b") as peer, flavour.fleet(peer.query) as fleet:
        fleet.wait_ready(60)
        assert dict(fleet.items()).keys() == {"a", "b"}
        peer.restart("a", "c")
        wait_until(lambda: not fleet.stale and list(fleet) == ["a", "c"], what="the new shards")


@pytest.mark.parametrize("options", [{"shard_ids": IDS[:4]}, {"labels": {"zone": "z"}}])
def test_it_can_be_limited(
    peers: list[WirePeer], flavour: Flavour, options: dict[str, object]
) -> None:
    with flavour.fleet([peer.query for peer in peers], fields=["role"], **options) as fleet:
        fleet.wait_ready(60)
        assert list(fleet) == list(options.get("shard_ids", IDS))  # type: ignore[call-overload]  # of any type here
        assert fleet[IDS[0]] == {"role": "master"}
        # A daemon refuses a request with an id that it does not have. None is sent; otherwise the
        # request would be repeated for parts of the ids.
        for peer in peers:
            asked = [decode_request(list(frames)) for frames in peer.requests]
            ids: set[str] = set()
            ids.update(*(request.args.get("ids", ()) for request in asked))  # type: ignore[arg-type]  # ids are texts
            assert ids <= peer.daemon.shards.keys()


def test_a_shard_without_a_copy_is_stale_where_ids_are_given(flavour: Flavour) -> None:
    with (
        slice_peer(SPECS[0]) as peer,
        flavour.fleet(peer.query, shard_ids=[*IDS, "other"]) as fleet,
    ):
        wait_until(lambda: len(fleet) > 0, what="the shards of the daemon")
        wait_until(
            lambda: fleet.stale_shards == {*IDS, "other"} - peer.daemon.shards.keys(),
            what="its shards to be fresh",
        )


def test_the_live_copy_follows_the_addresses_of_a_name(
    flavour: Flavour, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []

    def lookup(name: DnsName) -> list[str]:
        if not found:
            raise NoAnswerError(f"no address of {name.host}")
        return list(found)

    for module in (zinfo.client.fleet, zinfo.aio.fleet):
        monkeypatch.setattr(module, "lookup", lookup)
        monkeypatch.setattr(module, "RETRY_INTERVAL", 0.01)
        monkeypatch.setattr(module, "RESOLVE_INTERVAL", 0.01)
    with (
        WirePeer("a", interval=QUICK_INTERVAL) as one,
        WirePeer("b", interval=QUICK_INTERVAL) as two,
        flavour.fleet("dns+tcp://fleet.test:1") as fleet,
    ):
        with pytest.raises(MissingSlicesError, match=r"no address of fleet\.test"):
            fleet.wait_ready(0.1)
        found.append(one.query)
        wait_until(lambda: list(fleet) == ["a"] and not fleet.stale, what="the first daemon")
        found.append(two.query)
        wait_until(lambda: list(fleet) == ["a", "b"] and not fleet.stale, what="the second one")
        found.remove(one.query)
        silence(one)
        wait_until(lambda: list(fleet) == ["b"] and not fleet.stale, what="the first to be gone")
        found.clear()
        assert [member.endpoint for member in fleet.members] == [two.query]


def test_a_daemon_without_shards_keeps_its_mirror(
    flavour: Flavour, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookups: list[DnsName] = []
    with WirePeer() as peer:

        def lookup(name: DnsName) -> list[str]:
            lookups.append(name)
            return [peer.query]

        for module in (zinfo.client.fleet, zinfo.aio.fleet):
            monkeypatch.setattr(module, "lookup", lookup)
            monkeypatch.setattr(module, "RESOLVE_INTERVAL", 0.01)
        with flavour.fleet("dns+tcp://fleet.test:1") as fleet:
            wait_until(lambda: not fleet.stale, what="the daemon")
            before = len(lookups)
            wait_until(lambda: len(lookups) > before + 2, what="further lookups")
            assert not fleet.stale
            assert len(fleet) == 0
        assert len(peer.requests) == 2  # hello and snapshot


def test_wait_ready_names_the_stale_shards(flavour: Flavour) -> None:
    with WirePeer("a", "b") as peer, flavour.fleet(peer.query) as fleet:
        fleet.wait_ready(60)
        peer.deaf = True
        peer.drop = 2  # the delta, alone and in its batch
        peer.do(lambda daemon: daemon.poll("a"))
        peer.do(lambda daemon: daemon.poll("a"))
        wait_until(lambda: fleet.stale, what="the loss to be noticed")
        with pytest.raises(NoAnswerError, match=r"no current copy of 1 shards within 0 s: a"):
            fleet.wait_ready(0)


def test_a_closed_fleet_stays_readable_and_is_stale(
    peers: list[WirePeer], flavour: Flavour
) -> None:
    with flavour.fleet([peer.query for peer in peers]) as fleet:
        fleet.wait_ready(60)
    assert list(fleet) == IDS
    assert fleet.stale
    assert fleet[IDS[0]]["role"] == "master"
    with pytest.raises(NoAnswerError):
        fleet.wait_ready(60)


@pytest.mark.parametrize(
    "options", [{"shard_ids": "a"}, {"labels": {"zone": 1}}, {"fields": "role"}]
)
def test_a_selection_of_a_wrong_type_is_an_error(
    flavour: Flavour, options: dict[str, object]
) -> None:
    with pytest.raises(TypeError):
        flavour.fleet("tcp://127.0.0.1:1", **options)
