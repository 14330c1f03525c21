"""docs/troubleshooting.md quotes what zinfo prints: each test causes the errors of one section."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import trustme

from tests.cli.running import Following, environment, invoke, request_count, zinfo
from tests.conftest import ServerFactory
from tests.daemons import RunningDaemon
from tests.docs.pages import QUICK, ROOT
from tests.servers import RealServer, available_kinds, free_port
from tests.waiting import wait_until
from zinfo.client import Client, Mirror
from zinfo.demo.program import find_program
from zinfo.errors import EnvironmentNotReadyError, NoAnswerError
from zinfo.wire.curve_keys import ClientKeys

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")

NOT_PRODUCED = {
    "user and password are not sent to process": "tests/security/test_local_credentials.py does",
    "is not watched": "needs a server that cannot be read, as in tests/watchers",
    "- gap: messages were lost": "whether a message is lost is a matter of time",
    "messages arrive": "needs a slow network, as in tests/client",
    '"status":"starting"': "is over before a request, or is not, depending on the machine",
    "crashed; restarting it in": "needs a bug, as in tests/daemon",
    "exported_instance": "Prometheus shows it, with a wrong configuration",
}
"""Beginnings of texts that these tests do not cause, and why; their words are in the source."""

VARIABLE = re.compile(
    r"(?<=unknown key )\S+(?= from)|(tcp|rediss?|http)://\S*?(?=[\s:;,]*(\s|$))|\b[\w.-]+:\d{2,5}\b"
    r"|\S*(?<!docs)/[\w./-]+|\b\w+\.toml\b|\d[\d.]*"
)
"""Parts of a text that differ from one machine and one run to the next."""


def normal(text: str) -> str:
    """Return a text with `*` for its variable parts."""
    return re.sub(r"\*+", "*", VARIABLE.sub("*", text))


def quoted(section: str) -> list[str]:
    """Return the lines of the text blocks in a section of the page."""
    (found,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    blocks = re.findall(r"^```text\n(.*?)^```", found, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


def check(section: str, printed: str) -> None:
    """Assert that each quoted line of a section was printed."""
    lines = quoted(section)
    assert lines
    seen = normal(printed)
    missing = [
        line
        for line in lines
        if normal(line) not in seen and not any(text in line for text in NOT_PRODUCED)
    ]
    assert not missing, f"{missing} not in:\n{seen}"


def text_of(*arguments: str, daemon: RunningDaemon | None = None, **environ: str) -> str:
    """Return what a command prints; the daemon gets a process of its own."""
    if arguments[0] != "serve":
        return invoke(*arguments, daemon=daemon).output
    done = zinfo(*arguments, environ=environ)
    return done.stdout + done.stderr


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def peer(reply: bytes) -> Iterator[str]:
    """Run a server that sends a reply to what it receives; b"" resets the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):  # the listener is closed at the end
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.recv(1000)
                        if reply:
                            connection.sendall(reply)
                        else:
                            linger = struct.pack("ii", 1, 0)
                            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.fixture
def strangers() -> Iterator[tuple[str, ...]]:
    """The addresses of servers of HTTP and SSH, and of one that resets each connection."""
    with contextlib.ExitStack() as stack:
        replies = (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"")
        yield tuple(stack.enter_context(peer(reply)) for reply in replies)


def tls_address(server_factory: ServerFactory, folder: Path) -> str:
    """Start a server with TLS, and return its port's address; writes ca.pem and other.pem."""
    kinds = [kind for kind in available_kinds() if b"libssl" in kind.binary.read_bytes()]
    if not kinds:
        pytest.skip("no server with TLS here; Debian's redis-server has it")
    authority, port = trustme.CA(), free_port()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(folder / "other.pem"))
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    options = f"""--tls-port {port} --tls-cert-file {folder}/server.pem --tls-auth-clients no
        --tls-key-file {folder}/server.pem --tls-ca-cert-file {folder}/ca.pem"""
    server_factory(kinds[0], args=shlex.split(options))
    return f"127.0.0.1:{port}"


