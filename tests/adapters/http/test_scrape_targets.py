"""`/scrape?target=` of a real daemon, with targets as users of redis_exporter write them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.adapters.http.requests import fetch
from tests.daemons import RunningDaemon
from tests.metrics.texts import samples
from tests.servers import RealServer

PASSWORD = "s3cret"


@pytest.fixture(scope="module")
def targets() -> Iterator[tuple[RunningDaemon, str]]:
    """A daemon, and the port of a server that it watches under another id than its address."""
    with RealServer() as server:
        port = server.url.rpartition(":")[2]
        config = f"""
        [[shards]]
        url = "redis://127.0.0.1:{port}"
        id = "cache"
        labels = {{ shard = "cache" }}
        [[shards]]
        url = "redis://user:{PASSWORD}@[::1]:1"
        id = "v6"
        labels = {{ shard = "v6" }}
        [[shards]]
        url = "unix:///nowhere/redis.sock"
        id = "socket"
        labels = {{ shard = "socket" }}
        [[shards]]
        url = "rediss://127.0.0.1:1"
        labels = {{ shard = "tls" }}
        [metrics]
        labels = ["shard"]
        """
        with RunningDaemon(config_text=config, http=True) as daemon:
            daemon.wait_settled()
            yield daemon, port


@pytest.mark.parametrize(
    ("target", "shard"),
    [
        ("cache", "cache"),
        ("redis://cache", "cache"),
        ("127.0.0.1:PORT", "cache"),
        ("redis://127.0.0.1:PORT/0", "cache"),
        (f"REDIS://user:{PASSWORD}@127.0.0.1:PORT/?db=1", "cache"),
        (quote("valkey://user@127.0.0.1:PORT/", safe=""), "cache"),
        ("v6", "v6"),
        ("redis://[0:0::1]:1", "v6"),
        (f":{PASSWORD}@::1:1", "v6"),
        ("unix:///nowhere/redis.sock", "socket"),
        ("/nowhere/redis.sock", "socket"),
        ("rediss://127.0.0.1:1/", "tls"),
        ("127.0.0.1:1", "tls"),
    ],
)
def test_a_shard_is_found_by_id_or_by_address(
    targets: tuple[RunningDaemon, str], target: str, shard: str
) -> None:
    daemon, port = targets
    answer = fetch(daemon.http, f"scrape?target={quote(target.replace('PORT', port))}")
    assert answer.status == 200, answer.text
    up = [labels for name, labels in samples(answer.text) if name == "redis_up"]
    assert up == [frozenset({("shard", shard)})]


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("", 400, "missing"),
        ("nothing", 404, "all 4 shards"),
        ("127.0.0.1:2", 404, "all 4 shards"),
        ("127.0.0.1:x", 400, "port"),
        ("http://127.0.0.1:3", 400, "scheme"),
        (f"redis://user:{PASSWORD}@127.0.0.1:2", 404, "all 4 shards"),
        (f"redis://{PASSWORD}", 404, "all 4 shards"),
        (f"redis://user:{PASSWORD}@127.0.0.1:x", 400, "port"),
        (f"redis://user:{PASSWORD}/@127.0.0.1", 400, "%2F"),
        (f"{PASSWORD}://user@127.0.0.1", 400, "scheme"),
    ],
)
def test_an_error_says_what_is_wrong_and_never_repeats_the_target(
    targets: tuple[RunningDaemon, str], target: str, status: int, text: str
) -> None:
    daemon, _ = targets
    answer = fetch(daemon.http, f"scrape?target={quote(target)}")
    assert answer.status == status
    assert answer.json["error"]["code"] == {400: "bad_request", 404: "unknown_shard"}[status]
    assert text in answer.json["error"]["message"]
    assert PASSWORD not in answer.text
    assert PASSWORD not in daemon.log()
