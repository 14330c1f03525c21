"""Rights of clients: the rules, and a daemon that enforces them on both sockets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.security.keyring import (
    Keyring,
    bus_endpoint,
    entries,
    reload,
    subscribed,
    topics_now,
    until_fence,
    wait_polls,
)
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.client import Client, Mirror
from zinfo.errors import BadRequestError, NotAllowedError
from zinfo.security.bus_rights import UNLIMITED, BusRights
from zinfo.security.rights import Rights
from zinfo.wire.bus_messages import unpack_header
from zinfo.wire.codec import unpack
from zinfo.wire.lifecycle import Event

CLIENTS = """
[clients.admin]
[clients.cache]
shards = ["cache-"]
[clients.blind]
hidden_fields = ["executable", "*_file", "mem_*", "run_id", "*_commands*processed"]
[clients.modest]
hidden_fields = ["executable"]
[clients.static]
hidden_fields = ["*"]
[clients.reader]
operations = ["get_infos"]
[clients.outsider]
operations = []
shards = []
"""
NAMES = ("cache", "blind", "modest", "static", "reader", "outsider")
HEARTBEAT = b"z1/hb/"
LIMITED = (
    *("get_infos", "get_columns", "shards", "snapshot", "history", "events", "stats", "sources"),
    "accept_source",
)
"""Operations that a client may need a right for."""


# --- the rules


def on_bus(rights: Rights) -> BusRights:
    found = rights.on_bus()
    assert found is not None
    return found


def covered(rights: Rights, *prefixes: bytes) -> list[bytes]:
    return [prefix for prefix in prefixes if on_bus(rights).covers(prefix)]


def test_a_prefix_of_ids_covers_future_shards() -> None:
    rights = Rights("x", shards=("cache-", "a b"))
    assert rights.can_see("cache-")
    assert rights.can_see("cache-new")
    assert rights.can_see("a b")
    assert not rights.can_see("Cache-1")
    assert not rights.can_see("")
    assert list(rights.visible_shards(["a bc", "cache-1", "db"])) == ["a bc", "cache-1"]


@pytest.mark.parametrize("prefix", [b"", b"z", b"z1/", b"z1/d", b"z1/delta/", b"nonsense"])
def test_a_client_without_limits_can_do_everything(prefix: bytes) -> None:
    assert on_bus(Rights("x")) == UNLIMITED
    assert covered(Rights("x"), prefix) == [prefix]


def test_a_subscription_that_can_match_nothing_is_recognised() -> None:
    rights = Rights("x", shards=("cache-", "ü"))
    good = [b"", b"z", b"z1/delta/", b"z1/delta/c", b"z1/delta/cache-7/", b"z1/info/%C3%BC"]
    good += [HEARTBEAT, b"z1/hb/node/", b"~fence/x", b"~"]
    assert covered(rights, *good) == good
    bad = [b"z1/delta/db-1/", b"z1/info/d", b"nonsense", b"z2/delta/cache-", b"z1/delta/Cache-"]
    assert covered(rights, *bad) == []


def test_no_shards_is_not_all_shards() -> None:
    rights = Rights("x", shards=())
    assert not rights.can_see("a")
    assert covered(rights, b"", HEARTBEAT, b"z1/info/", b"z1/event/a/") == [b"", HEARTBEAT]


def test_allowed_operations_limit_the_kinds_of_bus_messages() -> None:
    kinds = {
        operations: rights.kinds if (rights := Rights("x", operations=operations).on_bus()) else ()
        for operations in map(
            frozenset, (["snapshot"], ["get_infos", "stats"], ["events"], ["stats"])
        )
    }
    assert list(kinds.values()) == [("info", "delta"), ("info", "delta"), ("event",), ()]
    infos = Rights("x", operations=frozenset({"get_infos"}))
    assert covered(infos, b"z1/event/", b"z1/info/", b"z1/e", b"z1/") == [b"z1/info/", b"z1/"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Rights("a", shards=("a", "b")), Rights("b", shards=("b", "ab", "a"))),
        (Rights("a", hidden_fields=("x", "y*")), Rights("b", hidden_fields=("y*", "x", "x"))),
        (Rights("a"), Rights("b", operations=frozenset({"get_infos", "events"}))),
        (Rights("a"), Rights("b", shards=("",))),
    ],
)
def test_clients_of_equal_rights_share_a_socket(one: Rights, other: Rights) -> None:
    assert on_bus(one) == on_bus(other)


def test_a_star_at_the_end_matches_any_ending() -> None:
    rights = Rights("x", hidden_fields=("slave*", "config_file"))
    assert all(map(rights.hides, ("slave0", "slave", "slave_repl_offset", "config_file")))
    assert not any(map(rights.hides, ("role", "config_files", "Slave0")))
    assert rights.visible_fields({"slave0": 1, "role": "x"}) == {"role": "x"}


@pytest.mark.parametrize(
    ("pattern", "fits", "others"),
    [
        ("*_host", ("master_host", "_host"), ("master_hosts", "master_port", "host")),
        ("m*_host", ("master_host", "m_host"), ("slave_host", "master_port")),
        ("*host*", ("host", "master_host", "hosts"), ("hos", "master_port")),
        ("a*a", ("aa", "aba"), ("a", "ab", "ba")),
        ("a*b*b*c", ("abbc", "a-b-b-c"), ("abc", "ab", "bbc", "abcb")),
        ("*ab*b", ("abb", "ab-b"), ("ab", "b", "abba")),
        ("*", ("", "role"), ()),
        ("**_x*", ("a_x", "_xy"), ("x",)),
        ("a.b", ("a.b",), ("axb", "a.bc")),
    ],
)
def test_a_star_matches_any_characters_at_any_position(
    pattern: str, fits: tuple[str, ...], others: tuple[str, ...], promise: Promise
) -> None:
    rights = Rights("x", hidden_fields=("other", pattern))
    missed = [name for name in fits if not rights.hides(name)]
    hidden = [name for name in others if rights.hides(name)]
    promise(f"hidden_fields = [{pattern!r}]", "hides what matches", f"wrong: {missed + hidden}")
    assert missed == hidden == []


@pytest.mark.parametrize(
    "pattern",
    [
        "redis_version",
        "valkey_version",
        "garnet_version",
        "later_version",  # of a fork that is not known
        "version",
        "*_version",
        "later*_version",
        "*ersion",
        "redis_*",
        "drag*",
    ],
)
def test_the_version_is_hidden_if_a_field_that_it_may_come_from_is_hidden(pattern: str) -> None:
    assert Rights("x", hidden_fields=(pattern,)).hidden_attributes() == {"version"}


def test_fields_that_are_no_versions_of_servers_do_not_hide_the_version() -> None:
    for pattern in ("gcc_version", "used_memory*", "module_api_version", "*_rss", "slave*"):
        assert Rights("x", hidden_fields=(pattern,)).hidden_attributes() == set(), pattern


def test_the_message_of_a_restart_is_hidden_with_run_id_or_uptime() -> None:
    event = Event("db-1", "restarted", "a", "b", "", "the process was started 2 s ago", 1, 1, 0.0)
    assert Rights("x").visible_event(event)["message"] == event.message
    visible = Rights("x", hidden_fields=("uptime_*",)).visible_event(event)
    assert (visible["old"], visible["new"], visible["message"]) == ("a", "b", "")
    visible = Rights("x", hidden_fields=("run_id",)).visible_event(event)
    assert (visible["old"], visible["new"], visible["message"]) == (None, None, "")


# --- a daemon


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    """One server behind all shards."""
    with RealServer() as server:
        yield server


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    """Keys of all clients."""
    return Keyring(tmp_path_factory.mktemp("rights") / "keys", *NAMES)


def shards(server: RealServer, *more: str) -> list[tuple[str, str]]:
    return [(name, server.url) for name in ("cache-1", "cache-2", "db-1", *more)]


@pytest.fixture(scope="module")
def daemon(ring: Keyring, server: RealServer) -> Iterator[RunningDaemon]:
    """A daemon with three shards, some of which each client can see."""
    with ring.daemon(shards(server), CLIENTS) as daemon:
        daemon.wait_polled(3)
        yield daemon


def as_(ring: Keyring, daemon: RunningDaemon, name: str) -> Client:
    return Client(daemon.query, keys=ring.of(name))


def client_meta(info: dict[str, Any]) -> dict[str, Any]:
    meta = info["meta"]
    assert isinstance(meta, dict)
    return meta


def ids(found: list[dict[str, Any]], key: str = "id") -> set[str]:
    return {entry[key] for entry in found}


def test_a_client_sees_its_shards_in_every_operation(
    ring: Keyring, daemon: RunningDaemon, promise: Promise
) -> None:
    with as_(ring, daemon, "cache") as client:
        infos = {str(client_meta(info)["shard_identifier"]) for info in client.get_infos()}
        visible = {
            "get_infos": infos,
            "get_columns": set(client.get_columns(["role"]).ids),
            "shards": ids(client.shards()),
            "history": set(client.history().ids),
            "snapshot": ids(entries(client.request("snapshot").body), "shard"),
            "events": {event.shard for event in client.events().events},
        }
        refused = 0
        for operation, argument in (
            ("get_infos", "shard_ids"), ("shards", "ids"), ("snapshot", "ids"), ("events", "ids"),
            ("history", "ids"),
        ):  # fmt: skip
            arguments: dict[str, Any] = {argument: ["db-1"]}
            with pytest.raises(NotAllowedError):
                client.request(operation, **arguments)
            refused += 1
        with pytest.raises(NotAllowedError):
            client.get_infos(["cache-1", "db-1"], allow_partial=True)
        hello = client.hello()
    promise("a client with shards = [cache-]", "sees no others", f"{visible}; {refused} refused")
    assert all(seen == {"cache-1", "cache-2"} for seen in visible.values())
    assert hello["rights"] == {
        "shards": ["cache-"],
        "withheld": [],
        "operations": None,
        "kinds": ["info", "delta", "event"],
    }


@pytest.mark.parametrize(
    "topics", [[b""], [b"z1/"], [b"z1/delta/", b"z1/info/db-1/", b"z1/event/db"]]
)
def test_the_bus_sends_a_client_only_its_shards(
    ring: Keyring, daemon: RunningDaemon, topics: list[bytes], promise: Promise
) -> None:
    with subscribed(bus_endpoint(daemon, ring.of("cache")), ring.of("cache"), *topics) as bus:
        until_fence(bus)
        wait_polls(daemon)
        seen = {frames[0] for frames in until_fence(bus)}
    promise(f"a client subscribes {topics}", "only its own shards", f"{len(seen)} topics")
    assert any(b"/cache-1/" in topic for topic in seen)
    assert not any(b"db-1" in topic for topic in seen), seen


def test_hidden_fields_appear_in_no_reply_and_no_message(
    ring: Keyring, daemon: RunningDaemon, server: RealServer, promise: Promise
) -> None:
    secret = dict(server.client().info("server"))
    with as_(ring, daemon, "blind") as client:
        info = client.get_infos(["cache-1"])[0]
        assert "used_memory" in info
        visible = info.keys() - {"meta"}
        named = client.get_infos(["cache-1"], ["executable", "role"])[0]
        (by_prefix,) = client.get_infos(["cache-1"], ["mem_", "used_"], prefix_matching=True)
        snapshot = entries(client.request("snapshot", ids=["cache-1"]).body)[0]
        described = client.shards(["cache-1"])[0]
        columns = client.get_columns(["executable", "used_memory", "mem_clients_normal"])
        assert [list(columns[name]) for name in ("executable", "mem_clients_normal")] == [
            [None] * 3
        ] * 2
        assert None not in list(columns["used_memory"])
        everything = [
            columns.ids,
            info,
            named,
            by_prefix,
            snapshot,
            described,
            *client.events().events,
        ]
    with subscribed(bus_endpoint(daemon, ring.of("blind")), ring.of("blind"), b"") as bus:
        assert bus.poll(30_000)
        reload(daemon, ring.config(shards(server, "late"), CLIENTS))
        wait_polls(daemon)
        heard = until_fence(bus)
        while not any(frames[0].startswith(HEARTBEAT) for frames in heard):
            assert bus.poll(30_000)
            heard.append(bus.recv_multipart())
    reload(daemon, ring.config(shards(server), CLIENTS))
    topics = {frames[0].split(b"/")[1].decode() for frames in heard}
    fields = {frames[0]: unpack(frames[2]) for frames in heard}
    everything += [frames[2].decode("latin1") for frames in heard] + [fields]
    text = repr(everything)
    found = [value for value in (secret["executable"], secret["run_id"]) if value in text]
    hidden = ("executable", "config_file", "mem_", "total_commands_processed")
    names = [name for name in hidden if f"'{name}" in text]
    promise("a client with hidden fields", "they appear nowhere", f"{found + names}; {topics}")
    assert found == names == []
    assert set(named) == {"role", "meta"}
    assert described["run_id"] is None
    assert topics == {"info", "delta", "event", "hb"}
    whole: Any = fields[b"z1/info/late/"]
    assert whole.keys() >= visible
    first = next(unpack(one[2]) for one in heard if one[0] == b"z1/delta/late/")
    assert isinstance(first, dict)
    assert first["base"] == 0
    assert first["set"].keys() >= visible


def test_deltas_without_hidden_fields_have_no_gaps(
    ring: Keyring, daemon: RunningDaemon, promise: Promise
) -> None:
    keys = ring.of("static")
    seqs: list[int] = []
    changed: set[str] = set()
    with subscribed(bus_endpoint(daemon, keys), keys, b"z1/delta/cache-1/") as bus:
        while len(seqs) < 8:
            assert bus.poll(30_000)
            _, header, body = bus.recv_multipart()
            delta: Any = unpack(body)
            assert delta["base"] == unpack_header(header).seq - 1
            changed.update(delta["set"])
            seqs.append(delta["base"])
    promise("only hidden fields change", "the deltas are empty", f"{len(seqs)} deltas")
    assert seqs == list(range(seqs[0], seqs[0] + 8))
    assert not changed


def test_a_client_with_a_hidden_field_gets_lifecycle_events(
    ring: Keyring, daemon: RunningDaemon, server: RealServer
) -> None:
    with subscribed(bus_endpoint(daemon, ring.of("modest")), ring.of("modest"), b"z1/") as bus:
        assert bus.poll(30_000)
        reload(daemon, ring.config(shards(server, "late"), CLIENTS))
        wait_polls(daemon)
        topics = {frames[0] for frames in until_fence(bus)}
    assert {b"z1/event/late/", b"z1/delta/late/", b"z1/info/late/"} <= topics
    reload(daemon, ring.config(shards(server), CLIENTS))


@pytest.mark.parametrize("name", ["reader", "outsider"])
def test_operations_that_are_not_allowed_are_refused(
    ring: Keyring, daemon: RunningDaemon, name: str, promise: Promise
) -> None:
    refused = []
    with as_(ring, daemon, name) as client:
        client.ping()
        client.hello()
        for operation in LIMITED:
            try:
                client.request(operation)
            except NotAllowedError:
                refused.append(operation)
            except BadRequestError:  # an argument is missing
                assert operation == "get_columns"
        described: Any = client.hello()["rights"]
    allowed = {"reader": ["get_columns", "get_infos"], "outsider": []}[name]
    assert list(described["operations"]) == allowed
    promise(f"client {name}", f"can call {allowed}", f"refused {refused}")
    expected = [one for one in LIMITED if one not in allowed]
    assert refused == expected


@pytest.mark.parametrize("name", ["cache", "blind", "reader"])
def test_a_client_with_limits_cannot_change_sources(
    ring: Keyring, daemon: RunningDaemon, name: str, promise: Promise
) -> None:
    with as_(ring, daemon, name) as client, pytest.raises(NotAllowedError) as refused:
        client.accept_source("static")
    promise(f"client {name}", "cannot accept a source's answer", str(refused.value))


def test_a_client_without_limits_can_change_sources(ring: Keyring, daemon: RunningDaemon) -> None:
    with as_(ring, daemon, "admin") as client:
        assert client.accept_source("static") == 0, "the list of shards is followed at once"


def test_a_mirror_of_some_shards_stays_fresh_without_requests(
    ring: Keyring, daemon: RunningDaemon
) -> None:
    with Mirror(daemon.query, keys=ring.of("cache")) as mirror:
        wait_until(lambda: not mirror.stale and len(mirror) == 2, what="a fresh mirror")
        stats = daemon.ask("stats").body
        assert isinstance(stats, dict)
        before = stats["query"]["requests"].get("snapshot", 0)
        revision = mirror.view("cache-1").revision
        wait_until(lambda: mirror.view("cache-1").revision > revision + 15, what="fifteen polls")
        assert not mirror.stale
        stats = daemon.ask("stats").body
        assert isinstance(stats, dict)
        requested = stats["query"]["requests"].get("snapshot", 0) - before
        assert requested <= 2, "the totals in heartbeats include shards that it cannot see"


def test_labels_of_shards_that_a_client_cannot_see_do_not_reach_its_mirror(
    ring: Keyring, daemon: RunningDaemon, server: RealServer
) -> None:
    plain = ring.config(shards(server), CLIENTS)
    with Mirror(daemon.query, labels={"tier": "x"}, keys=ring.of("cache")) as mirror:
        mirror.wait_ready(60)
        assert not mirror
        reload(daemon, plain.replace("\nurl", '\nlabels = { tier = "x" }\nurl'))
        wait_until(lambda: not mirror.stale and len(mirror) == 2, what="both shards")
        assert sorted(mirror) == ["cache-1", "cache-2"]
        with as_(ring, daemon, "cache") as client:
            found = [client_meta(info)["labels"] for info in client.get_infos(with_labels=True)]
        assert found == [{"tier": "x"}] * 2
        reload(daemon, plain)
        wait_until(lambda: not mirror, what="both to leave")


def test_a_shard_added_later_is_visible_to_clients_with_the_right(
    ring: Keyring, daemon: RunningDaemon, server: RealServer, promise: Promise
) -> None:
    with (
        Mirror(daemon.query, keys=ring.of("cache")) as mirror,
        subscribed(bus_endpoint(daemon, ring.of("cache")), ring.of("cache"), b"z1/delta/") as bus,
    ):
        wait_until(lambda: not mirror.stale and len(mirror) == 2, what="a fresh mirror")
        reload(daemon, ring.config(shards(server, "cache-3", "db-2"), CLIENTS))
        wait_until(lambda: "cache-3" in mirror, what="the new shard")
        wait_until(lambda: any(b"cache-3" in topic for topic in topics_now(bus)), what="its deltas")
        held = sorted(mirror)
    promise("cache-3 and db-2 are added", "cache-3 is visible at once", str(held))
    assert held == ["cache-1", "cache-2", "cache-3"]


def test_revoked_rights_take_effect_at_once(
    ring: Keyring, daemon: RunningDaemon, server: RealServer
) -> None:
    with (
        as_(ring, daemon, "cache") as client,
        subscribed(bus_endpoint(daemon, ring.of("cache")), ring.of("cache"), b"") as bus,
    ):
        assert client.get_infos(["cache-1"])
        assert bus.poll(30_000)
        less = CLIENTS.replace('shards = ["cache-"]', 'shards = ["cache-2"]')
        reload(daemon, ring.config(shards(server), less))
        with pytest.raises(NotAllowedError):
            client.get_infos(["cache-1"])
        until_fence(bus)
        wait_polls(daemon)
        later = {frames[0] for frames in until_fence(bus)}
        assert any(b"cache-2" in topic for topic in later)
        assert not any(b"cache-1" in topic for topic in later)
    reload(daemon, ring.config(shards(server), CLIENTS))
