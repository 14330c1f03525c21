"""One text is one address, or one error, wherever zinfo is given it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import invoke
from tests.promises import Promise
from zinfo import aio
from zinfo.client import Client, Mirror, Subscriber
from zinfo.config import load_config
from zinfo.discovery.shard_spec import ShardSpec
from zinfo.errors import ConfigError
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.shards.shard import RedisShard

PASSWORD = "hunter2"

GOOD_SHARDS = {
    "redis://db-1": "db-1:6379",
    "redis://db-1/": "db-1:6379",
    "redis://DB-1.Example.net:07000/3": "db-1.example.net:7000",
    "REDISS://10.0.0.1:65535": "10.0.0.1:65535",
    "redis://[::1]": "[::1]:6379",
    "redis://[FE80::1%Eth0]:7000": "[fe80::1%Eth0]:7000",
    "redis://[fe80::1%25eth0]:7000": "[fe80::1%eth0]:7000",
    "redis://[fe80::1%enP2p1s0]": "[fe80::1%enP2p1s0]:6379",
    "redis://[fe80::1%25enP2p1s0]": "[fe80::1%enP2p1s0]:6379",
    f"redis://us%40er:%23%3F{PASSWORD}%2F@db-1:1": "db-1:1",
    f"redis://:a@b:{PASSWORD}@db-1": "db-1:6379",
    "unix:///run/redis%20a.sock": "/run/redis a.sock",
    f"unix://:{PASSWORD}@/run/redis.sock": "/run/redis.sock",
}

BAD_SHARDS = {
    "redis://": "no host",
    "redis://:0": "no host",
    "redis://:6379": "no host",
    "redis:///3": "no host",
    f"redis://:{PASSWORD}@": "no host",
    f"redis://:{PASSWORD}@:6379": "no host",
    "redis://db-1:": "its port",
    "redis://db-1:0": "its port",
    "redis://db-1:65536": "its port",
    "redis://db-1:-1": "its port",
    "redis://db-1:+1": "its port",
    "redis://db-1:6379x": "its port",
    f"redis://db-1:{PASSWORD}": "its port",
    "redis://*:6379": "its host is *",
    "redis://::1": "IPv6",
    "redis://fe80::1:6379": "IPv6",
    "redis://[::1": "IPv6",
    "redis://[db-1]:6379": "not an IPv6 address",
    "redis://[fe80::1%]": "zone",
    "redis://[fe80::1%a/b]": "database",
    "redis://[::1]6379": "after its [ ]",
    "redis://db%2D1": "not a name",
    "redis://db-1/keys": "database",
    "redis://db-1/0/1": "database",
    f"redis://db-1?password={PASSWORD}": "a ? or a #",
    f"redis://db-1#{PASSWORD}": "a ? or a #",
    f"redis://:{PASSWORD}#@db-1": "a ? or a #",
    f"redis://:{PASSWORD}/@db-1": "a / before its @",
    f"redis://:{PASSWORD}%FF@db-1": "not UTF-8",
    f"redis://:{PASSWORD} @db-1": "white space",
    "redis://db-1\t": "white space",
    "unix://": "absolute",
    "unix://run/redis.sock": "absolute",
    "unix:///run/redis.sock?db=1": "a ? or a #",
    "db-1:6379": "no scheme",
    f"http://u:{PASSWORD}@db-1": "scheme",
    "": "no scheme",
}

GOOD_ENDPOINTS = (
    "tcp://127.0.0.1:9736",
    "tcp://localhost:1",
    "tcp://[::1]:9736",
    "tcp://[fe80::1%eth0]:9736",
    "tcp://[fe80::1%25enP2p1s0]:9736",
    "ipc:///run/zinfo/query",
)

BAD_ENDPOINTS = {
    "127.0.0.1:9736": "no scheme",
    "tcp://:9736": "no host",
    "tcp://127.0.0.1": "no port",
    "tcp://127.0.0.1:": "its port",
    "tcp://127.0.0.1:0": "its port",
    "tcp://127.0.0.1:65536": "its port",
    "tcp://127.0.0.1:9736/x": "its port",
    "tcp://127.0.0.1:9736?x": "its port",
    "tcp://127.0.0.1:\u0661": "its port",
    "tcp://::1:9736": "IPv6",
    "tcp://[db-1]:9736": "not an IPv6 address",
    "tcp://[fe80::1%]:9736": "zone",
    f"u:{PASSWORD}@db-1:9736": "no scheme",
    f"tcp://u:{PASSWORD}@db-1:9736": "IPv6",
    f"tcp://{PASSWORD}@db-1:9736": "not a name",
    f"redis://:{PASSWORD}@db-1:9736": "scheme",
    "ipc://": "1 to 107 bytes",
    "ipc:///" + "a" * 107: "1 to 107 bytes",
    "tcp://127.0.0.1 :9736": "white space",
}

GOOD_LISTEN = {
    "127.0.0.1:0": ("127.0.0.1", 0),
    "localhost:8000": ("localhost", 8000),
    "[::1]:8000": ("::1", 8000),
}

BAD_LISTEN = {
    "localhost": "no port",
    ":8000": "no host",
    "127.0.0.1:": "its port",
    "127.0.0.1:65536": "its port",
    "127.0.0.1:80x": "its port",
    "127.0.0.1:8000/": "its port",
    "*:8000": "its host is *",
    "::1:8000": "IPv6",
    "[db-1]:8000": "not an IPv6 address",
    f"u:{PASSWORD}@h:8000": "IPv6",
    "127.0.0.1 :8000": "white space",
}


def said_by(take: Callable[[], object]) -> str:
    """Return the error that a call raises; "" where it raises none."""
    try:
        take()
    except (ConfigError, ValueError) as error:
        return str(error)
    return ""


def said_by_command(*arguments: str) -> str:
    """Return what a command prints that was used wrongly; "" where it went on."""
    done = invoke(*arguments)
    return done.output if done.exit_code in (1, 2) else ""


def toml(text: str) -> str:
    """Return a text as a TOML string."""
    return '"' + "".join(f"\\u{ord(character):04x}" for character in text) + '"'


def flag(option: str, key: str, value: object) -> Callable[[], object]:
    return lambda: load_config(flags={option: (key, value)})


def shard_errors(url: str, file: Path) -> dict[str, str]:
    file.write_text(f"[[shards]]\nurl = {toml(url)}\n")
    return {
        "zinfo check": said_by_command("check", str(file)),
        "--shard": said_by(flag("--shard", "shards", (url,))),
        "RedisShard": said_by(lambda: RedisShard("a", url)),
        "ConnectionOptions": said_by(lambda: ConnectionOptions(url=url)),
    }


def endpoint_errors(endpoint: str, file: Path) -> dict[str, str]:
    file.write_text(f"[query]\nendpoint = {toml(endpoint)}\n")
    return {
        "zinfo check": said_by_command("check", str(file)),
        "--query": said_by(flag("--query", "query.endpoint", endpoint)),
        "bus.advertise": said_by(flag("--advertise", "bus.advertise", endpoint)),
        "--connect": said_by_command("get", "--connect", endpoint),
        "Client": said_by(lambda: Client(endpoint)),
        "Subscriber": said_by(lambda: Subscriber(endpoint)),
        "Subscriber(bus=)": said_by(lambda: Subscriber(bus=endpoint)),
        "Mirror": said_by(lambda: Mirror(endpoint)),
        "aio.Client": said_by(lambda: aio.Client(endpoint)),
    }


def listen_errors(listen: str, file: Path) -> dict[str, str]:
    file.write_text(f"[http]\nlisten = {toml(listen)}\n")
    return {
        "zinfo check": said_by_command("check", str(file)),
        "--http": said_by(flag("--http", "http.listen", listen)),
        "--xmlrpc": said_by(flag("--xmlrpc", "xmlrpc.listen", listen)),
        "top --web": said_by_command("top", "--web", listen),
    }


KINDS: dict[str, tuple[dict[str, str], Callable[[str, Path], dict[str, str]]]] = {
    "shard URL": (BAD_SHARDS, shard_errors),
    "endpoint": (BAD_ENDPOINTS, endpoint_errors),
    "HOST:PORT": (BAD_LISTEN, listen_errors),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_invalid_address_is_refused_everywhere_for_the_same_reason(
    kind: str, tmp_path: Path, promise: Promise
) -> None:
    table, errors_of = KINDS[kind]
    checked, odd, shown = 0, [], []
    for text, reason in table.items():
        for place, error in errors_of(text, tmp_path / "zinfo.toml").items():
            checked += 1
            if reason not in error:
                odd.append((text, place, error))
            if PASSWORD in error:
                shown.append((text, place, error))
    promise(
        f"{len(table)} invalid addresses: {kind}",
        "refused everywhere for the same reason, no password shown",
        f"{checked - len(odd)} of {checked} refused so, {len(shown)} repeat a password",
    )
    assert odd == []
    assert shown == []


def test_a_valid_shard_url_is_the_same_shard_everywhere(promise: Promise) -> None:
    odd = []
    for url, ident in GOOD_SHARDS.items():
        (shard,) = load_config(flags={"--shard": ("shards", (url,))}).shards
        idents: dict[str, Any] = {
            "--shard": shard.id,
            "its url alone": ShardSpec(ConnectionOptions(url=shard.url)).ident,
            "Python": ShardSpec(ConnectionOptions(url=url)).ident,
        }
        odd += [(url, place, found) for place, found in idents.items() if found != ident]
    promise(f"{len(GOOD_SHARDS)} valid shard URLs", "same id everywhere", f"{len(odd)} others")
    assert odd == []


@pytest.mark.parametrize("endpoint", GOOD_ENDPOINTS)
def test_a_valid_endpoint_is_accepted_by_daemon_and_clients(endpoint: str) -> None:
    assert said_by(flag("--bus", "bus.advertise", endpoint)) == ""
    assert said_by(lambda: Client(endpoint).close()) == ""


@pytest.mark.parametrize(("listen", "address"), GOOD_LISTEN.items())
def test_a_valid_listening_address_is_the_same_everywhere(
    listen: str, address: tuple[str, int]
) -> None:
    for name in ("http", "xmlrpc"):
        config = load_config(flags={f"--{name}": (f"{name}.listen", listen)})
        assert getattr(config, name).address == address
