"""A program that runs a daemon at link-local IPv6 addresses, and prints what its clients received.

`python -m tests.faults.zones` needs an interface called enP2p1s0 with the address fe80::77.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.servers import RealServer
from tests.spawning import free_port
from tests.waiting import wait_until
from zinfo.client import Client, Subscriber
from zinfo.errors import ZinfoError

INTERFACE = "enP2p1s0"
ADDRESS = "fe80::77"


def main() -> None:
    """Run a daemon for each notation of the zone."""
    with RealServer(host=f"{ADDRESS}%{INTERFACE}", args=("--protected-mode", "no")) as server:
        found = {
            zone: _reports(f"[{ADDRESS}{zone}]", server)
            for zone in (f"%{INTERFACE}", f"%25{INTERFACE}")
        }
    json.dump(found, sys.stdout)


def _reports(host: str, server: RealServer) -> dict[str, object]:
    query, bus, web = free_port(), free_port(), free_port()
    config = f"""
    [[shards]]
    url = "redis://{host}:{server.port}"
    [query]
    endpoint = "tcp://{host}:{query}"
    [bus]
    endpoint = "tcp://{host}:{bus}"
    [http]
    listen = "{host}:{web}"
    [security]
    insecure = true
    """
    with tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder) / "zinfo.toml", Path(folder) / "log"
        file.write_text(config)
        command = [sys.executable, "-m", "zinfo", "serve", "--config", str(file)]
        with log.open("wb") as output, subprocess.Popen(command, stderr=output) as process:
            try:
                endpoint = f"tcp://{host}:{query}"
                shard = wait_until(lambda: _shard_at(endpoint), what=f"a shard\n{log.read_text()}")
                with Subscriber(endpoint) as subscriber:
                    message = type(subscriber.recv(timeout=30)).__name__
                return {
                    "id": shard["id"],
                    "message": message,
                    "http": _status(web, "/api/v1/infos"),
                    "scrape": _status(web, f"/scrape?target={quote(f'{host}:{server.port}')}"),
                    "log": [line for line in log.read_text().splitlines() if "HTTP" in line],
                }
            finally:
                process.terminate()


def _shard_at(endpoint: str) -> Any:
    try:
        with Client(endpoint, timeout=1.0) as client:
            return next((shard for shard in client.shards() if shard["state"] == "up"), None)
    except ZinfoError:
        return None


def _status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection(f"{ADDRESS}%{INTERFACE}", port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


if __name__ == "__main__":
    main()
