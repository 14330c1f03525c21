"""What an attack is, and what it finds when it begins."""

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
"""Id of the shard that an attack has answer with something unusual."""

_PATIENCE = 120_000  # milliseconds for one answer
_UP = 60.0  # seconds until all shards are up
_RELOAD = 120.0  # seconds for the configuration to be read again


@dataclass
class Scene:
    """A daemon under attack.

    Attributes:
        daemon: the worker that it runs in.
        scale: how much is done.
        urls: where the real servers are.
        config: path of its configuration file.
        heading: text of that file before the shards.
        odd: the server of one shard, which can turn bad.
        keys: by which a client is let in; None where all are.
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
        """The bus."""
        return str(self.daemon.started["bus"])

    @property
    def http(self) -> str:
        """URL of the HTTP server."""
        (endpoint,) = self.daemon.started["http"]
        return str(endpoint)

    def write(
        self, shards: int, name: str = "shard", labels: Mapping[str, str] | None = None
    ) -> None:
        """Write the configuration with that many shards, beside the odd one.

        Args:
            shards: how many.
            name: how their ids begin.
            labels: of each of them.
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
        """Have the daemon read the configuration again, and wait until all shards are up."""
        took: dict[str, float] = self.daemon.call("reload", seconds=_RELOAD)
        self.wait_up(shards)
        return took

    def wait_up(self, shards: int) -> None:
        """Wait until so many shards, and the odd one, are live and up."""
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

    def ask(self, op: str, args: dict[str, object], *, in_flight: int = 1) -> dict[str, Any]:
        """Ask the same several times at once, all pages of it, and return how it was answered."""
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
    """A server whose INFO is `text` while it is bad."""

    def __init__(self) -> None:
        self.text = b""
        super().__init__(replies_to_info(lambda: bulk(self.text)))

    @contextlib.contextmanager
    def says(self, text: bytes) -> Any:
        """Have it answer INFO with this for a while."""
        self.text, self.bad = text, True
        try:
            yield
        finally:
            self.bad = False


@dataclass(frozen=True)
class Attack:
    """One thing to do to a daemon.

    Attributes:
        name: by which it is chosen; `targets` says it in words.
        run: does it, and returns when the daemon has dealt with it; may return what it saw.
        frames: of one message, where a message of so many is what it is about.
        keyed: whether the daemon asks for keys.
        before: what is done before anything is measured.
        after: what is done once all is measured.
    """

    name: str
    run: Callable[[Scene], Mapping[str, Any] | None]
    frames: Callable[[Scale], int] | None = None
    keyed: bool = False
    before: Callable[[Scene], None] | None = None
    after: Callable[[Scene], None] | None = None


def receive(socket: zmq.Socket[bytes]) -> Reply:
    """Return the next reply, whose body is not decoded.

    Raises:
        RuntimeError: none came.
    """
    if not socket.poll(_PATIENCE):
        raise RuntimeError("no answer")
    return decode_reply_header(socket.recv_multipart()[1:])


def most_fields() -> int:
    """Return how many fields an INFO may have at the most, by the daemon's defaults."""
    poll = PollConfig()
    return int(getattr(poll, "max_fields", 0)) or poll.max_reply_bytes
