"""A real browser shows another site's page, which tries to read from zinfo and must not."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.adapters.http.requests import fetch
from tests.daemons import RunningDaemon
from tests.metrics.texts import samples
from tests.promises import Promise
from tests.servers import RealServer
from tests.top.web.conftest import needs_browser, running_web

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = needs_browser()

SITE = """<!doctype html><meta charset="utf-8"><title>wiki</title>
<a id="http" href="{http}">zinfo</a> <a id="web" href="{web}">top</a>
<a id="api" href="{http}api/v1/infos?refresh=true">api</a>
<iframe src="{web}"></iframe>
"""
ASK = """async (urls) => {
  const found = {};
  await Promise.all(urls.map(async (url) => {
    const image = new Image();
    const shown = new Promise((end) => { image.onload = image.onerror = end; });
    image.src = url;
    await shown;
    const script = document.createElement("script");
    const run = new Promise((end) => { script.onload = script.onerror = end; });
    script.src = url;
    document.body.append(script);
    await run;
    const options = { mode: "no-cors", method: "POST", body: "<methodCall/>" };
    await fetch(url, options).catch(() => null);
    found[url] = await fetch(url).then((answer) => answer.status, (error) => error.name);
  }));
  return found;
}"""


INJECT = """async () => {
  const blocked = new Set();
  const note = (event) => blocked.add(event.effectiveDirective);
  document.addEventListener("securitypolicyviolation", note);
  for (const markup of ['<img src="/view.json">', '<iframe src="/"></iframe>',
      '<img src="data:," onerror="document.title = 1">', '<p style="color: red">',
      '<base href="/elsewhere/">', '<form id="sent" action="/view.json"></form>']) {
    const box = document.createElement("div");
    box.innerHTML = markup;
    document.body.append(box);
  }
  const script = document.createElement("script");
  script.textContent = "document.title = 2";
  document.body.append(script);
  document.getElementById("sent").submit();
  for (let waited = 0; blocked.size < 7 && waited < 1200; waited += 1)
    await new Promise((end) => setTimeout(end, 50));
  return [document.title, [...blocked]];
}"""


@pytest.fixture
def site() -> Iterator[http.server.ThreadingHTTPServer]:
    """Another site on this machine: to a browser another port is another origin."""

    class Page(http.server.BaseHTTPRequestHandler):
        text = ""

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(Page.text.encode())

        def log_message(self, *_args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


class Servers(NamedTuple):
    """A daemon and the page that shows it."""

    daemon: RunningDaemon
    web: str


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with RealServer() as server:
        text = f'[[shards]]\nid = "s"\nurl = "{server.url}"\n'
        text += "[poll]\nmin_interval = 3600.0\nmax_interval = 3600.0\n"
        with RunningDaemon(config_text=text, http=True, xmlrpc=True) as daemon:
            daemon.wait_polled(1)
            with running_web(daemon) as web:
                yield Servers(daemon, web)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(60_000)  # milliseconds
    yield context.new_page()
    context.close()


def test_another_sites_page_reads_nothing_and_may_link(
    page: Page, servers: Servers, site: http.server.ThreadingHTTPServer, promise: Promise
) -> None:
    daemon, web = servers
    site.RequestHandlerClass.text = SITE.format(http=daemon.http, web=web)  # type: ignore[attr-defined]
    urls = [f"{daemon.http}{path}" for path in ("", "metrics", "api/v1/infos")]
    urls += [f"{daemon.http}api/v1/infos?refresh=true", daemon.xmlrpc]
    urls += [f"{web}{path}" for path in ("", "page/main.js", "view.json", "api/v1/table")]
    answers: list[tuple[str, int]] = []
    page.on("response", lambda got: answers.append((got.url, got.status)))
    # To a browser `localhost` is another site, and another port of 127.0.0.1 the same one.
    for name in ("localhost", "127.0.0.1"):
        answers.clear()
        page.goto(f"http://{name}:{site.server_port}/")
        found = page.evaluate(ASK, urls)
        statuses = {status for url, status in answers if str(site.server_port) not in url}
        frame = next(one for one in page.frames if one.parent_frame is not None)
        framed = "zinfo" in frame.content()
        promise(
            f"a page at {name}: fetch, img, script, POST, iframe",
            "nothing is read, nothing polled",
            f"fetch: {set(found.values())}; statuses {statuses}; framed: {framed}",
        )
        assert set(found.values()) == {"TypeError"}
        assert statuses == {403}
        assert not framed
    for link, url, title in (("http", daemon.http, "zinfo"), ("web", web, "zinfo")):
        page.goto(f"http://{name}:{site.server_port}/")
        page.locator(f"#{link}").click()
        page.wait_for_url(f"{url}*")
        assert title in page.title()
    page.goto(f"http://{name}:{site.server_port}/")
    with page.expect_navigation() as went:
        page.locator("#api").click()
    assert went.value is not None
    assert went.value.status == 403
    assert samples(fetch(daemon.http, "metrics").text)["zinfo_polls_total", frozenset()] == 1


def test_foreign_markup_in_the_page_does_not_run(
    page: Page, servers: Servers, promise: Promise
) -> None:
    page.goto(servers.web)
    page.locator("[role=row]").nth(1).wait_for()
    title, blocked = page.evaluate(INJECT)
    promise("markup put into the page of top --web", "blocked by its policy", str(sorted(blocked)))
    expected = {"script-src-attr", "script-src-elem", "style-src-attr", "base-uri", "form-action"}
    assert expected | {"img-src", "frame-src"} == set(blocked)
    assert title == "zinfo"
