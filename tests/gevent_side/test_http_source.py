"""The source `http` with real servers that have every fault: it lists the whole truth, or fails."""

from __future__ import annotations

import base64
import gzip
import json
import ssl
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
import trustme

from tests.discovery.http_sd_server import Handler, Respond, SdServer, running
from tests.spawning import free_port
from zinfo._version import __version__
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.sources import http as http_module
from zinfo.discovery.sources import http_body
from zinfo.discovery.sources.http import HttpSource
from zinfo.discovery.target import Answer
from zinfo.errors import SourceError

GOOD = '[{"targets": ["a:1", "b:2"]}]'


@pytest.fixture(scope="module")
def one_server() -> Iterator[SdServer]:
    with running(SdServer()) as server:
        yield server


@pytest.fixture
def server(one_server: SdServer) -> SdServer:
    one_server.seen.clear()
    one_server.serve("a:1", "b:2")
    return one_server


def source(url: str, **options: Any) -> HttpSource:
    rules = options.pop("rules", None) or TargetRules("cmdb")
    return HttpSource("cmdb", url, rules, **options)


def listed(answer: Answer | None) -> list[str]:
    assert answer is not None
    return list(answer.targets)


def error_of(sd: HttpSource) -> str:
    with pytest.raises(SourceError) as caught:
        sd.read()
    text = str(caught.value)
    assert text.isprintable()
    assert "hunter2" not in text
    return text


def test_the_request_is_that_of_prometheus(server: SdServer) -> None:
    sd = source(server.url + "?team=a b&x=%20", refresh=0.5, scheme="rediss")
    assert sd.interval == 0.5
    answer = sd.read()
    assert listed(answer) == ["a:1", "b:2"]
    assert answer is not None
    assert answer.targets["a:1"].url == "rediss://a:1"
    ((path, headers),) = server.seen
    assert path == "/sd?team=a%20b&x=%20"
    assert headers == {
        "Host": server.url.split("/")[2],
        "User-Agent": f"zinfo/{__version__}",
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "X-Prometheus-Refresh-Interval-Seconds": "0.5",
        "Connection": "close",
    }
    source(server.url, refresh=60.0).read()
    assert server.seen[-1][1]["X-Prometheus-Refresh-Interval-Seconds"] == "60"


def test_the_url_is_a_label_for_rules_without_its_query(server: SdServer) -> None:
    rules = TargetRules("cmdb", keep={"__meta_url": server.url}, id_template="{__meta_url}/{host}")
    answer = source(server.url + "?token=hunter2", rules=rules).read()
    assert listed(answer) == [f"{server.url}/a", f"{server.url}/b"]


def test_the_same_reply_is_recognised(server: SdServer) -> None:
    sd = source(server.url)
    assert listed(sd.read()) == ["a:1", "b:2"]
    assert sd.read() is None
    server.serve("a:1")
    assert listed(sd.read()) == ["a:1"]
    server.serve()
    assert sd.read() == Answer({})  # the guard decides what becomes of the shards
    assert sd.read() is None


def test_after_another_start_all_is_listed_again(server: SdServer) -> None:
    server.serve("a:1", etag='"v1"')
    sd = source(server.url)
    assert listed(sd.read()) == ["a:1"]
    sd.close()
    assert listed(sd.read()) == ["a:1"]
    assert "If-None-Match" not in server.seen[-1][1]


def test_an_entity_tag_is_sent_back(server: SdServer) -> None:
    def respond(handler: Handler) -> None:
        if handler.headers.get("If-None-Match") == '"v1"':
            handler.send_response(304)
            handler.end_headers()
        else:
            handler.reply(GOOD, ETag='"v1"')

    server.respond = respond
    sd = source(server.url)
    assert listed(sd.read()) == ["a:1", "b:2"]
    assert sd.read() is None
    assert [headers.get("If-None-Match") for _, headers in server.seen] == [None, '"v1"']
    server.serve("c:3", etag='W/"v2"')
    assert listed(sd.read()) == ["c:3"]
    server.serve("c:3", etag='not "an entity tag"')
    assert sd.read() is None
    server.respond = lambda handler: handler.reply("", status=304)
    assert error_of(sd) == "HTTP status 304 Not Modified"
    assert server.seen[-1][1].get("If-None-Match") is None


