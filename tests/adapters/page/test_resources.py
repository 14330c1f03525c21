"""The files of the page and its definitions, as a daemon serves them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

import pytest

from tests.adapters.http.requests import fetch
from tests.daemons import RunningDaemon
from zinfo.adapters.page.resources import page_files
from zinfo.views.quantities import QUANTITIES


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    with RunningDaemon(["redis://127.0.0.1:1"], http=True) as running:
        yield running


def test_the_page_is_at_the_root_and_its_files_are_beside_it(daemon: RunningDaemon) -> None:
    page = fetch(daemon.http, "?filter=down#shard=a")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    found = re.findall(r'(?:src|href)="/(page/[^"]+)"', page.text)
    assert any(name.endswith(".js") for name in found)
    for name in found:
        assert fetch(daemon.http, name).status == 200, name


def test_a_file_that_the_browser_has_is_not_sent_again(daemon: RunningDaemon) -> None:
    first = fetch(daemon.http, "page/main.js")
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    assert first.headers["cache-control"] == "no-cache"
    again = fetch(daemon.http, "page/main.js", {"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    policy = "content-security-policy"
    assert again.headers[policy] == first.headers[policy], "it replaces that of the stored file"
    other = fetch(daemon.http, "page/main.js", {"If-None-Match": '"other"'})
    assert (other.status, other.body) == (200, first.body)


def test_every_file_of_the_page_is_served() -> None:
    names = {one.name for one in (files("zinfo.adapters.page") / "static").iterdir()}
    served = {path.rpartition("/")[2] or "index.html" for path in page_files()}
    assert served == {name for name in names if "." in name}


def test_the_definitions_have_every_quantity(daemon: RunningDaemon) -> None:
    found = fetch(daemon.http, "view.json").json
    assert [one["name"] for one in found["quantities"]] == list(QUANTITIES)
    assert found["quantities"][0]["expression"] == ["fact", "shard"]
    assert "get_infos" in found["operations"]
    assert found["node"]


def test_without_the_page_the_root_has_links() -> None:
    text = "[http]\npage = false\n"
    with RunningDaemon(config_text=text, http=True) as running:
        assert 'href="/metrics"' in fetch(running.http, "").text
        for path in ("page/main.js", "view.json", "api/v1/table", "paths"):
            assert fetch(running.http, path).status == 404