def test_a_server_is_down(
    server_factory: ServerFactory, short_tmp: Path, silent: str, strangers: tuple[str, ...]
) -> None:
    plain, secret = server_factory(), server_factory(password="secret")
    full = server_factory(args=("--maxclients", "1"))
    tls = tls_address(server_factory, short_tmp)
    empty = short_tmp / "empty"
    empty.touch(0o600)
    wrong_name = f"rediss://{tls.replace('127.0.0.1', 'localhost')}"
    admin, occupant = redis.Redis.from_url(plain.url), redis.Redis.from_url(full.url)
    with contextlib.closing(admin), contextlib.closing(occupant):
        admin.execute_command("ACL", "SETUSER", "zinfo", "on", ">pw", "+client|setname")
        occupant.ping()
        shards = [
            f'url = "redis://127.0.0.1:{free_port()}"',
            f'url = "{full.url}"',
            f'url = "redis://{silent}"',
            f'url = "rediss://{silent}"',
            f'url = "redis://{secret.ident}"',
            f'url = "redis://{secret.ident}"\npassword = "wrong"',
            f'url = "{plain.url}"\npassword = "needless"',
            f'url = "redis://{secret.ident}"\npassword_file = "{short_tmp}/missing"',
            f'url = "{plain.url}"\nusername = "zinfo"\npassword = "pw"',
            f'url = "rediss://{tls}"\nca_file = "{short_tmp}/other.pem"',
            f'url = "{wrong_name}"\nca_file = "{short_tmp}/ca.pem"',
            'url = "redis://nohost.invalid:6379"',
            f'url = "redis://{tls}"',
            f'url = "rediss://{plain.ident}"',
            f'url = "{plain.url}"\npassword_file = "{empty}"',
            *(f'url = "redis://{stranger}"' for stranger in strangers),
        ]
        config = "".join(
            f'[[shards]]\nid = "cache-{number}"\n{shard}\n' for number, shard in enumerate(shards)
        )
        environ = {"ZINFO_POLL_TIMEOUT": "1", "ZINFO_POLL_CONNECT_TIMEOUT": "1"}
        with RunningDaemon(config_text=config, environ=environ) as daemon:

            def states() -> list[str]:
                body = daemon.ask("shards").body
                assert isinstance(body, list)
                return [shard["state"] for shard in body]

            wait_until(lambda: set(states()) == {"down"}, 30, "every shard to be down")
            printed = text_of("shards", daemon=daemon)
        printed += out_of_files(plain, short_tmp)
    check("A server is down", printed)


def out_of_files(server: RealServer, folder: Path) -> str:
    """Return what a daemon prints that has too few file descriptors for its shards."""
    path = folder / "many.toml"
    shard = '[[shards]]\nid = "cache-{}"\nurl = "{}"\n'
    path.write_text("".join(shard.format(number, server.url) for number in range(40)))
    ports = [f"tcp://127.0.0.1:{free_port()}" for _ in range(2)]
    words = [sys.executable, "-m", "zinfo", "serve", f"--config={path}"]
    command = (
        f"ulimit -n 50; exec {shlex.join([*words, f'--query={ports[0]}', f'--bus={ports[1]}'])}"
    )
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", command], stderr=output, env=environment(None), cwd=ROOT
        )
    try:
        wait_until(lambda: "in a row" in log.read_text(), 30, "a shard without a descriptor")
        wait_until(lambda: "short of file" in log.read_text(), 30, "the warning")
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    # In the log a shard has a word before it.
    return log.read_text().replace("poller: shard ", "")


def key_files(folder: Path, *clients: str) -> Path:
    keys = folder / "keys"
    for names in ((), clients):
        assert invoke("keygen", str(keys), *names).exit_code == 0
    return keys


def test_a_command_fails(server_factory: ServerFactory, short_tmp: Path) -> None:
    server = server_factory()
    labelled = f'[[shards]]\nurl = "redis://127.0.0.1:{free_port()}"\nlabels = {{ site = "fra" }}'
    with RunningDaemon([server.url], config_text=labelled) as daemon:
        daemon.wait_polled(1)
        refused = next(str(s["id"]) for s in shards_of(daemon) if s["id"] != server.ident)
        printed = text_of("get", refused, daemon=daemon).replace(refused, "cache-1")
        printed += text_of("get", "cache-9", daemon=daemon)
        recorded = ("record", f"{short_tmp}/x.zrec", "--shard=cache-9", "--seconds=0.1")
        printed += text_of(*recorded, daemon=daemon)
        printed += text_of("shards", "--label=site=frb", daemon=daemon)
        printed += text_of("shards", "--label=sitee=fra", daemon=daemon)
        printed += text_of("get", "--key=used_memroy", daemon=daemon)
        printed += text_of("get", "--section=memroy", daemon=daemon)
        printed += text_of("get", "--section=memory", "--key=role", daemon=daemon)
        printed += text_of("shards", "--timeout=0.1", f"--connect={daemon.bus}")
        printed += text_of("shards", "--timeout=0.1", f"--connect=tcp://127.0.0.1:{free_port()}")
    advertised = f'[bus]\nadvertise = "tcp://127.0.0.1:{free_port()}"'
    with RunningDaemon([server.url], config_text=advertised) as daemon:
        printed += text_of("watch", "--timeout=0.5", daemon=daemon)
    printed += text_of("shards", "--server-key=key")
    printed += text_of("shards", "--connect=localhost:9736")
    with Client(daemon.query, timeout=1) as client, pytest.raises(NoAnswerError) as error:
        client.shards()
    check("A command fails", printed + str(error.value) + with_keys(server, short_tmp))


