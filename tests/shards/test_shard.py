"""RedisShard: identity, newest INFO, adaptive interval."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest

from zinfo import RedisShard
from zinfo.shards.connection_options import ConnectionOptions, SecretUnavailableError, default_ident
from zinfo.shards.shard import ShardState
from zinfo.shards.snapshot import Snapshot

URL = "redis://127.0.0.1:1"


def with_ops(shard: RedisShard, ops: object) -> float:
    shard.info = {"instantaneous_ops_per_sec": ops}  # type: ignore[dict-item]  # also types that no server sends
    return shard.polling_interval()


def test_the_id_is_the_ident_as_text() -> None:
    assert RedisShard(6379, URL).id == "6379"
    assert "6379 new" in repr(RedisShard(6379, URL))


def test_before_the_first_reply_there_is_no_info() -> None:
    shard = RedisShard("a", URL)
    assert shard.info is None
    assert shard.info_timestamp is None
    assert shard.info_age is None
    assert shard.revision == 0


def test_setting_info_sets_its_timestamp_and_counts_the_revision() -> None:
    shard = RedisShard("a", URL)
    shard.info = {"role": "master"}
    shard.info = {"role": "slave"}
    assert shard.info == {"role": "slave"}
    assert shard.revision == 2
    assert shard.info_timestamp is not None
    assert shard.info_age is not None
    assert 0 <= shard.info_age < 5


def test_since_is_when_the_state_changed_and_stays_while_it_lasts() -> None:
    before = time.time()
    shard = RedisShard("a", URL)
    assert shard.since is not None
    assert before <= shard.since <= time.time()
    for state in (ShardState.NEW, ShardState.UP, ShardState.UP):
        shard.since = 5.0
        changes = shard.state is not state
        shard.state = state
        assert (shard.since != 5.0) == changes


def test_the_interval_of_an_idle_shard_grows_by_steps_up_to_the_maximum() -> None:
    shard = RedisShard("a", URL)
    assert [with_ops(shard, 5) for _ in range(7)] == [1.0, 1.5, 2.0, 2.5, 3, 3, 3]


def test_the_interval_of_an_active_shard_drops_to_the_minimum() -> None:
    shard = RedisShard("a", URL)
    for _ in range(7):
        with_ops(shard, 0)
    assert with_ops(shard, 10) == 0.5


def test_between_the_thresholds_the_interval_is_unchanged() -> None:
    shard = RedisShard("a", URL)
    with_ops(shard, 0)
    assert with_ops(shard, 7) == 1.0


@pytest.mark.parametrize("ops", ["", "many", "nan", None, [], [{}], {}])
def test_an_info_without_ops_leaves_the_interval_unchanged(ops: object) -> None:
    shard = RedisShard("a", URL)
    with_ops(shard, 0)
    assert with_ops(shard, ops) == 1.0
    shard.info = {}
    assert shard.polling_interval() == 1.0


def test_repeated_ops_count_as_one_of_them() -> None:
    shard = RedisShard("a", URL)
    with_ops(shard, 0)
    assert with_ops(shard, [100, 100]) == 0.5


def test_tunables_can_be_set_for_a_subclass_and_for_one_shard() -> None:
    class Eager(RedisShard):
        MIN_POLLING_INTERVAL = 0.1
        OPS_ACTIVE_THRESH = 1

    shard = Eager("a", URL)
    assert with_ops(shard, 1) == 0.1
    shard.MAX_POLLING_INTERVAL = 0.3
    assert [with_ops(shard, 0) for _ in range(2)] == [0.3, 0.3]
    shard.MIN_POLLING_INTERVAL = 0.2
    assert with_ops(shard, 1) == 0.2


def test_options_are_allowed_with_a_url_only() -> None:
    assert RedisShard("a", URL, timeout=1).redis_conn.timeout == 1
    with pytest.raises(TypeError, match="only a URL takes options"):
        RedisShard("a", object(), timeout=1)
    with pytest.raises(TypeError):
        RedisShard("a", URL, tiemout=1)


@pytest.mark.parametrize("url", ["http://a", "127.0.0.1:6379", "unix://", "redis://a:99999", ""])
def test_a_url_that_is_not_valid_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|port"):
        RedisShard("a", url)


@pytest.mark.parametrize(
    ("url", "ident"),
    [
        ("redis://example.com", "example.com:6379"),
        ("rediss://user:pw@10.0.0.1:7000/3", "10.0.0.1:7000"),
        ("redis://[::1]:7000", "[::1]:7000"),
        ("unix:///run/redis%20a.sock", "/run/redis a.sock"),
    ],
)
def test_the_default_id_comes_from_the_url(url: str, ident: str) -> None:
    assert default_ident(url) == ident


def test_the_repr_has_no_password() -> None:
    options = ConnectionOptions(url="redis://u:hidden@a:1", password="secret")
    assert "hidden" not in repr(options)
    assert "secret" not in repr(options)


def test_a_password_is_read_from_its_file_or_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pw"
    file.write_text("from file\nmore\n")
    monkeypatch.setenv("SHARD_PASSWORD", "from env")

    file.chmod(0o600)

    def resolved(**options: Any) -> str | None:
        return ConnectionOptions(url=URL, **options).resolve_password()

    assert resolved(password_file=str(file)) == "from file"
    assert resolved(password_env="SHARD_PASSWORD") == "from env"
    assert resolved(password="plain") == "plain"
    assert resolved() is None


def test_the_error_for_an_unreadable_password_names_its_source() -> None:
    with pytest.raises(SecretUnavailableError, match="/nowhere"):
        ConnectionOptions(url=URL, password_file="/nowhere").resolve_password()
    with pytest.raises(SecretUnavailableError, match="NO_SUCH_VARIABLE"):
        ConnectionOptions(url=URL, password_env="NO_SUCH_VARIABLE").resolve_password()


def test_fields_parsed_by_a_client_library_become_values_that_msgpack_can_represent() -> None:
    fields: dict[Any, Any] = {
        "big": 2**70,
        "odd": object,
        "deep": {"a": (1, 2.5)},
        "none": None,
        5: True,
    }
    snapshot = Snapshot.from_fields(fields, 1, 0.0, 0.0)
    assert snapshot.info.fields["big"] == str(2**70)
    assert snapshot.info.fields["deep"] == {"a": [1, 2.5]}
    assert snapshot.info.fields["none"] == "None"
    assert snapshot.text(b"5") == "True"
    assert snapshot.text(b"nowhere") is None
    count, _ = snapshot.encoded()
    assert count == 5


def test_polling_interval_is_finite() -> None:
    assert math.isfinite(RedisShard("a", URL).polling_interval())


def test_lines_that_are_not_fields_are_counted_without_a_parse() -> None:
    snapshot = Snapshot(b"a:1\r\nnonsense\r\n", 1, 0.0, 0.0)
    assert snapshot.bad_lines == 1
    assert snapshot._parsed is None
