"""The shards that the nodes of a cluster become: ids, labels, addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zinfo.discovery.answer_builder import AnswerBuilder
from zinfo.discovery.host_patterns import HostPatterns
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.sources.cluster_answer import ClusterNaming, add_nodes
from zinfo.discovery.sources.cluster_nodes import ClusterNode
from zinfo.discovery.target import Answer

P = ClusterNode("p", "10.0.0.1", 6379, "", "", False, True, 3)
R = ClusterNode("r", "10.0.0.2", 6379, "", "p", False, False, 3)


def answer(*nodes: ClusterNode, address: str = "ip", scheme: str = "redis", **rules: Any) -> Answer:
    builder = AnswerBuilder(TargetRules("orders", **rules))
    naming = ClusterNaming(TargetRules("orders", **rules), scheme, address)
    add_nodes(builder, naming, nodes)
    return builder.answer()


def labels(found: Answer, ident: str) -> dict[str, str]:
    return dict(found.targets[ident].labels)


def test_nodes_are_shards_with_their_cluster_and_the_id_of_their_primary() -> None:
    found = answer(P, R)
    assert {ident: target.url for ident, target in found.targets.items()} == {
        "10.0.0.1:6379": "redis://10.0.0.1:6379",
        "10.0.0.2:6379": "redis://10.0.0.2:6379",
    }
    expected = {"cluster": "orders", "group": "10.0.0.1:6379", "source": "orders"}
    assert labels(found, "10.0.0.1:6379") == labels(found, "10.0.0.2:6379") == expected
    assert found.skipped == {}
    assert found.notes == ()


def test_the_scheme_is_that_of_the_seeds() -> None:
    assert answer(P, scheme="rediss").targets["10.0.0.1:6379"].url == "rediss://10.0.0.1:6379"


def test_configured_labels_override_those_of_the_source() -> None:
    assert labels(answer(P, labels={"cluster": "blue"}), "10.0.0.1:6379")["cluster"] == "blue"


def test_ids_of_a_template_may_have_the_node_id_and_are_the_groups() -> None:
    found = answer(P, R, id_template="{cluster}/{__node_id__}")
    assert set(found.targets) == {"orders/p", "orders/r"}
    assert labels(found, "orders/r")["group"] == "orders/p"
    assert "__node_id__" not in labels(found, "orders/r")


def test_a_group_has_the_primarys_address_if_its_id_depends_on_the_group() -> None:
    found = answer(P, R, id_template="{group}/{host}")
    assert set(found.targets) == {"10.0.0.1:6379/10.0.0.1", "10.0.0.1:6379/10.0.0.2"}


def test_a_group_is_known_if_its_primary_is_not_watched() -> None:
    only = {"k": HostPatterns(["10.0.0.2"])}
    found = answer(P, R, credentials="k", credential_hosts=only)
    assert list(found.targets) == ["10.0.0.2:6379"]
    assert found.skipped == {"no credentials for 10.0.0.1": 1}
    assert labels(found, "10.0.0.2:6379")["group"] == "10.0.0.1:6379"


def test_a_replica_of_a_replica_is_in_the_group_of_its_primary() -> None:
    third = R._replace(ident="s", host="10.0.0.3", primary="r")
    assert labels(answer(P, R, third), "10.0.0.3:6379")["group"] == "10.0.0.1:6379"


def test_a_group_stays_while_the_address_of_its_primary_is_unknown() -> None:
    naming = ClusterNaming(TargetRules("orders"), "redis", "ip")
    groups: Mapping[str, str] = {}
    for nodes in ((P, R), (R,), (R,)):
        builder = AnswerBuilder(TargetRules("orders"))
        groups = add_nodes(builder, naming, nodes, groups)
        assert labels(builder.answer(), "10.0.0.2:6379")["group"] == "10.0.0.1:6379"


def test_replicas_without_a_known_primary_have_no_group() -> None:
    loop = R._replace(ident="p", host="10.0.0.3", primary="r")
    assert "group" not in labels(answer(R), "10.0.0.2:6379")
    assert "group" not in labels(answer(R, loop), "10.0.0.2:6379")


def test_a_host_name_is_a_label_or_the_address() -> None:
    named = R._replace(hostname="r.example")
    found = answer(P, named)
    assert labels(found, "10.0.0.2:6379")["hostname"] == "r.example"
    found = answer(P, named, address="hostname")
    assert set(found.targets) == {"10.0.0.1:6379", "r.example:6379"}
    assert labels(found, "r.example:6379")["hostname"] == "r.example"
    assert found.notes == ("1 node announces no host name: its IP address is used",)


def test_an_address_that_another_node_uses_now_is_its_address() -> None:
    gone = ClusterNode("a", "10.0.0.1", 6379, "", "", True, False, 9)
    for nodes in ((gone, P, R), (P, gone, R)):
        found = answer(*nodes, id_template="{__node_id__}")
        assert set(found.targets) == {"p", "r"}
        assert found.skipped == {"its address belongs to another node now": 1}
    older = P._replace(ident="o", epoch=1)
    assert set(answer(older, P, id_template="{__node_id__}").targets) == {"p"}


def test_nodes_may_have_ipv6_addresses_and_names() -> None:
    found = answer(P._replace(host="2001:db8::8"), R._replace(host="r.example"))
    assert set(found.targets) == {"[2001:db8::8]:6379", "r.example:6379"}