def shards_of(daemon: RunningDaemon) -> list[dict[str, object]]:
    body = daemon.ask("shards").body
    assert isinstance(body, list)
    return body


def with_keys(server: RealServer, folder: Path) -> str:
    """Return what a daemon with keys and its clients print."""
    keys = key_files(folder, "dashboard", "cron", "limited")
    foreign = key_files(folder / "elsewhere", "stranger")
    config = f"""
    [[shards]]
    url = "{server.url}"
    id = "db-1"
    [security]
    server_key = "{keys}/server.key_secret"
    client_keys = "{keys}/clients"
    [clients.dashboard]
    [clients.limited]
    shards = ["cache-"]
    operations = ["get_infos"]
    """
    admitted = ClientKeys.read(str(keys / "server.key"), str(keys / "dashboard.key_secret"))
    with RunningDaemon(config_text=config, keys=admitted) as daemon:

        def said(secret: Path, *arguments: str) -> str:
            files = (f"--server-key={keys}/server.key", f"--client-key={secret}")
            return text_of(*arguments, "--timeout=1", *files, daemon=daemon)

        printed = said(keys / "limited.key_secret", "shards")
        printed += said(keys / "limited.key_secret", "get", "db-1")
        printed += said(foreign / "stranger.key_secret", "shards")
        wait_logged(daemon, "refused: unknown key")
    return printed + daemon.last_log


def test_the_daemon_does_not_start(server_factory: ServerFactory, short_tmp: Path) -> None:
    path, server = short_tmp / "zinfo.toml", server_factory()
    printed = ""
    for text in (
        '[[shards]]\nurl = "redis://a:6379"\n' * 2 + "[poll]\ntimeoutt = 2\n",
        '[[shards]]\nurl = "redis://a"\n[[shards]]\nurl = "redis://b"\n'
        '[[shards]]\nurl = "redis://c"\ntimeout = "fast"\n',
        "[poll]\nmin_interval = 5.0\n",
        "[[shards]\n",
        "[clients.x]\n",
    ):
        path.write_text(text)
        printed += text_of("check", str(path))
    printed += text_of("serve", ZINFO_POLL_TIMEOUTT="2")
    printed += text_of("serve", "--query=tcp://0.0.0.0:9736")
    printed += text_of("serve", "--http=0.0.0.0:9121")
    with RunningDaemon([server.url]) as daemon:
        free = f"--query=tcp://127.0.0.1:{free_port()}"
        printed += text_of("serve", f"--shard={server.url}", free, f"--bus={daemon.bus}")
    keys = key_files(short_tmp, "cron")
    short_tmp.chmod(0o755)
    (short_tmp / "redis-password").write_text("secret\n")
    (short_tmp / "redis-password").chmod(0o644)
    (keys / "clients").chmod(0o777)
    (keys / "clients" / "cron.key").write_text("nothing")
    config = f"""
    [[shards]]
    url = "{server.url}"
    password_file = "{short_tmp}/redis-password"
    [security]
    server_key = "{keys}/server.key_secret"
    client_keys = "{keys}/clients"
    """
    path.write_text(config)
    printed += text_of("check", str(path)) + text_of("serve", f"--config={path}", free)
    with RunningDaemon(config_text="[local]\nenabled = false\n") as daemon:
        pass
    check("The daemon does not start", printed + daemon.last_log)


def test_a_change_of_the_configuration_has_no_effect(server: RealServer) -> None:
    shard = f'[[shards]]\nurl = "{server.url}"\n'
    with RunningDaemon(config_text=shard) as daemon:
        for text, line in (
            ("[poll]\ntimeoutt = 2\n", "configuration not taken"),
            ("[query]\nmax_request_bytes = 4096\n", "configuration read again"),
        ):
            daemon.config_path.write_text(shard + text)
            os.kill(daemon.pid, signal.SIGHUP)
            wait_logged(daemon, line)
    printed = daemon.last_log.replace("watching 1 shard\n", "watching 1 shards\n")
    check("A change of the configuration has no effect", printed)


