"""A daemon that requires CURVE keys, and clients with keys."""

from __future__ import annotations

import contextlib
import secrets
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import zmq

from tests.daemons import RunningDaemon, set_curve_keys
from tests.waiting import wait_until
from zinfo.client import Client
from zinfo.errors import NoAnswerError
from zinfo.wire.bus_messages import fence_topic, unpack_header
from zinfo.wire.curve_keys import PUBLIC_SUFFIX, SECRET_SUFFIX, ClientKeys, make_key_files
from zinfo.wire.query_messages import Request, encode_request

TIMEOUT = 30
"""Seconds to wait for a reply or a message that must come."""

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
    wait_until(lambda: reloads() > before, TIMEOUT, "the configuration to be read again")


def refusals(daemon: RunningDaemon) -> int:
    """Return how many connections the daemon has refused."""
    body: Any = daemon.ask("stats").body
    return int(body["access"].get("refused", 0))


def refuses(daemon: RunningDaemon, keys: ClientKeys) -> bool:
    """Send a ping with these keys; return whether the daemon refused the connection."""

    def refused() -> int:
        return daemon.log().count(f"refused: unknown key {keys.own.public.decode()}")

    before = refused()
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        set_curve_keys(socket, keys)
        socket.connect(daemon.query)
        socket.send_multipart([b"", *encode_request(Request("ping"))])
        wait_until(lambda: socket.poll(0) or refused() > before, TIMEOUT, "a reply or a refusal")
        return not socket.poll(100)


def responds(endpoint: str, keys: ClientKeys | None, timeout: float = TIMEOUT) -> bool:
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


def topics_now(socket: zmq.Socket[bytes]) -> set[bytes]:
    """Return the topics of the messages received so far."""
    topics = set()
    while socket.poll(20):
        topics.add(socket.recv_multipart()[0])
    return topics


def topics_since(socket: zmq.Socket[bytes], moment: float) -> set[bytes]:
    """Return the topics of the messages received so far that the daemon made after a moment.

    Messages that were on their way before a client was disconnected may still arrive.

    Args:
        socket: a subscriber.
        moment: seconds since the Unix epoch.
    """
    topics = set()
    while socket.poll(20):
        topic, header, _ = socket.recv_multipart()
        if unpack_header(header).time > moment:
            topics.add(topic)
    return topics


def until_fence(socket: zmq.Socket[bytes]) -> list[list[bytes]]:
    """Return all messages that the daemon published to this socket until now.

    It publishes the fence that is requested here after all of them.
    """
    fence = fence_topic(secrets.token_hex(8))
    socket.subscribe(fence)
    received: list[list[bytes]] = []
    while not received or received[-1][0] != fence:
        assert socket.poll(1000 * TIMEOUT), "no fence"
        received.append(socket.recv_multipart())
    socket.unsubscribe(fence)  # else it would be sent again after a reconnection
    return received[:-1]


def wait_polls(daemon: RunningDaemon) -> None:
    """Wait until each shard has been polled, and its changes published, since the call."""

    def revisions() -> dict[str, int]:
        body = daemon.ask("shards").body
        return {shard["id"]: shard["revision"] for shard in entries(body)}

    before = revisions()
    wait_until(
        lambda: all(now > before.get(shard, 0) + 1 for shard, now in revisions().items()),
        TIMEOUT,
        "each shard to be polled",
    )


def entries(body: Any) -> list[dict[str, Any]]:
    """Return the entries of a reply."""
    assert isinstance(body, list)
    return body
