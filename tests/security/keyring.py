"""A daemon that requires CURVE keys, and clients with keys."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import zmq

from tests.daemons import RunningDaemon, set_curve_keys
from tests.waiting import wait_until
from zinfo.client import Client
from zinfo.errors import NoAnswerError
from zinfo.wire.curve_keys import PUBLIC_SUFFIX, SECRET_SUFFIX, ClientKeys, make_key_files

ADMIN = "admin"
"""A client with all rights, by which the tests query the daemon."""


class Keyring:
    """A directory with the keys of a daemon and its clients.

    Args:
        directory: where to write the keys.
        clients: names of clients to authorize, beside `ADMIN`.
    """

    def __init__(self, directory: Path, *clients: str) -> None:
        self.directory = directory
        self.clients = directory / "clients"
        make_key_files(directory, "server")
        self.clients.mkdir(mode=0o700)
        for name in (ADMIN, *clients):
            self.authorize(name)

    def make(self, name: str) -> ClientKeys:
        """Generate a client's keys, which the daemon does not know yet."""
        make_key_files(self.directory, name)
        return self.of(name)

    def authorize(self, name: str) -> ClientKeys:
        """Copy a client's public key to the daemon's directory; generates the keys if necessary."""
        keys = self.of(name) if self._secret(name).exists() else self.make(name)
        public = self.directory / f"{name}{PUBLIC_SUFFIX}"
        (self.clients / public.name).write_bytes(public.read_bytes())
        return keys

    def revoke(self, name: str) -> None:
        """Delete a client's public key from the daemon's directory."""
        (self.clients / f"{name}{PUBLIC_SUFFIX}").unlink()

    def of(self, name: str) -> ClientKeys:
        """Return a client's keys."""
        return ClientKeys.read(self.directory / f"server{PUBLIC_SUFFIX}", self._secret(name))

    def texts(self, name: str) -> str:
        """Return the daemon's public key and a client's key pair, separated by spaces."""
        server, own = self.of(name)
        return b" ".join((server, *own)).decode()

    def _secret(self, name: str) -> Path:
        return self.directory / f"{name}{SECRET_SUFFIX}"

    def config(self, shards: Sequence[tuple[str, str]] = (), clients: str = "") -> str:
        """Return the text of a configuration.

        Args:
            shards: id and URL of each.
            clients: text of the `[clients.NAME]` tables.
        """
        tables = "".join(f'[[shards]]\nid = "{ident}"\nurl = "{url}"\n' for ident, url in shards)
        return (
            f'[security]\nserver_key = "{self.directory}/server{SECRET_SUFFIX}"\n'
            f'client_keys = "{self.clients}"\n'
            "[poll]\nmin_interval = 0.1\nmax_interval = 0.1\ninterval_step = 0\n"
            f"{clients}\n{tables}"
        )

    def daemon(self, shards: Sequence[tuple[str, str]] = (), clients: str = "") -> RunningDaemon:
        """Return a daemon that requires these keys."""
        return RunningDaemon(config_text=self.config(shards, clients), keys=self.of(ADMIN))


def reload(daemon: RunningDaemon, text: str | None = None) -> None:
    """Send SIGHUP and wait until the reload has finished.

    Args:
        daemon: the daemon.
        text: a new configuration.
    """
    if text is not None:
        daemon.config_path.write_text(text)

    def reloads() -> int:
        log = daemon.log()
        return log.count("configuration read again") + log.count("configuration not taken")

    before = reloads()
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: reloads() > before, what="the configuration to be read again")


def responds(endpoint: str, keys: ClientKeys | None, timeout: float = 1.0) -> bool:
    """Return whether a daemon replies to a client with these keys."""
    with Client(endpoint, timeout=timeout, retries=0, keys=keys) as client:
        try:
            client.ping()
        except NoAnswerError:
            return False
        return True


def bus_endpoint(daemon: RunningDaemon, keys: ClientKeys) -> str:
    """Return the bus endpoint that `hello` returns to a client."""
    with Client(daemon.query, keys=keys) as client:
        (endpoint,) = client.hello()["bus"]
    return str(endpoint)


@contextlib.contextmanager
def subscribed(
    endpoint: str, keys: ClientKeys | None, *topics: bytes
) -> Iterator[zmq.Socket[bytes]]:
    """Open a plain SUB socket."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.linger = 0
        if keys is not None:
            set_curve_keys(socket, keys)
        for topic in topics:
            socket.subscribe(topic)
        socket.connect(endpoint)
        yield socket


def messages_within(socket: zmq.Socket[bytes], seconds: float) -> list[list[bytes]]:
    """Return the messages received within some seconds."""
    received: list[list[bytes]] = []

    def collect() -> bool:
        while socket.poll(20):
            received.append(socket.recv_multipart())
        return False

    with contextlib.suppress(AssertionError):
        wait_until(collect, seconds, "time to pass")
    return received


def topics_within(socket: zmq.Socket[bytes], seconds: float) -> set[bytes]:
    """Return the topics of the messages received within some seconds."""
    return {frames[0] for frames in messages_within(socket, seconds)}


def entries(body: Any) -> list[dict[str, Any]]:
    """Return the entries of a reply."""
    assert isinstance(body, list)
    return body
