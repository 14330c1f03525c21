"""Host names, origins and Fetch Metadata that the three HTTP servers accept; and HEAD."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
import pytest

from tests.adapters.http.requests import Response, fetch
from tests.daemons import RunningDaemon
from tests.metrics.texts import samples
from tests.promises import Promise
from tests.servers import RealServer
from tests.top.web.conftest import running_web
from tests.waiting import wait_until
from zinfo.adapters.wsgi.host_names import HostNames

CALL = b"<?xml version='1.0'?><methodCall><methodName>GetInfos</methodName></methodCall>"
OTHER = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
LINK = {**OTHER, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
API = ["metrics", "scrape?target=s", "api/v1/infos", "api/v1/infos?refresh=true", "api/v1/shards"]
API += ["api/v1/events", "api/v1/stats", "api/v1/stream", "api/v1/openapi.json", "nothing"]
API += ["view.json", "paths", "page/main.js", "api/v1/table"]
WEB = ["view.json", "api/v1/table", "api/v1/infos", "page/main.js", "page/style.css"]
STREAMS = ("api/v1/stream", "api/v1/table")


class Servers(NamedTuple):
    """URLs of the three servers."""

    http: str
    web: str
    xmlrpc: str
    daemon: RunningDaemon


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with RealServer() as server:
        text = f'[[shards]]\nid = "s"\nurl = "{server.url}"\n'
        text += "[poll]\nmin_interval = 3600.0\nmax_interval = 3600.0\n"
        with RunningDaemon(config_text=text, http=True, xmlrpc=True) as daemon:
            daemon.wait_polled(1)
            with running_web(daemon) as web:
                yield Servers(daemon.http, web, daemon.xmlrpc, daemon)


def post(url: str, headers: Mapping[str, str]) -> Response:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    with closing(connection):
        connection.request("POST", "/", CALL, dict(headers))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, found, response.read())


def statuses(servers: Servers, headers: Mapping[str, str]) -> list[int]:
    """Return the statuses of the three servers: HTTP, top --web, XML-RPC."""
    return [
        fetch(servers.http, "api/v1/shards", headers).status,
        fetch(servers.web, "view.json", headers).status,
        post(servers.xmlrpc, headers).status,
    ]


def raw(url: str, head: bytes) -> bytes:
    """Return the data received until the connection is closed or idle."""
    place = urlsplit(url)
    where = place.hostname or "", place.port or 0
    with closing(socket.create_connection(where, 30)) as connection:
        connection.sendall(head)
        read = b""
        while part := connection.recv(65536):
            read += part
        return read


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("localhost.", 200),
        ("localhost.:80", 200),
        ("127.0.0.1", 200),
        ("192.0.2.1:9121", 200),
        ("[::1]", 200),
        ("[2001:DB8::1]:9121", 200),
        ("rebound.example", 403),
        ("rebound.example.:9121", 403),
        ("localhost.rebound.example", 403),
        ("127.0.0.1.rebound.example", 403),
        ("2130706433", 403),
        ("[::1", 400),
        ("::1", 400),
        ("[nothing]", 400),
        ("localhost:x", 400),
        ("localhost:99999", 400),
        ("user@localhost", 400),
        ("localhost/..", 400),
        ("a b", 400),
        ("", 400),
        (".", 400),
        ("l\xf6calhost", 400),
    ],
)
def test_all_three_servers_accept_their_own_host_names_only(
    servers: Servers, host: str, status: int, promise: Promise
) -> None:
    found = statuses(servers, {"Host": host})
    promise(f"Host: {host}", f"{status} from HTTP, top --web and XML-RPC", str(found))
    assert found == [status] * 3
    assert "Traceback" not in servers.daemon.log()


HEADS = [
    (b"GET %b HTTP/1.0\r\n\r\n", b"200"),
    (b"GET %b HTTP/1.0\r\nHost: rebound.example\r\n\r\n", b"403"),
    (b"GET %b HTTP/1.1\r\nConnection: close\r\n\r\n", b"400"),
    (b"GET %b HTTP/1.1\r\nHost: localhost\r\nHost: rebound.example\r\n\r\n", b"400"),
    (b"GET %b HTTP/1.1\r\nHost: localhost\r\nhost: localhost\r\n\r\n", b"400"),
    (b"GET http://localhost:1%b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"200"),
    (b"GET HTTP://rebound.example%b HTTP/1.1\r\nHost: localhost\r\n\r\n", b"403"),
    (b"GET http://[::1%b HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
    (b"GET http://%b HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
]


@pytest.mark.parametrize(("head", "status"), HEADS)
def test_the_host_is_found_in_the_request_line_and_the_header(
    servers: Servers, head: bytes, status: bytes, promise: Promise
) -> None:
    pages = ((servers.http, b"/api/v1/shards"), (servers.web, b"/view.json"))
    found = [raw(url, head % path).split(b" ")[1] for url, path in pages]
    promise(head.decode()[:60], status.decode(), str(found))
    assert found == [status] * 2


def test_health_probes_may_use_any_host_name_and_origin(servers: Servers) -> None:
    for path in ("healthz", "readyz"):
        assert fetch(servers.http, path, {"Host": "probe.example", **OTHER}).status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "what comes later"])
def test_a_page_of_another_site_can_read_nothing_and_trigger_no_poll(
    servers: Servers, site: str, promise: Promise
) -> None:
    polls = _polls(servers)
    for headers in ({**OTHER, "Sec-Fetch-Site": site}, {**LINK, "Sec-Fetch-Site": site}):
        found = {path: fetch(servers.http, path, headers).status for path in API}
        found |= {path: fetch(servers.web, path, headers).status for path in WEB}
        found["XML-RPC"] = post(servers.xmlrpc, headers).status
        mode = headers["Sec-Fetch-Mode"]
        promise(f"{site} request, {mode}", "403 for all but pages", str(set(found.values())))
        assert set(found.values()) == {403}, found
    frame = {**LINK, "Sec-Fetch-Site": site, "Sec-Fetch-Dest": "iframe"}
    for url in (servers.http, servers.web):
        for path in ("", "?filter=down"):
            assert fetch(url, path, {**LINK, "Sec-Fetch-Site": site}).status == 200, "a link"
        assert fetch(url, "", {**LINK, "Sec-Fetch-Site": site}, method="HEAD").status == 200
        assert fetch(url, "", {**OTHER, "Sec-Fetch-Site": site}).status == 403
        assert fetch(url, "", frame).status == 403
        assert fetch(url, "", {**LINK, "Sec-Fetch-Site": site}, method="POST").status == 403
    assert _polls(servers) == polls

    def polled() -> (
        bool
    ):  # not within query.min_refresh_interval of a poll that a test before caused
        assert fetch(servers.http, "api/v1/infos?refresh=true").status == 200
        return _polls(servers) > polls

    wait_until(polled, what="a program's request to poll")


def _polls(servers: Servers) -> float:
    return samples(fetch(servers.http, "metrics").text)["zinfo_polls_total", frozenset()]


def test_requests_of_its_own_pages_and_of_programs_are_served(servers: Servers) -> None:
    for site in ("same-origin", "none"):
        assert statuses(servers, {**OTHER, "Sec-Fetch-Site": site}) == [200] * 3
    own = {url: f"http://{urlsplit(url).netloc}" for url in servers[:3]}
    assert post(servers.xmlrpc, {"Origin": own[servers.xmlrpc]}).status == 200
    assert fetch(servers.http, "api/v1/shards", {"Origin": own[servers.http]}).status == 200


@pytest.mark.parametrize("origin", ["https://other.example", "null", "http://localhost:1", ""])
def test_without_fetch_metadata_the_origin_is_checked(
    servers: Servers, origin: str, promise: Promise
) -> None:
    found = statuses(servers, {"Origin": origin})
    promise(f"Origin: {origin}", "403", str(found))
    assert found == [403] * 3


def test_all_responses_have_the_security_headers(servers: Servers, promise: Promise) -> None:
    responses = [
        fetch(servers.http, path) for path in ("", "metrics", "healthz", *API[4:7], "nothing")
    ]
    responses += [
        fetch(servers.web, path)
        for path in ("", "view.json", "page/main.js", "page/style.css", "nothing")
    ]
    responses += [
        post(servers.xmlrpc, {}),
        fetch(servers.xmlrpc, ""),
        fetch(servers.xmlrpc, "nothing"),
    ]
    responses += [
        fetch(servers.http, "metrics", {"Host": "a.example"}),
        post(servers.xmlrpc, OTHER),
    ]
    responses += [
        fetch(servers.web, "", {"Host": "["}),
        fetch(servers.http, "metrics", method="POST"),
    ]
    responses += [fetch(servers.http, "metrics", {"X": "y" * 20_000})]
    for response in responses:
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        for one in ("frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"):
            assert one in policy
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
    found = sorted({response.status for response in responses})
    promise(
        "any response", "nosniff, strict CSP, no frames", f"{len(responses)} of statuses {found}"
    )
    assert found == [200, 400, 403, 404, 405, 431]


def test_head_is_served_as_get_without_the_body(servers: Servers, promise: Promise) -> None:
    requested = [(servers.http, path) for path in ["", "healthz", "readyz", *API]]
    requested += [(servers.web, path) for path in ["", *WEB, "nothing"]]
    requested += [(servers.xmlrpc, "")]
    for url, path in requested:
        head = fetch(url, path, method="HEAD")
        assert head.body == b""
        if path in STREAMS:
            assert head.headers["content-type"].startswith("text/event-stream")
            continue
        by_get = fetch(url, path)
        assert head.status == by_get.status
        assert head.headers.keys() == by_get.headers.keys(), path
        assert head.headers.get("content-type") == by_get.headers.get("content-type")
        if path in ("", "page/main.js", "healthz", "api/v1/openapi.json"):
            assert head.headers["content-length"] == by_get.headers["content-length"]
    promise("HEAD", "as GET, no body", f"{len(requested)} paths")
    assert "HEAD" in fetch(servers.http, "metrics", method="PUT").headers["allow"]


def test_a_connection_can_be_reused_after_head(servers: Servers) -> None:
    place = urlsplit(servers.http)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    with closing(connection):
        for method, path in (("HEAD", "/metrics"), ("HEAD", "/api/v1/stream"), ("GET", "/healthz")):
            connection.request(method, path)
            response = connection.getresponse()
            assert response.status == 200
            body = response.read()
    assert body == b'{"status":"ok"}'


def test_insecure_does_not_disable_the_host_check_and_names_can_be_allowed(
    servers: Servers, promise: Promise
) -> None:
    text = '[security]\ninsecure = true\n[http]\nallowed_hosts = ["zinfo", "Zinfo.Example."]\n'
    text += 'proxies = ["10.0.0.0/8"]\n[xmlrpc]\nallowed_hosts = ["rpc"]\n'
    hosts = ["localhost", "zinfo:9121", "zinfo.example", "rebound.example", "rpc"]
    with RunningDaemon(config_text=text, http=True, xmlrpc=True) as daemon:
        found = [fetch(daemon.http, "metrics", {"Host": host}).status for host in hosts]
        rpc = [post(daemon.xmlrpc, {"Host": host}).status for host in hosts]
    promise("insecure = true, two names allowed", "these and no others", f"{found}, {rpc}")
    assert found == [200, 200, 200, 403, 403]
    assert rpc == [200, 403, 403, 403, 200]
    with running_web(servers.daemon, "--insecure", "--allowed-host=top.example") as web:
        requested = [fetch(web, "", {"Host": host}).status for host in ("top.example", "a.example")]
    assert requested == [200, 403]
    assert HostNames(["*"]).allows("whatever.example")


def test_unfinished_heads_block_no_probe_and_use_little_memory(
    servers: Servers, promise: Promise
) -> None:
    place = urlsplit(servers.http)
    where = place.hostname or "", place.port or 0
    process = psutil.Process(servers.daemon.pid)
    before = process.memory_info().rss
    connections = []
    try:
        for _ in range(300):
            one = socket.create_connection(where, 30)
            connections.append(one)
            one.sendall(b"GET / HTTP/1.1\r\nX: y\r\n")
            one.setblocking(False)
        for _ in range(90):
            for one in connections[:40]:
                with suppress(OSError):
                    one.send(b"X: " + b"x" * 60_000 + b"\r\n")
        began = time.monotonic()
        found = {fetch(servers.http, path).status for path in ("healthz", "readyz")}
        took = time.monotonic() - began
        grown = (process.memory_info().rss - before) / 2**20
    finally:
        for one in connections:
            one.close()
    promise(
        "300 unfinished heads, 40 of them of some MB",
        "health probes are served, no head over 16 KiB is stored",
        f"{found} in {took:.2f} s, {grown:.0f} MiB more",
    )
    assert found == {200}
    assert grown < 60
