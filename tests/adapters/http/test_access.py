"""Access over HTTP: tokens, certificates and host names, and health, which needs none."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.adapters.http.requests import TIMEOUT, fetch, stream
from tests.daemons import RunningDaemon
from tests.metrics.texts import samples
from tests.promises import Promise
from tests.security.keyring import Keyring, refuses, reload, responds
from tests.servers import RealServer
from tests.spawning import HOST, free_port
from tests.waiting import wait_until
from zinfo.config import load_config
from zinfo.errors import ConfigError

ADMIN, CACHE, BLIND = "admin-0123456789abcdef", "cache-0123456789abcdef", "blind-0123456789abcdef"
TOKENS = f"# clients\nadmin {ADMIN}\ncache {CACHE}\nblind {BLIND}\nnone none-0123456789abcdef\n"
CLIENTS = """
[clients.admin]
[clients.cache]
shards = ["cache-"]
operations = ["get_infos"]
[clients.blind]
hidden_fields = ["executable", "run_id", "used_memory*"]
"""


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def write_tokens(file: Path, text: str = TOKENS) -> None:
    file.write_text(text)
    file.chmod(0o600)


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    """One server for all tests of this module."""
    with RealServer() as server:
        yield server


@pytest.fixture(scope="module")
def token_file() -> Iterator[Path]:
    """The token file of the daemon, in a directory that other users can enter."""
    with tempfile.TemporaryDirectory(prefix="zi-", dir="/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)
        write_tokens(directory / "tokens")
        yield directory / "tokens"


@pytest.fixture(scope="module")
def daemon(server: RealServer, token_file: Path) -> Iterator[RunningDaemon]:
    """One daemon for all tests that do not need another configuration."""
    shards = "".join(
        f'[[shards]]\nid = "{ident}"\nurl = "{server.url}"\n' for ident in ("cache-1", "db-1")
    )
    text = f'{shards}\n[http]\ntoken_file = "{token_file}"\n{CLIENTS}'
    with RunningDaemon(config_text=text, http=True) as running:
        running.wait_polled(2)
        yield running


@pytest.fixture
def tokens(daemon: RunningDaemon, token_file: Path) -> Iterator[Path]:
    """The token file, for a test that changes it; the daemon reads the first text at the end."""
    yield token_file
    write_tokens(token_file)
    daemon.signal(signal.SIGHUP)
    wait_until(
        lambda: fetch(daemon.http, "api/v1/infos", bearer(ADMIN)).status == 200,
        what="the first tokens to be valid again",
    )


def test_without_a_token_only_health_and_the_page_without_data_are_served(
    daemon: RunningDaemon, promise: Promise
) -> None:
    paths = ["metrics", "scrape?target=db-1", "api/v1/infos", "api/v1/shards", "api/v1/events"]
    paths += [
        "sd",
        "api/v1/columns?keys=role",
        "api/v1/sources",
        "api/v1/stats",
        "api/v1/stream",
        "api/v1/table",
        "api/v1/openapi.json",
        "view.json",
        "paths",
        "page/nothing.js",
        "nothing",
    ]
    for headers in ({}, bearer("wrong-0123456789abcdef"), {"Authorization": f"Basic {ADMIN}"}):
        found = {path: fetch(daemon.http, path, headers).status for path in paths}
        promise(f"shown {headers or 'nothing'}", "401 for everything", str(set(found.values())))
        assert set(found.values()) == {401}, found
    for path in ("healthz", "", "page/main.js"):
        assert fetch(daemon.http, path).status == 200
    assert "www-authenticate" in fetch(daemon.http, "metrics").headers


def test_a_token_grants_the_rights_of_its_client(daemon: RunningDaemon, promise: Promise) -> None:
    assert len(fetch(daemon.http, "api/v1/shards", bearer(ADMIN)).json["data"]) == 2
    infos = fetch(daemon.http, "api/v1/infos", bearer(CACHE)).json["data"]
    assert [info["meta"]["shard_identifier"] for info in infos] == ["cache-1"]
    columns = fetch(daemon.http, "api/v1/columns?keys=role", bearer(CACHE)).json["data"]
    assert (columns["ids"], columns["columns"]) == (["cache-1"], {"role": ["master"]})
    seen = fetch(daemon.http, "metrics", bearer(CACHE)).text
    promise("its shards are cache-", "no metric of others", f"{seen.count('db-1')} times db-1")
    assert "db-1" not in seen
    assert 'instance="cache-1"' in seen
    assert "zinfo_polls_total" not in seen
    refused = {
        path: fetch(daemon.http, path, bearer(CACHE)).status
        for path in (
            *("api/v1/shards", "api/v1/events", "api/v1/stats", "api/v1/stream"),
            *("api/v1/sources", "sd"),
        )
    }
    promise("its operations are get_infos", "403 for all others", str(refused))
    assert set(refused.values()) == {403}
    assert fetch(daemon.http, "api/v1/infos?shard_ids=db-1", bearer(CACHE)).status == 403
    accept = "api/v1/sources/accept?name=nope"
    statuses = [
        fetch(daemon.http, accept, bearer(token), method="POST").status
        for token in (ADMIN, CACHE, BLIND)
    ]
    promise("accept_source", "for clients without limits", str(statuses))
    assert statuses == [400, 403, 403]
    assert fetch(daemon.http, "scrape?target=db-1", bearer(CACHE)).status == 404


def test_hidden_fields_are_in_no_metric(
    daemon: RunningDaemon, server: RealServer, promise: Promise
) -> None:
    run_id = str(server.client().info("server")["run_id"])
    text = fetch(daemon.http, "metrics", bearer(BLIND)).text
    found = [one for one in (run_id, "redis_memory_used_bytes", "redis_memory_used") if one in text]
    promise("run_id and used_memory* are hidden", "in no metric", str(found))
    assert not found
    assert "redis_connected_clients" in text
    assert "used_memory" not in fetch(daemon.http, "api/v1/infos", bearer(BLIND)).text
    path = "api/v1/columns?keys=used_memory&keys=role"
    columns = fetch(daemon.http, path, bearer(BLIND)).json["data"]["columns"]
    assert columns == {"used_memory": [None, None], "role": ["master"] * 2}
    with stream(daemon.http, "api/v1/stream?kinds=info&kinds=delta", bearer(BLIND)) as messages:
        heard = [next(messages) for _ in range(5)]
    said = [one.kind for one in heard]
    promise("the same in a stream", "INFO and deltas without them", str(said))
    assert {"info", "delta"} <= set(said)
    assert "used_memory" not in repr(heard)
    assert run_id not in repr(heard)


def test_a_client_without_a_table_has_no_rights(daemon: RunningDaemon) -> None:
    assert fetch(daemon.http, "api/v1/infos", bearer("none-0123456789abcdef")).status == 403
    assert fetch(daemon.http, "metrics", bearer("none-0123456789abcdef")).status == 403


def test_a_removed_token_is_rejected_after_a_reload(daemon: RunningDaemon, tokens: Path) -> None:
    assert fetch(daemon.http, "api/v1/infos", bearer(ADMIN)).status == 200
    tokens.write_text(TOKENS.replace(ADMIN, "other-0123456789abcdef"))
    daemon.signal(signal.SIGHUP)
    wait_until(
        lambda: fetch(daemon.http, "api/v1/infos", bearer(ADMIN)).status == 401,
        what="the old token to open nothing",
    )
    assert fetch(daemon.http, "api/v1/infos", bearer("other-0123456789abcdef")).status == 200
    tokens.chmod(0o644)
    daemon.signal(signal.SIGHUP)
    wait_until(
        lambda: fetch(daemon.http, "api/v1/infos", bearer("other-0123456789abcdef")).status == 401,
        what="no token to open anything, as the file is open to others",
    )
    assert "expected 0600" in daemon.log()


def test_a_stream_ends_when_its_token_is_removed(
    daemon: RunningDaemon, tokens: Path, promise: Promise
) -> None:
    with stream(daemon.http, "api/v1/stream", bearer(ADMIN)) as messages:
        assert next(messages).kind == "hello"
        tokens.write_text(TOKENS.replace(ADMIN, "other-0123456789abcdef"))
        daemon.signal(signal.SIGHUP)
        began = time.monotonic()
        assert "hello" not in {message.kind for message in messages}  # reads until it ends
        took = time.monotonic() - began
    promise("the token of an open stream is taken away", "it ends", f"{took:.1f} s after")
    with stream(daemon.http, "api/v1/stream", bearer("other-0123456789abcdef")) as messages:
        assert next(messages).kind == "hello"


def wait_until_no_streams(daemon: RunningDaemon) -> None:
    wait_until(
        lambda: (
            not samples(fetch(daemon.http, "metrics", bearer(ADMIN)).text)[
                "zinfo_http_streams", frozenset()
            ]
        ),
        what="no streams",
    )


def test_a_client_has_a_quota_of_streams(daemon: RunningDaemon, promise: Promise) -> None:
    wait_until_no_streams(daemon)  # those of earlier tests
    with contextlib.ExitStack() as stack:
        for _ in range(25):
            messages = stack.enter_context(stream(daemon.http, "api/v1/stream", bearer(ADMIN)))
            assert next(messages).kind == "hello"
        beyond = fetch(daemon.http, "api/v1/stream", bearer(ADMIN))
        other = fetch(daemon.http, "api/v1/infos", bearer(ADMIN)).status
        promise(
            "25 of 100 streams are one token's",
            "its next: 429; its other requests are answered",
            f"{beyond.status}, {other}",
        )
        assert (beyond.status, beyond.json["error"]["code"]) == (429, "too_many_requests")
        assert other == 200
    wait_until(
        lambda: fetch(daemon.http, "api/v1/stream", bearer(ADMIN), method="HEAD").status == 200,
        what="room for a stream",
    )
    wait_until_no_streams(daemon)
    for _ in range(30):
        assert fetch(daemon.http, "api/v1/stream", bearer(ADMIN), method="HEAD").status == 200


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("admin", "line 1: expected a name and a token"),
        ("admin short", "line 1: expected a token of 16 characters or more"),
        (f"a {ADMIN}\nb {ADMIN}", "line 2: another line has the same token"),
        ("# no client\n", "found no token"),
    ],
)
def test_an_invalid_token_file_is_reported(tmp_path: Path, text: str, problem: str) -> None:
    from zinfo.security.tokens import Tokens

    file = tmp_path / "tokens"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(ConfigError, match=problem) as caught:
        Tokens(file, {})
    assert ADMIN not in str(caught.value)


def test_a_certificate_authenticates_the_client_in_its_common_name(
    server: RealServer, tmp_path: Path
) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert(HOST)
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    (tmp_path / "key.pem").chmod(0o600)
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    text = f"""
    [[shards]]
    id = "db-1"
    url = "{server.url}"
    [http]
    cert_file = "{tmp_path}/cert.pem"
    key_file = "{tmp_path}/key.pem"
    client_ca_file = "{tmp_path}/ca.pem"
    [clients.grafana]
    """
    with RunningDaemon(config_text=text, http=True) as daemon:
        daemon.wait_polled(1)
        url = daemon.http.replace("http:", "https:")

        def status(common_name: str | None, issuer: trustme.CA = authority) -> int:
            context = ssl.create_default_context()
            authority.configure_trust(context)
            if common_name is not None:
                issuer.issue_cert("x.example", common_name=common_name).configure_cert(context)
            return fetch(url, "api/v1/infos", tls=context).status

        assert status("grafana") == 200
        assert status("unknown") == 403
        assert status(None) == 401
        with pytest.raises((ssl.SSLError, ConnectionError)):
            status("grafana", stranger)
        with socket.create_connection((HOST, int(url.rstrip("/").rpartition(":")[2]))) as plain:
            plain.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            plain.settimeout(TIMEOUT)
            with contextlib.suppress(ConnectionResetError):
                assert not plain.recv(100).startswith(b"HTTP/1.1 200")
        assert status("grafana") == 200


def test_an_invalid_token_file_does_not_keep_a_removed_key_valid(
    keyring: Keyring, tmp_path: Path
) -> None:
    former, tokens = keyring.authorize("former"), tmp_path / "tokens"
    write_tokens(tokens)
    text = f'{keyring.config()}\n[http]\ntoken_file = "{tokens}"\n'
    with RunningDaemon(config_text=text, http=True, keys=keyring.of("admin")) as running:
        assert responds(running.query, former, 30)
        keyring.revoke("former")
        tokens.write_text("broken")
        reload(running)
        assert "expected a name and a token" in running.log()
        assert refuses(running, former)
        stats: Any = running.ask("stats").body
        assert not stats["faults"], "the bus was opened again, and no component crashed"


@pytest.fixture
def keyring(short_tmp: Path) -> Keyring:
    return Keyring(short_tmp / "keys")


def test_without_tokens_an_unknown_host_name_is_rejected(daemon_open: RunningDaemon) -> None:
    assert fetch(daemon_open.http, "metrics", {"Host": "localhost:9"}).status == 200
    assert fetch(daemon_open.http, "metrics", {"Host": "[::1]:9"}).status == 200
    assert fetch(daemon_open.http, "metrics", {"Host": "rebound.example"}).status == 403
    assert fetch(daemon_open.http, "healthz", {"Host": "probe.example"}).status == 200


@pytest.fixture(scope="module")
def daemon_open(server: RealServer) -> Iterator[RunningDaemon]:
    with RunningDaemon([server.url], http=True) as running:
        running.wait_polled(1)
        yield running


def test_an_address_that_others_can_reach_needs_tokens_or_insecure() -> None:
    def problems(**flags: object) -> str:
        given = {f"--{key}": (key.replace("_", ".", 1), value) for key, value in flags.items()}
        try:
            load_config(flags=given)
        except ConfigError as error:
            return str(error)
        return ""

    assert "http.token_file" in problems(http_listen="0.0.0.0:9121")
    assert not problems(http_listen="0.0.0.0:9121", security_insecure=True)
    assert not problems(http_listen="0.0.0.0:9121", http_token_file="/tokens")
    assert not problems(http_listen="[::1]:9121")
    assert "http.key_file" in problems(http_listen="127.0.0.1:9121", http_cert_file="/cert")


def test_the_daemon_is_ready_after_the_first_poll_of_each_shard(server: RealServer) -> None:
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.create_server((HOST, 0)))
        urls = [server.url, f"redis://{HOST}:{silent.getsockname()[1]}"]
        environ = {"ZINFO_POLL_CONNECT_TIMEOUT": "60", "ZINFO_POLL_TIMEOUT": "60"}
        daemon = stack.enter_context(RunningDaemon(urls, http=True, environ=environ))
        daemon.wait_polled(1)
        early = fetch(daemon.http, "readyz")
        assert early.status == 503
        assert early.json == {"status": "starting", "waiting": 1, "sources": []}
        silent.close()  # resets the connection, so that the first poll fails
        wait_until(lambda: fetch(daemon.http, "readyz").status == 200, what="to be ready")
        states = {one["state"] for one in fetch(daemon.http, "api/v1/shards").json["data"]}
        assert states == {"up", "down"}


def test_an_address_in_use_is_reported() -> None:
    port = free_port()
    command = [sys.executable, "-m", "zinfo", "serve", f"--http={HOST}:{port}"]
    command += [f"--query=tcp://{HOST}:{free_port()}", f"--bus=tcp://{HOST}:{free_port()}"]
    with socket.create_server((HOST, port)):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"HTTP server: cannot listen at {HOST}:{port}: Address already in use" in done.stderr
