"""`/sd` and `/readyz`: the targets for Prometheus, and what is waited for at the start."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any

import falcon
import falcon.testing
import gevent
import pytest

from tests.source_states import FakeSources, publisher_of, shard
from zinfo.adapters.http.auth import AuthMiddleware
from zinfo.adapters.http.bodies import LongBodies
from zinfo.adapters.http.health import Readiness
from zinfo.adapters.http.responses import handle_request_error, serialize_http_error
from zinfo.adapters.http.sd import ServiceDiscovery
from zinfo.errors import RequestError
from zinfo.security.rights import ALL_RIGHTS, Rights
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.shards.source_status import OK, WAITING, SourceStatus

FILES = SourceStatus("files", "file", OK)
CMDB = SourceStatus("cmdb", "http", WAITING)


class Site:
    """The two paths, for a client with some rights."""

    def __init__(
        self, publisher: ShardPublisher, sources: FakeSources, rights: Rights = ALL_RIGHTS
    ) -> None:
        auth = AuthMiddleware(None)
        auth._find = lambda *_: rights  # type: ignore[method-assign]  # rights without a token
        app = falcon.App(middleware=[auth])
        app.set_error_serializer(serialize_http_error)
        app.add_error_handler(RequestError, handle_request_error)
        app.add_route("/sd", ServiceDiscovery(publisher, sources, LongBodies()))
        app.add_route("/readyz", Readiness(publisher, sources))
        self._client = falcon.testing.TestClient(app)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Any:
        """Return the response to a GET."""
        return self._client.simulate_get(path, headers=dict(headers or {}))

    def targets(self, path: str = "/sd") -> dict[str, dict[str, str]]:
        """Return the labels of each target, by target."""
        response = self.get(path)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/json"
        found = {}
        for group in response.json:
            assert group.keys() == {"targets", "labels"}
            (target,) = group["targets"]
            found[target] = group["labels"]
        return found


def up(ident: str, labels: Mapping[str, str] | None = None) -> RedisShard:
    return shard(ident, labels, state=ShardState.UP, role="master", version="8.1.8")


def test_each_shard_is_a_target_with_labels() -> None:
    publisher = publisher_of(
        up("db-1:6379", {"site": "fra", "data-center": "ä\n", "kubernetes.io/app": "x"}),
        shard("/run/redis.sock"),
    )
    assert Site(publisher, FakeSources([FILES])).targets() == {
        "/run/redis.sock": {"__meta_zinfo_id": "/run/redis.sock", "__meta_zinfo_state": "new"},
        "db-1:6379": {
            "__meta_zinfo_id": "db-1:6379",
            "__meta_zinfo_state": "up",
            "__meta_zinfo_role": "master",
            "__meta_zinfo_version": "8.1.8",
            "__meta_zinfo_label_site": "fra",
            "__meta_zinfo_label_data_center": "ä\n",
            "__meta_zinfo_label_kubernetes_io_app": "x",
        },
    }


def test_of_labels_whose_names_become_equal_one_counts() -> None:
    labels = {"a.b": "2", "a-b": "1", "a_b": "3"}
    for order in (labels, dict(reversed(labels.items()))):
        ((found),) = Site(publisher_of(up("a", order)), FakeSources([FILES])).targets().values()
        assert found["__meta_zinfo_label_a_b"] == "1"


def test_labels_select_shards() -> None:
    publisher = publisher_of(up("a", {"site": "fra"}), up("b", {"site": "ams"}), up("c"))
    site = Site(publisher, FakeSources([FILES]))
    assert site.targets("/sd?labels[site]=fra").keys() == {"a"}
    assert site.targets("/sd?labels[site]=nowhere") == {}
    assert site.get("/sd?site=fra").status_code == 400


def test_a_client_gets_its_shards_without_what_is_hidden() -> None:
    publisher = publisher_of(up("cache-1"), up("db-1"))
    rights = Rights("x", ("cache-",), frozenset({"sd"}), hidden_fields=("role", "redis_version"))
    assert Site(publisher, FakeSources([FILES]), rights).targets() == {
        "cache-1": {"__meta_zinfo_id": "cache-1", "__meta_zinfo_state": "up"}
    }
    assert Site(publisher, FakeSources([FILES]), Rights("x", shards=())).targets() == {}


def test_the_path_needs_its_right() -> None:
    rights = Rights("x", operations=frozenset({"shards", "get_infos"}))
    site = Site(publisher_of(up("a")), FakeSources([FILES]), rights)
    assert site.get("/sd").status_code == 403


def test_before_each_source_is_read_there_is_no_list() -> None:
    sources = FakeSources([FILES, CMDB])
    publisher = publisher_of(up("a"))
    response = Site(publisher, sources).get("/sd")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert response.json["error"]["retryable"] is True
    assert response.json["error"]["message"].endswith("of 1 of the sources of shards: cmdb")
    limited = Site(publisher, sources, Rights("x", shards=("a",))).get("/sd")
    assert limited.status_code == 503
    assert "cmdb" not in limited.text
    sources.statuses[1] = CMDB._replace(state=OK)
    assert Site(publisher, sources).targets().keys() == {"a"}


def test_when_each_source_is_read_an_empty_list_is_right() -> None:
    response = Site(publisher_of(), FakeSources([FILES])).get("/sd")
    assert (response.status_code, response.json) == (200, [])


def test_a_long_list_is_complete_compressed_and_yields_to_the_event_loop() -> None:
    publisher = publisher_of(*(up(f"db-{n}:6379", {"site": "fra"}) for n in range(5000)))
    turns = 0

    def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            gevent.sleep()

    counting = gevent.spawn(count)
    try:
        site = Site(publisher, FakeSources([FILES]))
        assert len(site.targets()) == 5000
    finally:
        counting.kill()
    assert turns > 2
    response = site.get("/sd", {"Accept-Encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["vary"] == "Accept-Encoding"
    assert len(json.loads(gzip.decompress(response.content))) == 5000


def test_a_shard_that_is_removed_meanwhile_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    publisher = publisher_of(up("a"), up("b"))
    monkeypatch.setattr(publisher, "sorted_shard_ids", lambda: ("a", "b", "gone"))
    assert Site(publisher, FakeSources([FILES])).targets().keys() == {"a", "b"}


def test_readiness_waits_for_sources_and_shards_and_then_stays() -> None:
    sources, slow = FakeSources([FILES, CMDB]), shard("slow")
    site = Site(publisher_of(up("a"), slow), sources)

    def readiness() -> tuple[int, Any]:
        response = site.get("/readyz")
        return response.status_code, response.json

    assert readiness() == (503, {"status": "starting", "waiting": 1, "sources": ["cmdb"]})
    slow.state = ShardState.DOWN
    assert readiness() == (503, {"status": "starting", "waiting": 0, "sources": ["cmdb"]})
    sources.statuses[1] = CMDB._replace(state=OK)
    assert readiness() == (200, {"status": "ready", "waiting": 0, "sources": []})
    sources.statuses[0] = FILES._replace(state=WAITING)
    slow.state = ShardState.NEW
    assert readiness() == (200, {"status": "ready", "waiting": 0, "sources": []})