def wait_logged(daemon: RunningDaemon, text: str) -> None:
    wait_until(lambda: text in daemon.log(), 30, text)


def test_clients_have_old_or_missing_data(server: RealServer, tmp_path: Path) -> None:
    environ = {**QUICK, "ZINFO_NODE": "zinfo-a", "ZINFO_QUERY_EVENTS_KEPT": "1"}
    with RunningDaemon([server.url], environ=environ) as daemon:
        daemon.wait_polled(1)
        printed = text_of("events", daemon=daemon)
        with (
            Following(tmp_path, "watch", "--key=role", daemon=daemon) as watching,
            Mirror(daemon.query) as mirror,
        ):
            mirror.wait_ready(timeout=30)
            wait_until(lambda: request_count(daemon, "get_infos"), what="watch to have begun")
            os.kill(daemon.pid, signal.SIGSTOP)
            watching.wait_for("stale: ")
            printed += problem(mirror, "no answer")
            os.kill(daemon.pid, signal.SIGCONT)
            watching.wait_for("again: ")
            daemon.restart()
            watching.wait_for("restart: ")
            printed += "\n".join(watching.lines)
    with (
        RunningDaemon([server.url]) as one,
        RunningDaemon(environ={"ZINFO_NODE": "zinfo-b"}) as two,
        Mirror(one.query, bus=two.bus) as mirror,
    ):
        printed += problem(mirror, "another")
    check("Clients have old or missing data", printed)


def problem(mirror: Mirror, words: str) -> str:
    """Return the problem of a Mirror that begins with these words, on a line of its own."""
    return wait_until(lambda: _only(mirror.problem, words), 60, words) + "\n"


def test_http(server: RealServer, short_tmp: Path) -> None:
    tokens = short_tmp / "tokens"
    tokens.write_text(f"prometheus {'0123456789abcdef' * 2}\n")
    tokens.chmod(0o600)
    config = f'[[shards]]\nurl = "{server.url}"\n'
    with RunningDaemon(config_text=config, http=True) as daemon:
        printed = response(daemon, "metrics", Host="zinfo")
        printed += response(daemon, "metrics", Origin="http://other.example")
        with contextlib.ExitStack() as stack:

            def stream() -> str:
                address = daemon.http[7:-1].split(":")
                connection = socket.create_connection((address[0], int(address[1])), 30)
                stack.callback(connection.close)
                connection.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return connection.recv(100).decode()

            printed += wait_until(lambda: _only(stream(), " 429 "), 60, "a refused stream")
    with RunningDaemon(
        config_text=f'{config}[http]\ntoken_file = "{tokens}"\n', http=True
    ) as daemon:
        printed += response(daemon, "metrics")
    check("HTTP", printed)


def _only(text: str, part: str) -> str:
    return text if part in text else ""


def response(daemon: RunningDaemon, path: str, **headers: str) -> str:
    """Return the body of an error."""
    request = urllib.request.Request(daemon.http + path, headers=headers)
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=30)
    with error.value as answer:
        return answer.read().decode() + "\n"


def test_prometheus(server: RealServer) -> None:
    with RunningDaemon([server.url], http=True) as daemon:
        check("Prometheus", response(daemon, "scrape?target=cache-9:6379"))


def test_the_daemon_is_slow_or_large(server: RealServer, short_tmp: Path) -> None:
    too_often = {f"ZINFO_POLL_{which}_INTERVAL": "0.0002" for which in ("MIN", "MAX")}
    with RunningDaemon([server.url], environ=too_often) as daemon:
        wait_logged(daemon, "saturated: more")
    check("The daemon is slow or large", daemon.last_log + out_of_files(server, short_tmp))


def test_installation_demo_and_live_view(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = text_of("top")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    printed += invoke("top").output
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    with pytest.raises(EnvironmentNotReadyError) as error:
        find_program()
    check("Installation, demo and live view", f"{printed}Error: {error.value}")


@pytest.mark.parametrize("text", NOT_PRODUCED)
def test_texts_that_are_not_caused_here_are_quoted(text: str) -> None:
    assert text in PAGE


def test_a_text_that_zinfo_does_not_print_is_noticed() -> None:
    with pytest.raises(AssertionError, match="shard cache-9 not found"):
        check("A command fails", "Error: there is no shard cache-9")