def test_an_entity_tag_is_sent_only_to_the_url_that_it_came_from(server: SdServer) -> None:
    with running(SdServer()) as other:
        other.serve("o:1", etag='"other"')
        server.respond = lambda handler: handler.reply("", status=302, Location=other.url)
        sd = source(server.url)
        assert listed(sd.read()) == ["o:1"]
        assert sd.read() is None
        assert [headers.get("If-None-Match") for _, headers in other.seen] == [None, '"other"']
        assert not any("If-None-Match" in headers for _, headers in server.seen)


def test_a_tag_of_a_reply_that_was_not_usable_is_not_sent(server: SdServer) -> None:
    sd = source(server.url)
    server.respond = lambda handler: handler.reply("[", ETag='"bad"')
    error_of(sd)
    server.serve("a:1")
    assert listed(sd.read()) == ["a:1"]
    assert "If-None-Match" not in server.seen[-1][1]


@pytest.mark.parametrize(
    ("content_type", "accepted"),
    [
        ("application/json", True),
        ("application/JSON; charset=utf-8", True),
        (' application/json;charset="UTF-8" ', True),
        ("application/json; charset=latin-1", False),
        ("text/html", False),
        ("application/json, text/html", False),
        ("", False),
    ],
)
def test_content_types_are_those_of_prometheus(
    server: SdServer, content_type: str, accepted: bool
) -> None:
    server.respond = lambda handler: handler.reply(GOOD, content_type=content_type)
    if accepted:
        assert listed(source(server.url).read()) == ["a:1", "b:2"]
    else:
        assert error_of(source(server.url)) == "its content type is not application/json"


def chunked(*chunks: bytes, head: bytes = b"") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n" + head + b"\r\n" + body
    )


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def test_a_reply_may_be_in_chunks_compressed_or_end_with_the_connection(server: SdServer) -> None:
    members = gzip.compress(GOOD[:9].encode()) + gzip.compress(GOOD[9:].encode())
    replies: list[Respond] = [
        lambda handler: handler.raw(chunked(*[bytes([one]) for one in GOOD.encode()], b"")),
        lambda handler: handler.raw(HEAD + b"\r\n" + GOOD.encode()),
        lambda handler: handler.reply(gzip.compress(GOOD.encode()), Content_Encoding="gzip"),
        lambda handler: handler.reply(members, Content_Encoding="gzip"),
        lambda handler: handler.raw(chunked(members, b"", head=b"Content-Encoding: x-gzip\r\n")),
        lambda handler: handler.raw(b"HTTP/1.1 100 Continue\r\n\r\n" + chunked(GOOD.encode(), b"")),
    ]
    for respond in replies:
        server.respond = respond
        assert listed(source(server.url).read()) == ["a:1", "b:2"]


def reset(handler: Handler) -> None:
    handler.raw(HEAD)
    handler.connection.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER: RST at close
    handler.wfile.flush()
    handler.rfile.close()
    handler.connection.close()


