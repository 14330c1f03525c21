"""The argument shard_ids, and the names that it had before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias
from unittest.mock import Mock

import pytest

from tests.client.flavours import Flavour
from tests.client.wire_peer import WirePeer
from zinfo.recording import Recorder

Use: TypeAlias = "Callable[..., Any]"


@pytest.fixture(scope="module")
def peer() -> Iterator[WirePeer]:
    """A daemon with two shards."""
    with WirePeer("a", "b") as peer:
        yield peer


def _followed(flavour: Flavour, peer: WirePeer, **given: Any) -> list[str]:
    with flavour.mirror(peer.query, **given) as mirror:
        mirror.wait_ready(60)
        return list(mirror)


def _fleet(flavour: Flavour, peer: WirePeer, **given: Any) -> list[str]:
    with flavour.fleet(peer.query, **given) as fleet:
        fleet.wait_ready(60)
        return list(fleet)


def _received(flavour: Flavour, peer: WirePeer, **given: Any) -> list[str]:
    with flavour.subscriber(peer.query, kinds=["delta"], timeout=60, **given) as updates:
        peer.do(lambda daemon: daemon.poll("a"))
        peer.do(lambda daemon: daemon.poll("b"))
        first: Any = updates.recv(timeout=60)
        return [first.shard]


def _copies(flavour: Flavour, peer: WirePeer, **given: Any) -> list[str]:
    with flavour.fleet_subscriber(peer.query, kinds=["info"], timeout=60, **given) as updates:
        first: Any = updates.recv(timeout=60)
        return [first.shard]


def _requested(name: str) -> Use:
    def request(flavour: Flavour, peer: WirePeer, **given: Any) -> Any:
        with flavour.client(peer.query) as client:
            return getattr(client, name)(**given)

    return request


def _requested_of_all(name: str) -> Use:
    def request(flavour: Flavour, peer: WirePeer, **given: Any) -> Any:
        with flavour.fleet(peer.query) as fleet:
            return getattr(fleet, name)(**given)

    return request


def of_shard(value: Any) -> Any:
    """What results say of shards, without ages."""
    events = getattr(value, "events", value)
    return [one.get("id", one.get("shard")) if isinstance(one, dict) else one for one in events]


@pytest.mark.parametrize(
    ("former", "use"),
    [
        pytest.param("ids", _requested("shards"), id="Client.shards"),
        pytest.param("ids", _requested("snapshot"), id="Client.snapshot"),
        pytest.param("ids", _requested("events"), id="Client.events"),
        pytest.param("ids", _requested_of_all("shards"), id="Fleet.shards"),
        pytest.param("ids", _requested_of_all("events"), id="Fleet.events"),
        pytest.param("shards", _followed, id="Mirror"),
        pytest.param("shards", _fleet, id="Fleet"),
        pytest.param("shards", _received, id="Subscriber"),
        pytest.param("shards", _copies, id="FleetSubscriber"),
    ],
)
def test_shard_ids_and_its_former_name_mean_the_same(
    peer: WirePeer, flavour: Flavour, former: str, use: Use
) -> None:
    now = use(flavour, peer, shard_ids=["b"])
    with pytest.warns(DeprecationWarning, match=f"^{former} is now called shard_ids$") as warned:
        before = use(flavour, peer, **{former: ["b"]})
    assert len(warned) == 1
    assert of_shard(now) == of_shard(before) != []
    with pytest.raises(TypeError, match=f"{former} is the former name of shard_ids"):
        use(flavour, peer, shard_ids=["b"], **{former: ["b"]})


def test_the_warning_names_the_line_that_uses_the_former_name(
    peer: WirePeer, blocking: Flavour
) -> None:
    with blocking.client(peer.query) as client:
        with pytest.warns(DeprecationWarning, match="ids") as warned:
            client.shards(ids=["a"])
        assert warned[0].filename == __file__


def test_a_recorder_takes_both_names() -> None:
    with pytest.warns(DeprecationWarning, match="shards is now called shard_ids"):
        Recorder("tcp://127.0.0.1:1", Mock(), shards=["a"])
    Recorder("tcp://127.0.0.1:1", Mock(), shard_ids=["a"])
