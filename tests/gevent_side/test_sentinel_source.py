"""The source `sentinel` with real Sentinels: what it lists while servers and Sentinels fail.

The tests share three Sentinels, and run in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from tests.daemons import RunningDaemon
from tests.sentinels import RealSentinel, SentinelGroup, sentinel_group
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.discovery.credentials import CredentialSet, NamedCredentials
from zinfo.discovery.host_patterns import HostPatterns
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.server_query import QueryLimits
from zinfo.discovery.sources.sentinel import SentinelSource
from zinfo.discovery.target import Answer, Target
from zinfo.errors import SourceError

RULES = TargetRules("ha")


@pytest.fixture(scope="module")
def group() -> Iterator[SentinelGroup]:
    with sentinel_group("cache-1") as group:
        yield group


def source(*sentinels: RealServer, rules: TargetRules = RULES, **options: Any) -> SentinelSource:
    credentials = options.pop("credentials", CredentialSet())
    urls = [f"redis://{one.ident}" for one in sentinels]
    return SentinelSource("ha", urls, rules, credentials, **options)


def read(source: SentinelSource) -> Answer:
    answer = source.read()
    assert answer is not None
    return answer


def groups(answer: Answer) -> set[str]:
    return {target.labels["group"] for target in answer.targets.values()}


def idents(servers: list[RealServer]) -> set[str]:
    return {server.ident for server in servers}


def test_one_sentinel_is_enough_to_find_all(group: SentinelGroup) -> None:
    ha = source(group.sentinels[0])
    labels = {"source": "ha", "cluster": "cache-1", "group": group.primary.ident}
    assert read(ha).targets == {
        server.ident: Target(f"redis://{server.ident}", labels) for server in group.servers
    }
    assert ha.read() is None
    sentinel = group.sentinels[0]
    sentinel.stop()
    try:
        answer = read(ha)  # the others were learned
    finally:
        sentinel.start()
    assert set(answer.targets) == idents(group.servers)
    assert [note.partition(": ")[0] for note in answer.notes] == [sentinel.ident]
    assert read(ha).notes == ()
    wait_until(lambda: group.knows_all(sentinel), what="a Sentinel that knows all again")


def test_primaries_are_chosen_by_patterns_of_their_names(group: SentinelGroup) -> None:
    for patterns, found in ((("cache-*",), 3), (("x", "cache-?"), 3), (("Cache-*", "x"), 0)):
        assert len(read(source(group.sentinels[0], masters=patterns)).targets) == found


def test_ids_and_groups_follow_the_rules(group: SentinelGroup) -> None:
    rules = TargetRules("ha", id_template="{cluster}/{port}", labels={"cluster": "mine"})
    answer = read(source(group.sentinels[0], rules=rules, scheme="rediss"))
    assert set(answer.targets) == {f"mine/{server.port}" for server in group.servers}
    assert groups(answer) == {f"mine/{group.primary.port}"}
    assert all(target.url.startswith("rediss://") for target in answer.targets.values())


def test_sentinels_are_shards_if_they_are_to_be_watched(group: SentinelGroup) -> None:
    credentials = CredentialSet({"shards": NamedCredentials(HostPatterns(["*"]), {})})
    rules = TargetRules(
        "ha",
        id_template="{cluster}/{port}",
        credentials="shards",
        credential_hosts=credentials.hosts,
    )
    answer = read(
        source(group.sentinels[0], rules=rules, credentials=credentials, watch_sentinels=True)
    )
    assert len(answer.targets) == 6
    assert answer.targets[group.primary.ident.replace("127.0.0.1:", "cache-1/")].credentials
    for sentinel in group.sentinels:
        url = f"redis://{sentinel.ident}"
        assert answer.targets[sentinel.ident] == Target(url, {"source": "ha"})


def test_a_sentinel_that_does_not_reply_delays_but_removes_nothing(group: SentinelGroup) -> None:
    ha = source(*group.sentinels)
    ha.limits = QueryLimits(timeout=0.5)
    read(ha)
    sentinel = group.sentinels[2]
    sentinel.suspend()
    try:
        answer = read(ha)
    finally:
        sentinel.resume()
    assert set(answer.targets) == idents(group.servers)
    assert answer.notes == (f"{sentinel.ident}: no reply within 0.5 s",)
    wait_until(lambda: b"s_down" not in sentinel.cli("SENTINEL", "MASTERS"), what="its recovery")


def test_a_sentinel_that_disagrees_adds_its_servers(
    group: SentinelGroup, server: RealServer
) -> None:
    with RealSentinel(server, "cache-1") as stranger:
        answer = read(source(*group.sentinels, stranger))
    assert set(answer.targets) == {*idents(group.servers), server.ident}
    assert groups(answer) == {group.primary.ident}  # as most Sentinels say


def test_after_a_restart_the_stored_answer_stands_in_for_a_sentinel_that_is_away(
    group: SentinelGroup, server: RealServer
) -> None:
    with RealSentinel(server, "other") as alone:
        ha = source(group.sentinels[0], alone, watch_sentinels=True)
        before = read(ha)
        assert server.ident in before.targets
    answer = read(ha)  # it is away now
    assert answer.targets == before.targets
    ha = source(group.sentinels[0], alone, watch_sentinels=True)
    ha.remember(before.targets)
    answer = read(ha)
    assert answer.targets == before.targets
    ha = source(alone, watch_sentinels=True)
    ha.remember(before.targets)
    assert read(ha).targets == before.targets  # other Sentinels are known from it


def test_a_daemon_drops_no_live_server(group: SentinelGroup) -> None:
    """Among others, the primary fails: it is replaced, and becomes a replica."""
    config = f"""
