"""The credentials and TLS options of the configuration reach the connections."""

from __future__ import annotations

from typing import Any

from zinfo import ShardPublisher
from zinfo.config import Config, LocalConfig, ShardConfig
from zinfo.config.credentials import CREDENTIAL_KEYS
from zinfo.daemon.shard_watchers import ShardWatchers

VALUES: dict[str, Any] = {
    "username": "reader",
    "password_file": "/run/password",
    "ca_file": "/run/ca.pem",
    "cert_file": "/run/cert.pem",
    "key_file": "/run/key.pem",
    "check_hostname": False,
    "tls_server_name": "db.example",
    "tls_verify": False,
}
"""A value for each key, other than its default."""


def test_each_option_reaches_configured_and_local_shards() -> None:
    assert {*VALUES, "password_env"} == set(CREDENTIAL_KEYS)
    for values in (VALUES, {"password_env": "PASSWORD"}):
        config = Config(
            shards=(ShardConfig(url="rediss://a", **values),),
            local=LocalConfig(enabled=True, **values),
        )
        watchers = ShardWatchers(config, ShardPublisher())
        assert watchers._local is not None
        (spec,) = watchers._discovery._shards.values()
        local = watchers._local.make_shard("s", "rediss://b", {}, **watchers._local._options)
        for key, value in values.items():
            assert getattr(spec.options, key) == value
            assert getattr(local.redis_conn, key) == value


def test_until_the_start_is_complete_its_lists_of_shards_are_waited_for() -> None:
    config = Config(shards=(ShardConfig(url="redis://127.0.0.1:1"),), local=LocalConfig())
    watchers = ShardWatchers(config, ShardPublisher())
    assert watchers.waiting_sources() == ["static"]
    scanning = Config(local=LocalConfig(enabled=True))
    assert ShardWatchers(scanning, ShardPublisher()).waiting_sources() == ["static", "local"]
    watchers.start()
    try:
        assert watchers.waiting_sources() == []
        (status,) = watchers.source_statuses()
        assert (status.name, status.state, status.shards) == ("static", "ok", 1)
    finally:
        watchers.stop()
