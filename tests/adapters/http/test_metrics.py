"""`/metrics` and `/scrape` of a real daemon."""

from __future__ import annotations

import gzip
import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

from tests.adapters.http.requests import fetch
from tests.daemons import RunningDaemon
from tests.metrics.accept_headers import PROMETHEUS_3, VMAGENT
from tests.metrics.texts import open_metrics, samples
from tests.promises import Promise
from tests.servers import RealServer
from tests.waiting import wait_until

DEAD = "127.0.0.1:1"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def test_all_shards_are_exposed_with_an_instance_label(
    daemon: RunningDaemon, real: RealServer
) -> None:
    found = samples(fetch(daemon.http, "metrics").text)
    assert found["redis_up", frozenset({("instance", real.ident)})] == 1
    assert found["redis_up", frozenset({("instance", DEAD)})] == 0
    of_dead = {name for name, labels in found if ("instance", DEAD) in labels}
    assert of_dead == {"redis_up", "zinfo_shard_state", "zinfo_shard_failures"}
    down = frozenset({("instance", DEAD), ("state", "down"), ("reason", "refused")})
    assert found["zinfo_shard_state", down] == 1
    of_real = {name for name, labels in found if ("instance", real.ident) in labels}
    assert "redis_memory_used_bytes" in of_real
    assert len(of_real) > 100


def test_zinfo_exposes_its_own_metrics(daemon: RunningDaemon) -> None:
    found = samples(fetch(daemon.http, "metrics").text)
    plain = {name: value for (name, labels), value in found.items() if not labels}
    assert plain["zinfo_polls_total"] >= 1
    assert plain["zinfo_poll_seconds_count"] == plain["zinfo_polls_total"]
    assert 0 < plain["zinfo_poll_seconds_sum"] < 60 * plain["zinfo_polls_total"]
    assert plain["zinfo_process_resident_memory_bytes"] > 1 << 20
    for state, count in {"new": 0, "up": 1, "loading": 0, "busy": 0, "down": 1}.items():
        assert found["zinfo_shards", frozenset({("state", state)})] == count
    assert found["zinfo_poll_failures_total", frozenset({("reason", "refused")})] >= 1
    assert found["zinfo_queries_total", frozenset({("op", "ping"), ("result", "ok")})] >= 1


def test_errors_of_queries_are_counted_by_operation(daemon: RunningDaemon) -> None:
    unknown = frozenset({("op", "get_infos"), ("result", "unknown_shard")})
    nonsense = frozenset({("op", "unknown"), ("result", "unknown_op")})
    before = samples(fetch(daemon.http, "metrics").text)
    daemon.ask("get_infos", shard_ids=["nope"])
    daemon.ask("nonsense")
    after = samples(fetch(daemon.http, "metrics").text)
    for labels in (unknown, nonsense):
        key = "zinfo_queries_total", labels
        assert after[key] == before.get(key, 0) + 1


def test_subscribers_are_counted(daemon: RunningDaemon) -> None:
    from zinfo.client import Subscriber

    def subscribers() -> float:
        return samples(fetch(daemon.http, "metrics").text)["zinfo_bus_subscribers", frozenset()]

    before = subscribers()
    with Subscriber(daemon.query):
        wait_until(lambda: subscribers() == before + 1, what="the subscriber to be counted")
    wait_until(lambda: subscribers() == before, what="the subscriber to be gone")


def test_a_single_shard_is_scraped_as_from_redis_exporter(
    daemon: RunningDaemon, real: RealServer
) -> None:
    for target in (real.ident, f"redis://{real.ident}"):
        found = samples(fetch(daemon.http, f"scrape?target={target}").text)
        assert found["redis_up", frozenset()] == 1
        assert found["redis_memory_used_bytes", frozenset()] > 0
    found = samples(fetch(daemon.http, f"scrape?target={DEAD}").text)
    assert found["redis_up", frozenset()] == 0


def test_a_response_is_compressed_if_the_client_accepts_gzip(daemon: RunningDaemon) -> None:
    plain = fetch(daemon.http, "metrics")
    zipped = fetch(daemon.http, "metrics", {"Accept-Encoding": "deflate, gzip"})
    assert "content-encoding" not in plain.headers
    for refused in ("gzip;q=0", "deflate, gzip ; q=0.0, br"):
        answer = fetch(daemon.http, "metrics", {"Accept-Encoding": refused})
        assert "content-encoding" not in answer.headers
    assert plain.headers["transfer-encoding"] == "chunked"  # made while it is sent
    assert zipped.headers["content-encoding"] == "gzip"
    assert samples(gzip.decompress(zipped.body).decode()).keys() >= {
        key for key in samples(plain.text) if key[0].startswith("redis_memory")
    }
    assert len(zipped.body) < len(plain.body) / 4
    assert plain.headers["vary"] == zipped.headers["vary"] == "Accept, Accept-Encoding"
    assert int(zipped.headers["content-length"]) == len(zipped.body)


