"""What users see of the sources of a real daemon: commands, HTTP, metrics, events, a Prometheus."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.adapters.http.requests import Response, fetch
from tests.cli.running import invoke
from tests.daemons import RunningDaemon
from tests.metrics.prometheus import AVAILABLE, MISSING, RunningPrometheus
from tests.metrics.scraped import ADDRESS, discovering_job
from tests.metrics.texts import samples
from tests.servers import RealServer
from tests.waiting import wait_until

ADMIN, CACHE = "admin-0123456789abcdef", "cache-0123456789abcdef"
CONFIG = """
[poll]
min_interval = 0.2
max_interval = 0.5
[[sources]]
name = "cmdb"
type = "file"
files = ["cmdb.json"]
[[sources]]
name = "late"
type = "file"
files = ["late.json"]
[http]
token_file = "tokens"
[clients.admin]
[clients.cache]
shards = ["cache-"]
"""
IDS = ("cache-1", "cache-2", "db-1", "db-2")


class Site(NamedTuple):
    """A daemon with two sources, all of whose shards are one server."""

    daemon: RunningDaemon
    server: RealServer

    def write(self, file: str, text: str) -> None:
        """Replace a file at once."""
        new = self.daemon.directory / f"{file}.new"
        new.write_text(text)
        new.replace(self.daemon.directory / file)

    def list_shards(self, file: str, *ids: str) -> None:
        """Let a file list shards."""
        groups = [
            {"targets": [self.server.ident], "labels": {"__id__": ident, "site": "fra"}}
            for ident in ids
        ]
        self.write(file, json.dumps(groups))

    def get(self, path: str, token: str = ADMIN, method: str = "GET") -> Response:
        """Return a response to a client."""
        headers = {"Authorization": f"Bearer {token}"}
        return fetch(self.daemon.http, path, headers, method=method)

    def source(self, name: str) -> Mapping[str, Any]:
        """Return the state of a source."""
        found = {one["name"]: one for one in self.get("api/v1/sources").json["data"]}
        state: Mapping[str, Any] = found[name]
        return state

    def wait_for(self, name: str, **expected: object) -> None:
        """Wait until a source has these values."""

        def matches() -> bool:
            state = self.source(name)
            return all(state[key] == value for key, value in expected.items())

        wait_until(matches, 60, f"source {name}: {expected}")

    def daemon_events(self, token: str = ADMIN) -> list[tuple[str, str]]:
        """Return types and reasons of the daemon's own events."""
        events = self.get("api/v1/events", token).json["data"]
        return [(one["type"], one["reason"]) for one in events if not one["shard"]]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with RealServer() as server:
        daemon = RunningDaemon(config_text=CONFIG, http=True)
        tokens = daemon.directory / "tokens"
        tokens.write_text(f"admin {ADMIN}\ncache {CACHE}\n")
        tokens.chmod(0o600)
        running = Site(daemon, server)
        running.list_shards("cmdb.json", *IDS)
        running.write("late.json", "[")
        with daemon:
            yield running


def test_what_users_see_of_a_source(site: Site) -> None:
    # A source that cannot be read at the start: what lists shards waits, what polls them does not.
    site.wait_for("cmdb", shards=4)
    site.wait_for("late", state="failed")
    assert site.get("sd").status == 503
    assert site.get("readyz").json["sources"] == ["late"]
    assert ("source_failed", "late") in site.daemon_events()
    assert "late: failed" in invoke("sources", daemon=site.daemon).stdout

    site.write("late.json", "[]")
    site.wait_for("late", state="ok")
    assert ("source_recovered", "late") in site.daemon_events()
    targets = [group["targets"][0] for group in site.get("sd").json]
    assert targets == list(IDS)
    labels = site.get("sd?labels[site]=fra").json[0]["labels"]
    assert (labels["__meta_zinfo_label_source"], labels["__meta_zinfo_label_site"]) == (
        *("cmdb", "fra"),
    )
    wait_until(lambda: site.get("readyz").status == 200, what="to be ready")

    # A source that forgets most shards, which still reply.
    site.list_shards("cmdb.json", "cache-1")
    site.wait_for("cmdb", held=3)
    assert ("source_held", "cmdb") in site.daemon_events()
    assert len(site.get("sd").json) == 4
    metrics = {
        (name, dict(label).get("source")): value
        for (name, label), value in samples(site.get("metrics").text).items()
    }
    assert metrics["zinfo_source_held", "cmdb"] == 3
    assert metrics["zinfo_source_shards", "cmdb"] == 4
    shown = invoke("sources", daemon=site.daemon).stdout
    assert "zinfo sources accept cmdb" in shown

    # A client with some of the shards sees nothing of the others.
    (seen,) = site.get("api/v1/sources", CACHE).json["data"]
    assert (seen["name"], seen["shards"], seen["held"]) == ("cmdb", 2, None)
    assert [group["targets"][0] for group in site.get("sd", CACHE).json] == ["cache-1", "cache-2"]
    assert site.daemon_events(CACHE) == []
    accept = "api/v1/sources/accept?name=cmdb"
    assert site.get(accept, CACHE, "POST").status == 403
    assert site.get(accept).status == 405
    assert site.source("cmdb")["held"] == 3

    # The last answer is accepted.
    done = invoke("sources", "accept", "cmdb", daemon=site.daemon)
    assert (done.exit_code, done.stdout) == (0, "cmdb: 3 shards removed\n")
    site.wait_for("cmdb", shards=1, missing=0, held=0, removed=3)
    assert [group["targets"][0] for group in site.get("sd").json] == ["cache-1"]
    assert site.get(accept, method="POST").json == {"data": 0}
    done = invoke("sources", "accept", "cmbd", daemon=site.daemon)
    assert done.stderr == "Error: no source has the name 'cmbd'; did you mean 'cmdb'?\n"


@pytest.mark.skipif(not AVAILABLE, reason=MISSING)
def test_prometheus_keeps_its_targets_until_the_sources_are_read(site: Site) -> None:
    site.list_shards("cmdb.json", *IDS)
    site.wait_for("cmdb", shards=4, missing=0)
    job = discovering_job().replace(ADDRESS, urlsplit(site.daemon.http).netloc)
    token = f"authorization: {{ type: Bearer, credentials: {ADMIN} }}"
    job = job.replace("refresh_interval: 30s", f"refresh_interval: 1s, {token}")
    limits = "{ scrape_interval: 1s, scrape_timeout: 1s }"
    text = f"global: {limits}\nscrape_configs:\n{job}    {token}\n"
    with RunningPrometheus({"prometheus.yml": text}) as prometheus:

        def targets() -> dict[str, str]:
            active = prometheus.get("targets")["activeTargets"]
            return {one["labels"]["instance"]: one["lastError"] or one["health"] for one in active}

        up = dict.fromkeys(IDS, "up")
        wait_until(lambda: targets() == up, 60, "all targets to be up")
        site.write("late.json", "[")
        site.daemon.restart()

        def refused() -> bool:
            answers = site.get("api/v1/stats").json["data"]["http"]["answers"]
            return bool(answers.get("/sd", {}).get("503", 0) >= 2)

        wait_until(refused, 60, "Prometheus to be refused")
        wait_until(lambda: targets() == up, 60, "all targets to be up again")