def endless(handler: Handler, part: bytes, head: bytes = HEAD + b"\r\n") -> None:
    handler.raw(head)
    while True:
        handler.raw(part * (100_000 // len(part)))  # small parts would keep this process busy


FAULTS: dict[str, tuple[Respond, str]] = {
    "500": (
        lambda handler: handler.reply(GOOD, status=500),
        "HTTP status 500 Internal Server Error",
    ),
    "599": (lambda handler: handler.reply(GOOD, status=599), "HTTP status 599"),
    "204": (lambda handler: handler.raw(b"HTTP/1.1 204 x\r\n\r\n"), "HTTP status 204 No Content"),
    "304": (lambda handler: handler.reply("", status=304), "HTTP status 304 Not Modified"),
    "wrong type": (
        lambda handler: handler.reply("<p>", content_type="text/html\x1b[2J"),
        "its content type is not application/json",
    ),
    "cut JSON": (lambda handler: handler.reply(GOOD[:-3]), "it is not JSON"),
    "no body": (lambda handler: handler.reply(""), "it is not JSON: Expecting value (line 1)"),
    "object": (lambda handler: handler.reply("{}"), "it is not a list of target groups"),
    "cut body": (lambda handler: handler.reply(GOOD, length=1000), "the reply is cut off"),
    "cut chunk": (lambda handler: handler.raw(chunked(GOOD.encode())[:-9]), "the reply is cut off"),
    "no last chunk": (lambda handler: handler.raw(chunked(GOOD.encode())), "the reply is cut off"),
    "bad chunk": (lambda handler: handler.raw(chunked() + b"-1\r\n[]"), "the reply is"),
    "long chunk size": (lambda handler: endless(handler, b"1" * 999, chunked()), "the reply is"),
    "cut gzip": (
        lambda handler: handler.reply(gzip.compress(b"[]" * 99)[:-9], Content_Encoding="gzip"),
        "the reply is cut off",
    ),
    "no gzip": (
        lambda handler: handler.reply(GOOD, Content_Encoding="gzip"),
        "the reply is not gzip",
    ),
    "brotli": (
        lambda handler: handler.reply(GOOD, Content_Encoding="br"),
        "its content encoding is not gzip",
    ),
    "silence": (lambda handler: None, "the server closed the connection without a reply"),
    "reset": (reset, "the "),
    "not HTTP": (lambda handler: handler.raw(b"-ERR hunter2\r\n"), "the reply is not HTTP"),
    "status line": (lambda handler: endless(handler, b"x" * 999, b""), "the reply is not HTTP"),
    "headers": (lambda handler: endless(handler, b"a: b\r\n", HEAD), "the reply is not HTTP"),
    "100 for ever": (
        lambda handler: endless(handler, b"HTTP/1.1 100 C\r\n\r\n", b""),
        "the reply is too large",
    ),
    "no location": (
        lambda handler: handler.reply("", status=302, Location="http://u:hunter2@h/"),
        "it redirects to a URL that cannot be used",
    ),
    "file": (
        lambda handler: handler.reply("", status=302, Location="file:///etc/passwd"),
        "it redirects to a URL that cannot be used: expected http:// or https://",
    ),
    "loop": (
        lambda handler: handler.reply("", status=307, Location=handler.path + "x"),
        "it redirects more than 5 times",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_an_error_of_one_line_and_what_is_good_afterwards_is_read(
    server: SdServer, fault: str
) -> None:
    sd = source(server.url + "?token=hunter2")
    assert listed(sd.read()) == ["a:1", "b:2"]
    server.respond, message = FAULTS[fault]
    assert error_of(sd).startswith(message)
    server.serve("a:1", "b:2")
    assert sd.read() is None
    server.serve("c:3")
    assert listed(sd.read()) == ["c:3"]


def test_a_reply_larger_than_the_limit_is_refused(
    server: SdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_body, "MAX_SIZE", 1 << 20)
    bomb = gzip.compress(b" " * (8 << 20))
    assert len(bomb) < 10_000
    server.respond = lambda handler: handler.reply(bomb, Content_Encoding="gzip")
    assert error_of(source(server.url)) == "the reply is larger than 1 MiB"
    server.respond = lambda handler: endless(handler, b" " * 9999)
    assert error_of(source(server.url)) == "the reply is larger than 1 MiB"
    deflated = zlib.compressobj(wbits=31)
    zeros = deflated.compress(b" " * 9_999_999) + deflated.flush(zlib.Z_SYNC_FLUSH)
    server.respond = lambda handler: handler.raw(HEAD + b"Content-Encoding: gzip\r\n\r\n" + zeros)
    assert error_of(source(server.url)) == "the reply is larger than 1 MiB"


def drip(handler: Handler) -> None:
    handler.raw(HEAD + b"Content-Length: 100000\r\n\r\n[")
    while True:
        handler.raw(b" ")
        gevent.sleep(0.05)


def test_a_server_that_sends_slowly_is_given_up_after_the_timeout(server: SdServer) -> None:
    server.respond = drip
    assert error_of(source(server.url, timeout=0.4)) == "no whole reply within 0.4 s"
    server.respond = lambda handler: gevent.sleep(2)
    assert error_of(source(server.url, timeout=0.2)) == "no whole reply within 0.2 s"


def test_another_greenlet_may_give_up_earlier(server: SdServer) -> None:
    server.respond = drip
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.2):
        source(server.url).read()


def test_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    text = error_of(source(f"http://localhost:{port}/?token=hunter2"))
    assert text == f"cannot connect to localhost:{port}: Connection refused"
    text = error_of(source("http://nowhere.invalid/"))
    assert text.startswith("cannot connect to nowhere.invalid:80: ")
    assert error_of(source(f"http://{'x.' * 100}{'y' * 40}/")) != ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        "ftp://h/",
        "http://",
        "http://u:hunter2@h/",
        "http://h:99999/",
        "http://h:x/",
        "http://h:0/",
        "http://[::1/",
        "http://a b/",
        "http://*/",
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"it|expected|host") as caught:
        source(url)
    assert "hunter2" not in str(caught.value)


def test_a_redirect_is_followed_without_credentials_to_another_origin(
    server: SdServer, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("hunter2\n")
    token.chmod(0o600)
    with running(SdServer()) as other:
        other.serve("o:1")
        server.respond = lambda handler: handler.reply(
            "", status=301, Location="/sd2" if handler.path == "/sd" else other.url
        )
        sd = source(server.url, token_file=str(token))
        assert listed(sd.read()) == ["o:1"]
        assert [path for path, _ in server.seen] == ["/sd", "/sd2"]
        assert [headers["Authorization"] for _, headers in server.seen] == ["Bearer hunter2"] * 2
        ((_, headers),) = other.seen
        assert "Authorization" not in headers


def test_token_and_password_are_read_for_each_request(server: SdServer, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    token = source(server.url, token_file=str(secret))
    basic = source(server.url, username="zinfo", password_file=str(secret))
    for text in ("hunter2", "hunter2-new"):
        secret.write_text(text + "\n")
        token.read()
        basic.read()
        login = base64.b64encode(f"zinfo:{text}".encode()).decode()
        assert [headers["Authorization"] for _, headers in server.seen[-2:]] == [
            f"Bearer {text}",
            f"Basic {login}",
        ]
    for text in ("", "\n", "hunter2\x00", "hunter2é"):
        secret.write_text(text)
        assert str(secret) in error_of(token)
    secret.unlink()
    assert error_of(basic).startswith(f"password_file: {secret}: cannot be read")
    requests = len(server.seen)
    error_of(token)
    assert len(server.seen) == requests, "never sent without its credentials"


def test_proxies_of_the_environment_are_not_used(
    server: SdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert listed(source(server.url).read()) == ["a:1", "b:2"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def requesting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


@pytest.fixture(scope="module")
def tls_server(
    authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SdServer, Path]]:
    """A server that requests a certificate of the client, and the folder of the files."""
    folder = tmp_path_factory.mktemp("tls")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(folder / "other.pem"))
    client = authority.issue_cert("client.example.net")
    client.private_key_and_cert_chain_pem.write_to_path(str(folder / "client.pem"))
    with running(SdServer(requesting(authority))) as server:
        yield server, folder


def test_tls_with_its_own_authority_and_a_client_certificate(
    tls_server: tuple[SdServer, Path], authority: trustme.CA
) -> None:
    server, folder = tls_server
    certificates: list[Any] = []

    def respond(handler: Handler) -> None:
        connection: Any = handler.connection
        certificates.append(connection.getpeercert())
        handler.reply(GOOD)

    server.respond = respond
    ca_file, cert_file = str(folder / "ca.pem"), str(folder / "client.pem")
    assert listed(source(server.url, ca_file=ca_file).read()) == ["a:1", "b:2"]
    assert not certificates[-1]
    sd = source(server.url, ca_file=ca_file, cert_file=cert_file)
    assert listed(sd.read()) == ["a:1", "b:2"]
    assert ("DNS", "client.example.net") in certificates[-1]["subjectAltName"]
    with running(SdServer(requesting(authority))) as other:
        other.respond = respond
        server.respond = lambda handler: handler.reply("", status=302, Location=other.url)
        sd.read()
    assert len(certificates) == 3
    assert not certificates[-1], "it is for the origin of the URL only"


def test_faults_of_tls_are_errors(tls_server: tuple[SdServer, Path], server: SdServer) -> None:
    secure, folder = tls_server
    secure.serve("a:1")
    known = str(folder / "ca.pem")
    assert error_of(source(secure.url)).startswith("the server's certificate: ")
    other = source(secure.url, ca_file=str(folder / "other.pem"))
    assert error_of(other).startswith("the server's certificate: ")
    by_address = source(secure.url.replace("localhost", "127.0.0.1"), ca_file=known)
    assert "the server's certificate: IP address mismatch" in error_of(by_address)
    plain = source(server.url.replace("http:", "https:"), ca_file=known)
    assert error_of(plain).startswith("TLS fails: ")
    in_clear = source(secure.url.replace("https:", "http:"))
    assert error_of(in_clear).startswith("the ")
    missing = source(secure.url, ca_file=str(folder / "none.pem"))
    assert error_of(missing) == "ca_file cannot be read: No such file or directory"
    (folder / "bad.pem").write_text("hunter2")
    for options in ({"ca_file": str(folder / "bad.pem")}, {"ca_file": known, "cert_file": known}):
        assert "cannot be used: " in error_of(source(secure.url, **options))


def test_certificates_that_are_replaced_are_read_again(
    tls_server: tuple[SdServer, Path], tmp_path: Path
) -> None:
    server, folder = tls_server
    server.serve("a:1")
    path = tmp_path / "ca.pem"
    path.write_bytes((folder / "other.pem").read_bytes())
    sd = source(server.url, ca_file=str(path))
    error_of(sd)
    path.write_bytes((folder / "ca.pem").read_bytes())
    assert listed(sd.read()) == ["a:1"]


def test_a_redirect_from_https_to_http_is_refused(
    tls_server: tuple[SdServer, Path], server: SdServer
) -> None:
    secure, folder = tls_server
    sd = source(secure.url, ca_file=str(folder / "ca.pem"))
    secure.respond = lambda handler: handler.reply("", status=302, Location=server.url)
    assert error_of(sd) == "it redirects from https to http"
    assert server.seen == []
    server.respond = lambda handler: handler.reply("", status=302, Location=secure.url)
    secure.serve("s:1")
    assert listed(source(server.url, ca_file=str(folder / "ca.pem")).read()) == ["s:1"]


def test_a_large_reply_is_decoded_in_a_process(server: SdServer) -> None:
    names = [f"cache-{number}.example.net:6379" for number in range(2000)]
    server.serve(*names)
    sd = source(server.url)
    assert listed(sd.read()) == names
    assert sd.read() is None


def test_the_same_large_reply_starts_no_process(
    server: SdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.serve(*[f"cache-{number}.example.net:6379" for number in range(2000)])
    sd = source(server.url)
    sd.read()
    monkeypatch.setattr(http_module, "decode_target_groups", lambda *_: pytest.fail("decoded"))
    assert sd.read() is None


def test_bad_targets_are_counted_with_their_reason(server: SdServer) -> None:
    server.respond = lambda handler: handler.reply(
        json.dumps([{"targets": ["a:1", "b:0"]}, {"targets": ["u:hunter2@c"]}, None])
    )
    answer = source(server.url).read()
    assert listed(answer) == ["a:1"]
    assert answer is not None
    assert answer.skipped == {
        "bad port": 1,
        "a user or password in its address": 1,
        "a target group is not an object": 1,
    }
