"""The cluster source with real clusters: what it lists while nodes fail, leave, and come back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
import trustme

from tests.clusters import RealCluster, ask, known, node_id, primary_of
from tests.conftest import ServerFactory
from tests.gevent_side.test_tls import _speaks_tls
from tests.server_kinds import ServerKind, available_kinds
from tests.servers import RealServer
from tests.spawning import free_port
from tests.waiting import wait_until
from zinfo.discovery.credentials import CredentialSet, NamedCredentials
from zinfo.discovery.host_patterns import HostPatterns
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.server_query import QueryLimits
from zinfo.discovery.sources.cluster import ClusterSource
from zinfo.discovery.target import Answer
from zinfo.errors import SourceError


def source_of(
    *seeds: RealServer | str, credentials: dict[str, Any] | None = None, **options: Any
) -> ClusterSource:
    """Return a source with these seeds, and a user and password for 127.0.0.*."""
    urls = [f"redis://{one.ident}" if isinstance(one, RealServer) else one for one in seeds]
    tables, name = {}, ""
    if credentials is not None:
        name = "k"
        hosts = credentials.pop("hosts", ["127.0.0.*", "localhost"])
        tables = {name: NamedCredentials(HostPatterns(hosts), credentials)}
    made = CredentialSet(tables)
    rules = TargetRules("c", credentials=name, credential_hosts=made.hosts)
    options.setdefault("limits", QueryLimits(timeout=20))
    return ClusterSource("c", urls, rules, made, **options)


def first(source: ClusterSource) -> Answer:
    answer = source.read()
    assert answer is not None
    return answer


class Listed:
    """The answers of a source that is read all the time."""

    def __init__(self, source: ClusterSource) -> None:
        self.source = source
        self.answers: list[Answer] = []
        self.errors: list[str] = []

    def run(self) -> None:
        while True:
            try:
                answer = self.source.read()
            except SourceError as error:
                self.errors.append(str(error))
            else:
                if answer is not None:
                    self.answers.append(answer)
            gevent.sleep(0.05)

    @property
    def ids(self) -> set[str]:
        return set(self.answers[-1].targets) if self.answers else set()

    @property
    def always(self) -> set[str]:
        """The ids that every answer listed."""
        return set.intersection(*(set(one.targets) for one in self.answers))

    @property
    def notes(self) -> str:
        return "; ".join(self.answers[-1].notes)

    def group(self, ident: str) -> str:
        return self.answers[-1].targets[ident].labels.get("group", "")


@contextlib.contextmanager
def listing(source: ClusterSource) -> Iterator[Listed]:
    listed = Listed(source)
    greenlet = gevent.spawn(listed.run)
    try:
        wait_until(lambda: listed.answers, what="the first answer")
        yield listed
    finally:
        greenlet.kill()
        source.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[RealCluster]:
    with RealCluster() as made:
        yield made


def idents(nodes: list[RealServer]) -> set[str]:
    return {node.ident for node in nodes}


def test_all_nodes_are_listed_with_the_ids_of_their_primaries(cluster: RealCluster) -> None:
    source = source_of(cluster.nodes[4])
    answer = first(source)
    assert set(answer.targets) == idents(cluster.nodes)
    for number, node in enumerate(cluster.nodes):
        assert dict(answer.targets[node.ident].labels) == {
            "cluster": "c",
            "group": cluster.nodes[number % 3].ident,
            "source": "c",
        }
    assert answer.skipped == {}
    assert answer.notes == ()
    assert source.read() is None


def test_the_members_are_asked_if_all_seeds_are_away(cluster: RealCluster) -> None:
    gone = f"redis://127.0.0.1:{free_port()}"
    source = source_of(gone)
    with pytest.raises(SourceError, match="refused"):
        source.read()
    source.remember(first(source_of(cluster.nodes[0])).targets)
    answer = first(source)
    assert set(answer.targets) == idents(cluster.nodes)
    (note,) = answer.notes
    assert note.endswith("refused")


def test_a_least_user_needs_cluster_nodes_and_its_hosts(cluster: RealCluster) -> None:
    for node in cluster.nodes:
        ask(
            node,
            "ACL",
            "SETUSER",
            "z",
            "on",
            ">correct horse",
            "resetkeys",
            "resetchannels",
            "-@all",
            "+info",
        )
    user = {"username": "z", "password": "correct horse"}
    seed = cluster.nodes[0]
    with pytest.raises(SourceError, match="no permissions"):
        source_of(seed, credentials={**user}).read()
    for node in cluster.nodes:
        ask(node, "ACL", "SETUSER", "z", "+cluster|nodes")
    answer = first(source_of(seed, credentials={**user}))
    assert {target.credentials for target in answer.targets.values()} == {"k"}
    assert len(answer.targets) == 6
    with pytest.raises(SourceError, match="may not be sent"):
        source_of(seed, credentials={**user, "hosts": ["10.*"]}).read()
    with pytest.raises(SourceError, match="refuses the password") as caught:
        source_of(seed, credentials={**user, "password": "hunter2"}).read()
    assert "hunter2" not in str(caught.value)


def test_announced_host_names_are_labels_or_addresses(cluster: RealCluster) -> None:
    with listing(source_of(cluster.nodes[0])) as listed:
        for node in cluster.nodes[:5]:
            ask(node, "CONFIG", "SET", "cluster-announce-hostname", "localhost")
        try:
            wait_until(
                lambda: (
                    sum("hostname" in one.labels for one in listed.answers[-1].targets.values())
                    == 5
                ),
                what="five host names",
            )
            assert listed.always == idents(cluster.nodes)
            answer = first(source_of(cluster.nodes[0], address="hostname"))
            assert set(answer.targets) == {
                *(f"localhost:{node.port}" for node in cluster.nodes[:5]),
                cluster.nodes[5].ident,
            }
            assert answer.notes == ("1 node announces no host name: its IP address is used",)
        finally:
            for node in cluster.nodes:
                ask(node, "CONFIG", "SET", "cluster-announce-hostname", "")


def test_suspended_nodes_stay_listed(cluster: RealCluster) -> None:
    halves = cluster.nodes[0], cluster.nodes[5], cluster.nodes[4]
    source = source_of(*cluster.nodes[:2], limits=QueryLimits(timeout=0.7))
    with listing(source) as listed:
        for node in halves:
            node.suspend()
        try:
            wait_until(lambda: "timeout" in listed.notes, what="a seed that does not reply")
            wait_until(lambda: "fail" in known(cluster.nodes[1])[halves[1].ident], what="a failure")
            assert listed.always == idents(cluster.nodes)
        finally:
            for node in halves:
                node.resume()
        wait_until(lambda: not listed.notes, what="all seeds to reply")
        assert listed.always == idents(cluster.nodes)


def test_a_failover_changes_labels_in_place(cluster: RealCluster) -> None:
    seeds = cluster.nodes[0], cluster.nodes[1]
    victim = next(node for node in seeds if primary_of(node) == "-")
    replica = next(node for node in cluster.nodes if primary_of(node) == node_id(victim))
    with listing(source_of(*seeds)) as listed:
        assert listed.group(replica.ident) == victim.ident
        victim.kill()
        wait_until(lambda: listed.group(replica.ident) == replica.ident, what="the failover")
        victim.start()
        wait_until(lambda: listed.group(victim.ident) == replica.ident, what="the old primary")
        wait_until(lambda: not listed.notes, what="all seeds to reply")
        assert listed.always == idents(cluster.nodes)


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_seed_that_lost_its_configuration_has_no_vote_until_it_joins_again(
    cluster: RealCluster, seeds: int
) -> None:
    """The node gets another id: its address is used again."""
    seed = cluster.nodes[5]
    before = node_id(seed)
    others = [node for node in cluster.nodes if node is not seed]
    with listing(source_of(seed, *others[: seeds - 1])) as listed:
        seed.stop()
        (seed.directory / "nodes.conf").unlink()
        seed.start()
        wait_until(lambda: "knows only itself, no vote" in listed.notes, what="the note")
        assert listed.ids == idents(cluster.nodes)
        cluster.meet()
        assert node_id(seed) != before
        cluster.replicate(seed, next(one for one in others if primary_of(one) == "-"))
        wait_until(lambda: not listed.notes, what="its vote")
        wait_until(
            lambda: listed.group(seed.ident) not in ("", seed.ident),
            what="the label of the replica",
        )
        for node in others:
            if before.encode() in ask(node, "CLUSTER", "NODES"):
                ask(node, "CLUSTER", "FORGET", before)
        wait_until(lambda: not listed.answers[-1].skipped, what="the old node id to be forgotten")
        assert listed.always == idents(cluster.nodes)


def test_a_new_replica_is_listed_until_all_others_forget_it(cluster: RealCluster) -> None:
    primary = next(node for node in cluster.nodes if primary_of(node) == "-")
    six = list(cluster.nodes)
    with listing(source_of(primary)) as listed:
        seventh = cluster.add(primary)
        wait_until(lambda: seventh.ident in listed.ids, what="the seventh node")
        wait_until(lambda: listed.group(seventh.ident) == primary.ident, what="its group")
        with listing(source_of(seventh, *six[:2])) as as_seed:
            cluster.forget(seventh)
            wait_until(lambda: "do not know it, no vote" in as_seed.notes, what="the seed's note")
            assert as_seed.always == idents(cluster.nodes)  # it is named by the user, and replies
        wait_until(lambda: seventh.ident not in listed.ids, what="six nodes again")
        assert listed.always == idents(six)
        assert listed.errors == []
    seventh.kill()
    cluster.nodes.remove(seventh)


def test_a_server_without_cluster_support_is_named(server_factory: ServerFactory) -> None:
    server = server_factory()
    with pytest.raises(SourceError, match=f"seed {server.ident}: cluster support is disabled$"):
        source_of(server).read()


def test_a_node_that_has_not_joined_is_listed_and_a_cluster_of_one_is_one(
    server_factory: ServerFactory,
) -> None:
    server = server_factory(args=("--cluster-enabled", "yes"))
    source = source_of(server)
    answer = first(source)
    assert set(answer.targets) == {server.ident}  # though it does not know its own address
    assert answer.incomplete
    assert answer.notes == (f"seed {server.ident}: knows only itself, no vote",)
    assert source.read() is None
    ask(server, "CLUSTER", "ADDSLOTS", 7)
    answer = first(source)
    assert set(answer.targets) == {server.ident}
    assert not answer.incomplete
    assert answer.notes == ()
    assert answer.targets[server.ident].labels["group"] == server.ident


def test_each_kind_of_server_is_listed(each_kind: ServerKind) -> None:
    with RealCluster(1, 1, kind=each_kind) as pair:
        answer = first(source_of(pair.nodes[1]))
        assert set(answer.targets) == idents(pair.nodes)
        assert {one.labels["group"] for one in answer.targets.values()} == {pair.nodes[0].ident}


def test_ports_are_those_for_the_scheme_of_the_seed(tmp_path: Path) -> None:
    kind = next((one for one in available_kinds() if _speaks_tls(one.binary)), None)
    if kind is None:
        pytest.skip("no server with TLS here; Debian's redis-server has it")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    made = authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem
    made.write_to_path(str(tmp_path / "node.pem"))
    files = {"cert": "node", "key": "node", "ca-cert": "ca"}
    args = [
        word
        for option, file in files.items()
        for word in (f"--tls-{option}-file", f"{tmp_path}/{file}.pem")
    ]
    with RealCluster(1, 1, kind=kind, tls=(*args, "--tls-auth-clients", "no")) as pair:
        assert set(first(source_of(pair.nodes[0])).targets) == idents(pair.nodes)
        seed = f"rediss://127.0.0.1:{pair.tls_ports[0]}"
        source = source_of(seed, credentials={"ca_file": str(tmp_path / "ca.pem")})
        urls = {target.url for target in first(source).targets.values()}
        assert urls == {f"rediss://127.0.0.1:{port}" for port in pair.tls_ports}
        for url, text in (
            (seed.replace("rediss:", "redis:"), "use rediss://"),
            (f"rediss://{pair.nodes[0].ident}", "use redis://"),
        ):
            with pytest.raises(SourceError, match=text):
                source_of(url, limits=QueryLimits(timeout=1)).read()
