"""Servers that reply to INFO with stored texts, one port for each, all in one thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping

from tests.spawning import HOST

LIMIT = 1 << 16
"""Bytes of a command; zinfo's are much shorter."""


class StoredReplies:
    """Listening sockets, each of which replies to INFO with its text, and to all else with OK.

    Args:
        texts: The reply of each server, by its name. A later assignment to `texts[name]` is sent
            from the next INFO on.

    Attributes:
        texts: As given.
        urls: URL of each server, by its name.
    """

    def __init__(self, texts: Mapping[str, bytes]) -> None:
        self.texts = dict(texts)
        self.urls: dict[str, str] = {}
        self._loop = asyncio.new_event_loop()

    @contextlib.contextmanager
    def running(self) -> Iterator[StoredReplies]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        servers = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._stop(servers), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    async def _start(self) -> list[asyncio.Server]:
        servers = []
        for name in self.texts:
            server = await asyncio.start_server(self._handler(name), HOST, 0, limit=LIMIT)
            self.urls[name] = f"redis://{HOST}:{server.sockets[0].getsockname()[1]}"
            servers.append(server)
        return servers

    async def _stop(self, servers: list[asyncio.Server]) -> None:
        for server in servers:
            server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for one in connections:
            one.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def _handler(
        self, name: str
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    words = await _command(reader)
                    reply = b"+OK\r\n"
                    if words[0].upper() == b"INFO":
                        text = self.texts[name]
                        reply = b"$%d\r\n%b\r\n" % (len(text), text)
                    writer.write(reply)
                    await writer.drain()
            writer.close()

        return handle


async def _command(reader: asyncio.StreamReader) -> list[bytes]:
    words = []
    for _ in range(int((await reader.readuntil(b"\r\n"))[1:])):
        length = int((await reader.readuntil(b"\r\n"))[1:])
        words.append((await reader.readexactly(length + 2))[:-2])
    return words