def test_a_scraper_gets_the_format_and_the_coding_that_it_asks_for(
    daemon: RunningDaemon, real: RealServer
) -> None:
    wanted = {"Accept": PROMETHEUS_3, "Accept-Encoding": "gzip"}
    for path in ("metrics", f"scrape?target={real.ident}"):
        answer = fetch(daemon.http, path, wanted)
        assert answer.headers["content-type"] == (
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        )
        assert answer.headers["vary"] == "Accept, Accept-Encoding"
        text = gzip.decompress(answer.body).decode()
        assert text.count("# EOF") == 1
        found = {one.name: one.type for one in open_metrics(text)}
        assert found["redis_commands_processed"] == "counter"
        assert found["redis_connected_clients"] == "gauge"
        assert ("zinfo_polls" in found) == (path == "metrics")
        head = fetch(daemon.http, path, wanted, method="HEAD")
        assert head.body == b""
        for name in ("content-type", "content-encoding", "vary"):
            assert head.headers[name] == answer.headers[name]
        plain = fetch(daemon.http, path, {"Accept": VMAGENT})
        assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "# EOF" not in plain.text
        assert "# TYPE redis_commands_processed_total counter" in plain.text
    packed = fetch(daemon.http, "metrics", {"Accept-Encoding": "gzip, deflate, br, zstd"})
    assert packed.headers["content-encoding"] == "zstd"
    assert packed.body.startswith(ZSTD_MAGIC)


def test_the_configuration_selects_metrics_labels_and_their_number(server: RealServer) -> None:
    config = f"""
    [[shards]]
    url = "{server.url}"
    labels = {{ site = "fra", secret = "x", "data center" = "7" }}
    [metrics]
    include = ["redis_*"]
    exclude = ["redis_commands_*", "redis_latency_*"]
    labels = ["site", "data center"]
    max_samples = 30
    """
    with RunningDaemon(config_text=config, http=True) as daemon:
        daemon.wait_polled(1)
        found = samples(fetch(daemon.http, "metrics").text)
        of_shard = {key for key in found if key[0].startswith("redis_")}
        assert len(of_shard) == 30
        common = {("instance", server.ident), ("site", "fra"), ("data_center", "7")}
        assert all(labels >= common for _name, labels in of_shard)
        assert not any(name.startswith("redis_commands_") for name, _labels in of_shard)
        assert not any("secret" in dict(labels) for _name, labels in found)
        cut = {
            dict(labels)["family"]: number
            for (name, labels), number in found.items()
            if name == "zinfo_metrics_cut_total"
        }
        assert sum(cut.values()) > 50
        assert cut["fields"] > cut["other_fields"] > 0


def test_scrapes_that_are_not_read_are_limited_and_released(
    server: RealServer, promise: Promise
) -> None:
    """Each holds its samples until the client has read the text."""
    count = 600  # whose text has more bytes than the kernel stores for a connection, 4 MB
    shards = "".join(f'[[shards]]\nid = "s{n}"\nurl = "{server.url}"\n' for n in range(count))
    with RunningDaemon(config_text=shards, http=True) as daemon, ExitStack() as stack:
        daemon.wait_polled(count)
        place = urlsplit(daemon.http)
        for _ in range(12):
            slow = stack.enter_context(socket.socket())
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect((place.hostname, place.port))
            slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: fetch(daemon.http, "metrics").status == 429, what="too many scrapes")
        answer = fetch(daemon.http, "metrics")
        others = [fetch(daemon.http, path).status for path in ("api/v1/shards", "healthz")]
        promise(
            "12 scrapes that are not read",
            "a 13th: 429",
            f"{answer.status}, other {others}",
        )
        assert answer.headers["retry-after"] == "1"
        assert others == [200, 200]
        stack.close()
        wait_until(lambda: fetch(daemon.http, "metrics").status == 200, what="a scrape")
        for _ in range(20):
            assert fetch(daemon.http, "metrics", method="HEAD").status == 200
