"""Passwords and secret keys appear in no output of a daemon."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote
from xmlrpc.client import Fault, ServerProxy

import psutil
import pytest
import redis
from click.testing import CliRunner

from tests.adapters.http.requests import fetch
from tests.conftest import ServerFactory
from tests.daemons import RunningDaemon
from tests.faults.peers import INFO, Peer, bulk
from tests.promises import Promise
from tests.security.keyring import Keyring, subscribed
from tests.spawning import command_prefix
from tests.waiting import wait_until
from zinfo.cli.app import cli
from zinfo.client import Client

GOOD = "g00d-Passw0rd%3F"
SECRETS = {
    "in a file": "pw-in-file-71",
    "in the environment": "pw-in-env-72",
    "in the configuration": "pw-in-config-73",
    "in a URL": "pw-in-url-74",
}


def test_no_secret_appears_in_any_output(
    keyring: Keyring, server_factory: ServerFactory, short_tmp: Path, promise: Promise
) -> None:
    good = server_factory(password=GOOD)
    file, right = short_tmp / "pw", short_tmp / "right"
    for path, text in ((file, SECRETS["in a file"]), (right, GOOD)):
        path.touch(0o600)
        path.write_text(text)
    address = f"redis://{good.ident}"
    tables = [  # the first key is valid, the others are not: their errors must not show them
        ("good", address, f'password_file = "{right}"'),
        ("file", address, f'password_file = "{file}"'),
        ("env", address, 'password_env = "SHARD_PW"'),
        ("config", address, f'password = "{SECRETS["in the configuration"]}"'),
        ("url", f"redis://me:{SECRETS['in a URL']}@{good.ident}", ""),
        ("gone", f"redis://me:{SECRETS['in a URL']}@127.0.0.1:1", ""),
    ]
    shards = "".join(
        f'[[shards]]\nid = "{ident}"\nurl = "{url}"\n{more}\n' for ident, url, more in tables
    )
    said: dict[str, str] = {}
    daemon = RunningDaemon(
        config_text=keyring.config() + shards,
        keys=keyring.of("admin"),
        environ={"SHARD_PW": SECRETS["in the environment"]},
        args=["--log-level=debug"],
    )
    with (
        daemon,
        Client(daemon.query, keys=keyring.of("admin")) as client,
        subscribed(daemon.bus, keyring.of("admin"), b"") as bus,
    ):

        def settled() -> bool:
            states = {shard["id"]: shard["state"] for shard in client.shards()}
            downs = [state for ident, state in states.items() if ident != "good"]
            return states["good"] == "up" and downs == ["down"] * 5

        wait_until(settled, what="one shard up and five down")
        assert bus.poll(30_000)
        heard: list[list[bytes]] = []
        while bus.poll(1500) and len(heard) < 60:
            heard.append(bus.recv_multipart())
        said["bus"] = repr(heard)
        for operation in ("hello", "get_infos", "shards", "snapshot", "events", "stats"):
            said[operation] = repr(client.request(operation))
        said["an error"] = repr(client.request("ping"))
        process = psutil.Process(daemon.pid)
        said["process list"] = repr(process.cmdline())
        broken = shards.replace("redis://me", "redis//me") + "oops = 1\n"
        daemon.config_path.write_text(keyring.config() + broken)
        done = subprocess.run(
            [*command_prefix(), sys.executable, "-m", "zinfo", "check", str(daemon.config_path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said["zinfo check"] = done.stdout + done.stderr
        assert done.returncode == 1
    said["log"] = daemon_log = daemon.last_log
    assert "auth" in said["events"]
    assert daemon_log
    secrets = {**SECRETS, "that is right": GOOD, "that is right, decoded": "g00d-Passw0rd?"}
    for name in ("server", "admin"):
        line = (keyring.directory / f"{name}.key_secret").read_text().split("secret-key = ")[1]
        secrets[f"key of {name}"] = line.strip().strip('"')
    found = [
        f"{what} shown by {where}"
        for what, secret in secrets.items()
        for where, text in said.items()
        if secret in text
    ]
    size = sum(map(len, said.values()))
    promise(
        f"{len(secrets)} secrets, {len(said)} outputs",
        "appear nowhere",
        f"{len(found)} found in {size} characters",
    )
    assert found == []


# --- secrets that a server repeats

LONG = "pw-long-" + "0123456789abcdef" * 12  # Redis truncates the arguments that it repeats
REPEATED = {"plain": "pw-plain-81", "odd": 'pw-"ödd"/\\82', "long": LONG}
USER = "zi-user-83"


def test_a_password_that_a_server_repeats_appears_nowhere(
    server_factory: ServerFactory, short_tmp: Path, promise: Promise
) -> None:
    server = server_factory(args=("--rename-command", "AUTH", "anything-else"))
    with pytest.raises(redis.ResponseError, match="pw-plain-81"):  # a real server repeats it
        redis.Redis(port=server.port, password=REPEATED["plain"], protocol=2).ping()
    tables = ""
    for kind, password in REPEATED.items():
        file = short_tmp / kind
        file.touch(0o600)
        file.write_text(password)
        address, encoded = f"redis://{server.ident}", quote(password, safe="")
        tables += (
            f'[[shards]]\nid = "{kind}-file"\nurl = "{address}"\npassword_file = "{file}"\n'
            f'[[shards]]\nid = "{kind}-user"\nurl = "{address}"\npassword_file = "{file}"\n'
            f'username = "{USER}"\n'
            f'[[shards]]\nid = "{kind}-url"\nurl = "redis://{USER}:{encoded}@{server.ident}"\n'
        )
    said = all_that_is_said(tables, lambda states: set(states.values()) == {"down"})
    shards = said["api/v1/shards"]
    found = leaks([*REPEATED.values(), USER], said)
    size = sum(map(len, said.values()))
    promise(
        "rename-command AUTH: Redis repeats user and password",
        "appear nowhere",
        f"{len(found)} found in {len(said)} places, {size} characters",
    )
    assert found == []
    assert shards.count("the server does not know AUTH") == 9
    assert shards.count('"reason":"auth"') == 9


def test_a_secret_that_a_server_repeats_later_appears_nowhere(promise: Promise) -> None:
    password = REPEATED["odd"]
    forms = {
        "plain": password,
        "escaped": password.replace("\\", r"\\").replace('"', r"\"").replace("ö", r"\xc3\xb6"),
        "in a URL": quote(password, safe=""),
        "in Python": repr(password.encode()),
        "cut off": password[:8],
        "with its user": f"{USER} {password}",
    }
    lines = {kind: f"-ERR what is {form}?\r\n" for kind, form in forms.items()}
    lines["NOPERM"] = f"-NOPERM User {USER} has no permissions to run the 'info' command\r\n"

    def repeating(line: str, always: bool) -> Callable[[Peer, socket.socket, list[bytes]], bool]:
        requests = 0

        def fault(_peer: Peer, connection: socket.socket, words: list[bytes]) -> bool:
            nonlocal requests
            if words[0].upper() != b"INFO":
                connection.sendall(b"+OK\r\n")
                return False
            requests += 1
            good = requests == 1 or not (always or requests % 2 == 0)
            connection.sendall(bulk(INFO) if good else line.encode())
            return False

        return fault

    # Servers that keep running repeat it to a new connection, the others to an old one.
    peers = {
        f"{kind}, {'always' if always else 'now and then'}": Peer(repeating(line, always))
        for kind, line in lines.items()
        for always in (True, False)
    }
    with contextlib.ExitStack() as stack:
        tables = ""
        for kind, peer in peers.items():
            peer.bad = True
            stack.enter_context(peer)
            place = peer.url.removeprefix("redis://")
            url = f"redis://{USER}:{quote(password, safe='')}@{place}"
            tables += f'[[shards]]\nid = "{kind}"\nurl = "{url}"\n'
        later = "NOPERM User *** has no permissions to run the 'info' command; connected again"
        said = all_that_is_said(tables, lambda states: {*states.values()} == {"up", "down"}, later)
    found = leaks([password, USER], said)
    promise(
        f"a server repeats them in errors later: {', '.join(lines)}",
        "appear nowhere",
        f"{len(found)} found in {len(said)} places",
    )
    assert found == []
    assert "User *** has no permissions to run the 'info' command" in said["api/v1/shards"]
    assert later in said["api/v1/events"]


def all_that_is_said(
    tables: str, settled: Callable[[dict[str, str]], bool], event: str = ""
) -> dict[str, str]:
    """Return all outputs of a daemon with these shards, by name.

    Args:
        tables: The shards, as a part of the configuration.
        settled: Whether the shards have the states, by id, that the outputs shall show.
        event: Text of an event that they shall show.
    """
    poll = "[poll]\nmin_interval = 0.1\nmax_interval = 0.1\ninterval_step = 0\ngrace = 1\n"
    daemon = RunningDaemon(
        config_text=poll + tables, http=True, xmlrpc=True, args=["--log-level=debug"]
    )
    said: dict[str, str] = {}
    with daemon, Client(daemon.query) as client, subscribed(daemon.bus, None, b"") as bus:
        heard: list[list[bytes]] = []

        def all_settled() -> bool:
            while bus.poll(0):
                heard.append(bus.recv_multipart())
            return settled({shard["id"]: shard["state"] for shard in client.shards()})

        wait_until(all_settled, what="the shards to settle")
        wait_until(lambda: event in str(client.request("events")), what=f"the event {event!r}")
        wait_until(lambda: "failures in a row" in daemon.log(), what="a warning in the log")
        for operation in ("hello", "shards", "snapshot", "events", "stats"):
            said[operation] = repr(client.request(operation))
        ids = [shard["id"] for shard in client.shards()]
        said["get_infos"] = repr(
            client.request("get_infos", shard_ids=ids, refresh=True, allow_partial=True)
        )
        for path in ("metrics", "api/v1/shards", "api/v1/events", "api/v1/stats", "readyz"):
            said[path] = fetch(daemon.http, path).text
        with ServerProxy(daemon.xmlrpc, allow_none=True) as proxy:
            try:
                said["XML-RPC"] = repr(proxy.GetInfos(ids, [], True))
            except Fault as fault:
                said["XML-RPC"] = repr(fault)
        for command in (["events"], ["shards"], ["get", *ids, "--partial"]):
            done = CliRunner().invoke(cli, [*command, "--connect", daemon.query])
            said[f"zinfo {command[0]}"] = done.output
        while bus.poll(0):
            heard.append(bus.recv_multipart())
        said["bus"] = repr(heard)
    said["log"] = daemon.last_log
    assert "failures in a row" in said["log"]
    return said


def leaks(secrets: list[str], said: dict[str, str]) -> list[str]:
    """Return the secrets found in each text, in all encodings."""
    found = []
    for secret in secrets:
        forms = {secret, quote(secret, safe=""), repr(secret)[1:-1], repr(secret.encode())[2:-1]}
        forms |= {json.dumps(secret)[1:-1], secret[:8]}
        found += [
            f"{form} shown by {where}"
            for where, text in said.items()
            for form in forms
            if form in text
        ]
    return found
