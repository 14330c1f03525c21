"""The sources, credentials and guards that the daemon makes of its configuration."""

from __future__ import annotations

from typing import Any

import pytest

from zinfo.config import Config, load_config
from zinfo.config.credentials import NamedCredentialsConfig
from zinfo.config.source_models import FileSourceConfig, GuardConfig
from zinfo.daemon.sources import make_credentials, make_guard, make_rules, make_sources
from zinfo.discovery.credentials import CredentialsError
from zinfo.discovery.guard import Guard
from zinfo.discovery.rules import SkippedError
from zinfo.discovery.target import Candidate


def file_source(**keys: Any) -> FileSourceConfig:
    return FileSourceConfig(type="file", files=("a.json",), **keys)


ORDERS = NamedCredentialsConfig(
    username="zinfo", password_file="/run/orders", tls_verify=False, hosts=("*.example.net",)
)


def test_the_guard_of_a_source_is_that_of_all_with_its_own_keys() -> None:
    config = Config(
        guard=GuardConfig(misses=3, hold=5),
        sources=(file_source(hold=0), file_source(name="other")),
    )
    first, second = config.sources
    assert make_guard(first, config) == Guard(3, 0, 0.5, 900.0)
    assert make_guard(second, config) == Guard(3, 5, 0.5, 900.0)
    assert make_guard(file_source(), Config()) == Guard()


def test_named_credentials_are_sent_to_their_hosts_only() -> None:
    made = make_credentials(Config(credentials={"orders": ORDERS}))
    options = made.options_for("rediss://a.example.net:6379", "orders")
    assert (options.username, options.password_file) == ("zinfo", "/run/orders")
    assert not options.tls_verify
    with pytest.raises(CredentialsError):
        made.options_for("rediss://a.evil.net:6379", "orders")


def test_the_rules_of_a_source_are_those_of_its_table() -> None:
    table = file_source(
        name="cmdb",
        labels={"site": "fra"},
        id="{site}/{host}",
        keep={"env": "prod*"},
        drop={"team": "test"},
        credentials="orders",
    )
    config = Config(credentials={"orders": ORDERS}, sources=(table,))
    rules = make_rules(table, config, make_credentials(config))
    made = rules.apply(Candidate("a.example.net", 6379, labels={"env": "prod-1"}))
    assert made is not None
    ident, target = made
    assert (ident, target.credentials) == ("fra/a.example.net", "orders")
    assert target.labels == {"source": "cmdb", "site": "fra", "env": "prod-1"}
    assert rules.apply(Candidate("a.example.net", 1, labels={"env": "test"})) is None
    assert (
        rules.apply(Candidate("a.example.net", 1, labels={"env": "prod", "team": "test"})) is None
    )


def test_a_password_on_the_command_line_is_for_its_own_source_only() -> None:
    flags: dict[str, tuple[str, object]] = {
        "--cluster": ("sources.cluster", ["redis://zinfo:hunter2@a"]),
        "--file": ("sources.file", ["a.json"]),
    }
    config = load_config(flags=flags)
    made = make_credentials(config)
    of_cluster, of_file = (make_rules(table, config, made) for table in config.sources)
    target = of_cluster.apply(Candidate("any.host", 6379))
    assert target is not None
    options = made.options_for("redis://any.host:6379", target[1].credentials)
    assert (options.username, options.resolve_password()) == ("zinfo", "hunter2")
    stolen = Candidate("evil.host", 6379, credentials=target[1].credentials)
    with pytest.raises(SkippedError, match="unknown credentials"):
        of_file.apply(stolen)


def test_every_type_of_source_is_made_with_its_name_and_interval() -> None:
    flags: dict[str, tuple[str, object]] = {
        "--file": ("sources.file", ["a.json"]),
        "--http-sd": ("sources.http", ["https://h/sd"]),
        "--cluster": ("sources.cluster", ["redis://:hunter2@a"]),
        "--sentinel": ("sources.sentinel", ["redis://s"]),
        "--dns": ("sources.dns", ["_redis._tcp.example.net", "cache.example.net:6380"]),
    }
    config = load_config(flags=flags)
    entries = make_sources(config)
    assert [(one.source.name, one.source.kind, one.source.interval) for one in entries] == [
        ("file", "file", 2.0),
        ("http", "http", 60.0),
        ("cluster", "cluster", 5.0),
        ("sentinel", "sentinel", 5.0),
        ("dns", "dns", 10.0),
        ("dns-2", "dns", 10.0),
    ]
    again = make_sources(load_config(flags=flags))
    assert [one.settings for one in again] == [one.settings for one in entries]
    assert not any(one.source is other.source for one, other in zip(again, entries, strict=True))


def test_changed_credentials_make_other_sources() -> None:
    table = file_source()
    (before,) = make_sources(Config(sources=(table,)))
    (after,) = make_sources(Config(sources=(table,), credentials={"orders": ORDERS}))
    assert before.settings != after.settings
