"""How a candidate of a source becomes a target, and why it may be skipped."""

from __future__ import annotations

import pytest

from zinfo.discovery.host_patterns import HostPatterns
from zinfo.discovery.rules import MAX_LABELS_SIZE, SkippedError, TargetRules
from zinfo.discovery.target import Candidate, Target

HOSTS = {"orders": HostPatterns(["*.orders.net", "10.20.*"])}


def test_a_candidate_becomes_a_target_named_by_its_address() -> None:
    made = TargetRules("files").apply(Candidate("DB-1.Example", 6380, labels={"site": "fra"}))
    labels = {"site": "fra", "source": "files"}
    assert made == ("db-1.example:6380", Target("redis://db-1.example:6380", labels))


@pytest.mark.parametrize(
    ("candidate", "ident", "url"),
    [
        (Candidate("::1", 1), "[::1]:1", "redis://[::1]:1"),
        (Candidate("a", 1, scheme="rediss"), "a:1", "rediss://a:1"),
        (Candidate("", 0, path="/run/a b.sock"), "/run/a b.sock", "unix:///run/a%20b.sock"),
        (Candidate("a", 1, ident="orders/1"), "orders/1", "redis://a:1"),
    ],
)
def test_each_kind_of_address_has_an_id_and_a_url(
    candidate: Candidate, ident: str, url: str
) -> None:
    made = TargetRules("s").apply(candidate)
    assert made is not None
    assert (made[0], made[1].url) == (ident, url)


def test_a_template_makes_the_id_of_labels_host_and_port() -> None:
    rules = TargetRules("s", id_template="{cluster}/{host}:{port}")
    labels = {"cluster": "c{host}"}
    made = rules.apply(Candidate("::1", 7, labels=labels))
    assert made is not None
    assert made[0] == "c{host}/[::1]:7"


@pytest.mark.parametrize(
    "template", ["{a.b}", "{a[0]}", "{}", "{0}", "{a!r}", "{a:>99999999}", "{"]
)
def test_a_template_with_anything_but_names_is_an_error(template: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - some texts are Python's
        TargetRules("s", id_template=template)


def test_labels_of_the_table_override_those_of_the_source() -> None:
    rules = TargetRules("s", labels={"region": "fra"})
    made = rules.apply(Candidate("a", 1, labels={"region": "x", "source": "y", "__meta": "z"}))
    assert made is not None
    assert made[1].labels == {"region": "fra", "source": "s"}


@pytest.mark.parametrize(
    ("keep", "drop", "found"),
    [
        ({"env": "prod*"}, {}, True),
        ({"env": "test"}, {}, False),
        ({"absent": "*"}, {}, True),
        ({"absent": "?*"}, {}, False),
        ({"__tier": "1"}, {}, True),
        ({}, {"env": "prod*"}, False),
        ({}, {"absent": "*"}, True),
        ({"env": "*"}, {"__tier": "2"}, True),
    ],
)
def test_keep_and_drop_match_labels(
    keep: dict[str, str], drop: dict[str, str], found: bool
) -> None:
    rules = TargetRules("s", keep=keep, drop=drop)
    made = rules.apply(Candidate("a", 1, labels={"env": "production", "__tier": "1"}))
    assert (made is not None) is found


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        (Candidate("", 6379), "no host"),
        (Candidate("*", 6379), "no host"),
        (Candidate("a", 0), "bad port"),
        (Candidate("a", 65536), "bad port"),
        (Candidate("user:secret@a", 1), "bad address"),
        (Candidate("secret@a", 1), "bad address"),
        (Candidate("a/../b", 1), "bad address"),
        (Candidate("a b", 1), "bad address"),
        (Candidate("a", 1, scheme="http"), "bad address"),
        (Candidate("", 0, path="relative"), "bad address"),
        (Candidate("", 0, path="/" + "x" * 200), "bad address"),
        (Candidate("a", 1, ident="a\x1b[31m"), "bad id"),
        (Candidate("a", 1, ident="\ud800"), "bad id"),
        (Candidate("a", 1, ident="x" * 2000), "bad id"),
        (Candidate("a", 1, labels={"l": "\ud800"}), "labels that are not UTF-8"),
        (Candidate("a", 1, labels={"": "x"}), "a label without a name"),
        (Candidate("a", 1, labels={"l": "x" * MAX_LABELS_SIZE}), "labels of more than 4096"),
        (Candidate("a.orders.net.evil.net", 1, credentials="orders"), "no credentials for a.ord"),
        (Candidate("a", 1, credentials="other"), "unknown credentials"),
    ],
)
def test_a_bad_candidate_is_skipped_with_a_reason(candidate: Candidate, reason: str) -> None:
    with pytest.raises(SkippedError, match=reason) as caught:
        TargetRules("s", credential_hosts=HOSTS).apply(candidate)
    assert "secret" not in str(caught.value)


def test_a_missing_label_of_the_template_is_a_reason() -> None:
    with pytest.raises(SkippedError, match="no label rack"):
        TargetRules("s", id_template="{rack}").apply(Candidate("a", 1))


def test_credentials_are_those_of_the_candidate_or_else_of_the_table() -> None:
    rules = TargetRules(
        "s", credentials="orders", credential_hosts={**HOSTS, "other": HOSTS["orders"]}
    )
    own, table = Candidate("a.orders.net", 1, credentials="other"), Candidate("10.20.1.1", 1)
    made = [rules.apply(one) for one in (own, table)]
    assert [one[1].credentials for one in made if one] == ["other", "orders"]
