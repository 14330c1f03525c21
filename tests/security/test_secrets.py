"""Passwords and secret keys appear nowhere: all that a daemon says is searched for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from tests.conftest import ServerFactory
from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.security.keyed import Keyring, subscribed
from tests.spawning import command_prefix
from tests.waiting import wait_until
from zinfo.client import Client

GOOD = "g00d-Passw0rd%3F"
SECRETS = {
    "in a file": "pw-in-file-71",
    "in the environment": "pw-in-env-72",
    "in the configuration": "pw-in-config-73",
    "in a URL": "pw-in-url-74",
}


def test_no_secret_is_ever_told(
    keyring: Keyring, server_factory: ServerFactory, short_tmp: Path, promise: Promise
) -> None:
    good = server_factory(password=GOOD)
    file, right = short_tmp / "pw", short_tmp / "right"
    for path, text in ((file, SECRETS["in a file"]), (right, GOOD)):
        path.touch(0o600)
        path.write_text(text)
    address = f"redis://{good.ident}"
    tables = [  # the first is let in, the others are not: their errors must not tell either
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
        assert bus.poll(5000)
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
            timeout=20,
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
        f"{what} told by {where}"
        for what, secret in secrets.items()
        for where, text in said.items()
        if secret in text
    ]
    size = sum(map(len, said.values()))
    promise(
        f"{len(secrets)} secrets, {len(said)} places",
        "told nowhere",
        f"{len(found)} found in {size} characters",
    )
    assert found == []