[[sources]]
type = "sentinel"
name = "ha"
sentinels = ["redis://{group.sentinels[0].ident}", "redis://{group.sentinels[1].ident}"]
interval = 0.2
watch_sentinels = true

[poll]
max_backoff = 0.5

[guard]  # what the source no longer lists is removed at once
misses = 1
hold = 0
max_removed = 1.0
"""
    all_ids = {*idents(group.servers), *idents([*group.sentinels])}
    first = group.primary.ident
    samples: list[dict[str, Any]] = []

    def sample() -> dict[str, Any]:
        body = daemon.ask("shards").body
        assert isinstance(body, list)
        samples.append({one["id"]: one for one in body})
        return samples[-1]

    def wait_for(condition: Callable[[dict[str, Any]], bool], what: str) -> None:
        wait_until(lambda: condition(sample()), what=what, sleep=gevent.sleep)

    def has_group(ident: str, *groups: str) -> Callable[[dict[str, Any]], bool]:
        return lambda shards: shards[ident]["labels"].get("group") in groups

    with RunningDaemon(config_text=config) as daemon:
        wait_for(lambda shards: {"up"} == {one["state"] for one in shards.values()}, "all up")
        del samples[:]
        group.sentinels[0].stop()
        wait_for(has_state(group.sentinels[0].ident, "down"), "a Sentinel that is down")
        group.sentinels[0].start()
        group.primary.kill()
        try:
            replicas = [one.ident for one in group.replicas]
            wait_for(has_group(first, *replicas), "another primary")
        finally:
            group.primary.start()
        wait_for(has_state(first, "up"), "the old primary as a replica")
        assert group.sentinels[2].cli("SENTINEL", "RESET", "cache-1") == b":1\r\n"
        reads = reads_of(daemon)
        wait_for(lambda _: reads_of(daemon) > reads + 2, "two reads after a RESET")
    assert {frozenset(shards) for shards in samples} == {frozenset(all_ids)}
    new = samples[-1][first]["labels"]["group"]
    assert all(has_group(one.ident, new)(samples[-1]) for one in group.servers)
    assert has_group(first, first)(samples[0])


def reads_of(daemon: RunningDaemon) -> int:
    body: Any = daemon.ask("sources").body
    reads: int = body[0]["reads"]
    return reads


def has_state(ident: str, state: str) -> Callable[[dict[str, Any]], bool]:
    return lambda shards: shards[ident]["state"] == state


def test_a_sentinel_that_was_reset_removes_no_replica(group: SentinelGroup) -> None:
    ha = source(*group.sentinels)
    read(ha)
    sentinel = group.sentinels[1]
    assert sentinel.cli("SENTINEL", "RESET", "cache-1") == b":1\r\n"
    assert sentinel.cli("SENTINEL", "REPLICAS", "cache-1") == b"*0\r\n"  # it forgot them
    assert set(read(source(sentinel, *group.sentinels)).targets) == idents(group.servers)
    assert ha.read() is None


def test_a_sentinel_that_asks_for_a_password_gets_it_and_needs_few_rights(
    server: RealServer,
) -> None:
    rules = "on >secret -@all +sentinel|masters +sentinel|replicas +sentinel|sentinels"
    with RealSentinel(server, password="p4ss") as sentinel:
        url_source = source(sentinel)
        with pytest.raises(SourceError, match=rf"^{sentinel.ident}: auth$"):
            url_source.read()
        client = sentinel.client()
        client.execute_command("ACL", "SETUSER", "zinfo", *rules.split(), "+sentinel|myid")
        client.execute_command("ACL", "SETUSER", "few", *rules.split())
        client.execute_command("ACL", "SETUSER", "less", *rules.split()[:-1])
        for user, problem in (("zinfo", ""), ("few", ""), ("less", "noperm")):
            options = {"username": user, "password": "secret"}
            table = NamedCredentials(HostPatterns(["127.0.0.1"]), options)
            ha = source(
                sentinel,
                credentials=CredentialSet({"sentinels": table}),
                sentinel_credentials="sentinels",
            )
            if problem:
                with pytest.raises(SourceError, match=problem):
                    ha.read()
            else:
                assert set(read(ha).targets) == {server.ident}
        elsewhere = NamedCredentials(HostPatterns(["10.*"]), {"password": "p4ss"})
        ha = source(
            sentinel,
            credentials=CredentialSet({"sentinels": elsewhere}),
            sentinel_credentials="sentinels",
        )
        with pytest.raises(SourceError, match=r"sentinels may not be sent to 127\.0\.0\.1"):
            ha.read()


def test_names_and_shared_servers(server: RealServer) -> None:
    options = (
        "sentinel resolve-hostnames yes",
        "sentinel announce-hostnames yes",
        f"sentinel monitor named localhost {server.port} 1",
        f"sentinel monitor again 127.0.0.1 {server.port} 1",
    )
    with RealSentinel(server, "cache", options=options) as sentinel:
        answer = read(source(sentinel, masters=("c*", "*")))
        named = f"localhost:{server.port}"
        labels = {"source": "ha", "cluster": "cache", "group": server.ident}
        assert answer.targets == {
            server.ident: Target(f"redis://{server.ident}", labels),
            named: Target(
                f"redis://{named}",
                {"source": "ha", "cluster": "named", "group": named, "hostname": "localhost"},
            ),
        }
        assert answer.skipped == {f"the id {server.ident} is given twice": 1}
        clusters = {one.labels["cluster"] for one in read(source(sentinel)).targets.values()}
        assert clusters == {"again", "named"}


def test_servers_that_are_no_sentinels_are_an_error(server: RealServer) -> None:
    with pytest.raises(SourceError, match="unknown command"):
        source(server).read()
