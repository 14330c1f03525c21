"""The daemon under attack, and the description of an attack."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq

from benchmarks.script import Scale
from benchmarks.worker import Worker
from tests.daemons import set_curve_keys
from tests.faults.peers import Peer, bulk, replies_to_info
from zinfo.config import PollConfig
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import Reply, Request, decode_reply_header, encode_request

ODD = "odd"
"""Id of the shard whose replies an attack can change."""

_REPLY_TIMEOUT = 120_000  # milliseconds for one reply
_UP = 60.0  # seconds until all shards are up
_RELOAD = 120.0  # seconds for a reload


@dataclass
class Scene:
    """A daemon under attack.

    Attributes:
        daemon: the worker process of the daemon.
        scale: how much work each attack does.
        urls: of the real servers.
        config: path of its configuration file.
        heading: text of that file before the shards.
        odd: the server of the shard `ODD`.
        keys: CURVE keys of a client; None if the daemon requires none.
    """

    daemon: Worker
    scale: Scale
    urls: list[str]
    config: Path
    heading: str
    odd: OddServer
    keys: ClientKeys | None = None

    @property
    def query(self) -> str:
        """The query endpoint."""
        return str(self.daemon.started["query"])

    @property
    def bus(self) -> str:
        """The bus endpoint."""
        return str(self.daemon.started["bus"])

    @property
    def http(self) -> str:
        """URL of the HTTP server."""
        (endpoint,) = self.daemon.started["http"]
        return str(endpoint)

    def write(
        self, shards: int, name: str = "shard", labels: Mapping[str, str] | None = None
    ) -> None:
        """Write a configuration with some shards and `ODD`.

        Args:
            shards: number of shards.
            name: prefix of their ids.
            labels: labels of each shard.
        """
        pairs = ", ".join(f'{key} = "{text}"' for key, text in (labels or {"site": "a"}).items())
        tables = [
            f'[[shards]]\nid = "{name}-{number:05}"\nurl = "{self.urls[number % len(self.urls)]}"\n'
            f"labels = {{ {pairs} }}\n"
            for number in range(shards)
        ]
        odd = f'[[shards]]\nid = "{ODD}"\nurl = "{self.odd.url}"\n'
        self.config.write_text(f"{self.heading}\n{odd}{''.join(tables)}")

    def reload(self, shards: int) -> dict[str, float]:
        """Reload the configuration, and wait until all shards are up."""
        took: dict[str, float] = self.daemon.call("reload", seconds=_RELOAD)
        self.wait_up(shards)
        return took

    def wait_up(self, shards: int) -> None:
        """Wait until this number of shards, and `ODD`, are up."""
        if not self.daemon.call("up", shards=shards + 1, seconds=_UP)["up"]:
            raise RuntimeError("not all shards are up")

    @contextlib.contextmanager
    def dealer(self) -> Any:
        """Open a DEALER socket to the query endpoint."""
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.linger = 0
            socket.sndhwm = socket.rcvhwm = 0
            if self.keys is not None:
                set_curve_keys(socket, self.keys)
            socket.connect(self.query)
            yield socket

    def request(self, op: str, args: dict[str, object], *, in_flight: int = 1) -> dict[str, Any]:
        """Send a request several times at once; return the size and errors of all pages."""
        errors: set[str] = set()
        size = 0
        with self.dealer() as socket:
            waiting = in_flight
            for _ in range(in_flight):
                socket.send_multipart([b"", *encode_request(Request(op, args, id=0))])
            while waiting:
                reply = receive(socket)
                size += len(reply.packed or b"")
                if reply.error is not None:
                    errors.add(reply.error.code)
                if reply.cursor is None:
                    waiting -= 1
                else:
                    more = {**args, "cursor": reply.cursor}
                    socket.send_multipart([b"", *encode_request(Request(op, more, id=0))])
        return {"bytes": size, "errors": sorted(errors)}


class OddServer(Peer):
    """A server whose INFO can be replaced by `text`."""

    def __init__(self) -> None:
        self.text = b""
        super().__init__(replies_to_info(lambda: bulk(self.text)))

    @contextlib.contextmanager
    def replies_with(self, text: bytes) -> Any:
        """Reply to INFO with this text, within the context."""
        self.text, self.bad = text, True
        try:
            yield
        finally:
            self.bad = False


@dataclass(frozen=True)
class Attack:
    """One attack on a daemon.

    Attributes:
        name: short name; `targets` has its description.
        run: attacks, and returns when the daemon has finished its work; may return details.
        frames: returns the number of frames of its message; None for other attacks.
        keyed: whether the daemon requires CURVE keys.
        before: called before the measurements.
        after: called after the measurements.
    """

    name: str
    run: Callable[[Scene], Mapping[str, Any] | None]
    frames: Callable[[Scale], int] | None = None
    keyed: bool = False
    before: Callable[[Scene], None] | None = None
    after: Callable[[Scene], None] | None = None


def receive(socket: zmq.Socket[bytes]) -> Reply:
    """Return the next reply, without decoding its body.

    Raises:
        RuntimeError: there was no reply in time.
    """
    if not socket.poll(_REPLY_TIMEOUT):
        raise RuntimeError("no reply")
    return decode_reply_header(socket.recv_multipart()[1:])


def most_fields() -> int:
    """Return the maximum number of fields of an INFO, by the daemon's defaults."""
    poll = PollConfig()
    return int(getattr(poll, "max_fields", 0)) or poll.max_reply_bytes
