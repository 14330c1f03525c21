"""`/api/v1/table`: the table of a page as a stream of server-sent events.

One greenlet reads the tables of all pages, one after the other, while there is a page. Pages with
equal selections receive the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import falcon
import gevent
import gevent.event

from zinfo.adapters.http.auth import acquire_quota, require_operation
from zinfo.adapters.http.routes import SHARD_LABELS, TEXTS, Argument, parse_arguments
from zinfo.adapters.page.readings import OpenSource, Selection, TableSource
from zinfo.adapters.page.table_message import Message
from zinfo.adapters.page.table_pacing import Turn
from zinfo.adapters.page.table_view import TableView
from zinfo.adapters.wsgi.client_quotas import ClientQuotas, ReleasingBody
from zinfo.query.arguments import MAX_COLUMNS, Arguments
from zinfo.security.rights import Rights

NAME: Final = "table"

ARGUMENTS: Final = {
    "keys": Argument(TEXTS, f"the fields, at most {MAX_COLUMNS}"),
    "labels": SHARD_LABELS,
}
"""Arguments of the path."""

_MAX_QUEUED_BYTES: Final = 4 << 20  # for one client that reads slowly
_BEAT_SECONDS: Final = 5.0  # without a message, after which a comment is sent
_BEAT: Final = (b":\n\n",)


class TableStreams:
    """The resource at `/api/v1/table`, with all open streams.

    Args:
        open_source: returns the source of a selection.
        quotas: bounds the number of streams.
        report: called with a name and an unexpected exception.

    Attributes:
        encoded: number of messages that were encoded so far.
    """

    def __init__(
        self,
        open_source: OpenSource,
        quotas: ClientQuotas,
        report: Callable[[str, BaseException], None],
    ) -> None:
        self.encoded = 0
        self._open_source = open_source
        self._quotas = quotas
        self._report = report
        self._tables: dict[Selection, _Table] = {}
        self._joined = gevent.event.Event()
        self._reader: gevent.Greenlet[[], None] | None = None

    def __len__(self) -> int:
        """Return the number of tables that are read."""
        return len(self._tables)

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Respond with an endless stream."""
        rights = require_operation(request, "get_infos")
        args = Arguments(parse_arguments(request.query_string, ARGUMENTS))
        selection = Selection(
            tuple(sorted(args.texts("keys", MAX_COLUMNS))),
            tuple(sorted(args.labels("labels").items())),
            replace(rights, name=NAME),  # the name of a client makes no difference
        )
        find_rights: Callable[[], Rights | None] = request.context.find_rights
        messages = self.messages(selection, lambda: find_rights() == rights)
        release = acquire_quota(self._quotas, request, "streams")
        response.content_type = "text/event-stream"
        response.cache_control = ("no-cache",)
        response.stream = ReleasingBody(messages, release)

    def messages(self, selection: Selection, still_valid: Callable[[], bool]) -> Iterator[bytes]:
        """Yield the messages to one page, until it is closed.

        Args:
            selection: what it requested.
            still_valid: returns whether the client still has the same rights.
        """
        table = self._tables.get(selection)
        if table is not None and table.failed:
            table.source.close()
            table = None
        if table is None:
            table = self._tables[selection] = _Table(self._open_source(selection))
        queue = _Queue(self._joined)
        table.queues.add(queue)
        self._joined.set()
        if self._reader is None or self._reader.dead:
            self._reader = gevent.spawn(self._read)
        try:
            while still_valid() and not table.failed:  # the client may reconnect
                yield from queue.next()
        finally:
            table.queues.discard(queue)

    # --- the greenlet

    def _read(self) -> None:
        """Read all tables again and again, until there is none."""
        while self._tables:
            turn = Turn()
            self._close_unused()
            for table in list(self._tables.values()):
                self._update(table, turn)
            until = time.monotonic() + turn.pause()
            while self._tables and (left := until - time.monotonic()) > 0:
                if self._joined.wait(left):
                    self._joined.clear()
                    until += self._send_to_new()

    def _close_unused(self) -> None:
        for selection, table in list(self._tables.items()):
            if table.failed or not table.queues:
                del self._tables[selection]
                table.source.close()

    def _send_to_new(self) -> float:
        """Send everything to the pages that have just been opened.

        Returns:
            Seconds by which the next turn is later.
        """
        turn = Turn()
        for table in list(self._tables.values()):
            if not table.has_new:
                continue
            if table.view.epoch is None:
                self._update(table, turn)
            else:
                self._guard(table, partial(self._send_whole, table, turn))
        return turn.pause_for_cpu()

    def _update(self, table: _Table, turn: Turn) -> None:
        """Read a table, and send what changed."""

        def update() -> None:
            reading = table.source.read(turn.yield_point)
            message = table.view.update(reading, turn.yield_point)
            self.encoded += 1
            for queue in table.queues:
                if not queue.is_new:
                    queue.put(message)
            self._send_whole(table, turn)

        self._guard(table, update)

    def _send_whole(self, table: _Table, turn: Turn) -> None:
        if not table.has_new:
            return
        message = table.view.whole(turn.yield_point)
        self.encoded += 1
        for queue in table.queues:
            if queue.is_new:
                queue.is_new = False
                queue.put(message)

    def _guard(self, table: _Table, work: Callable[[], None]) -> None:
        """Do some work for a table; where that fails unexpectedly, its streams end."""
        try:
            work()
        except Exception as error:
            self._report(NAME, error)
            table.failed = True
            for queue in table.queues:
                queue.wake()


class _Table:
    """The table of one selection.

    Attributes:
        source: is read.
        view: has the state and the messages.
        queues: of the pages.
        failed: whether reading it failed unexpectedly.
    """

    def __init__(self, source: TableSource) -> None:
        self.source = source
        self.view = TableView()
        self.queues: set[_Queue] = set()
        self.failed = False

    @property
    def has_new(self) -> bool:
        """Whether a page has nothing yet."""
        return any(queue.is_new for queue in self.queues)


class _Queue:
    """The messages that are queued for one page.

    Args:
        joined: is set when the page needs everything.

    Attributes:
        is_new: whether the page has nothing, and waits for a message with everything.
    """

    def __init__(self, joined: gevent.event.Event) -> None:
        self.is_new = True
        self._joined = joined
        self._pieces: list[bytes] = []
        self._size = 0
        self._lost = False
        self._ready = gevent.event.Event()

    def put(self, message: Message) -> None:
        """Queue a message.

        If too many bytes are queued already, all are dropped: the page gets everything as soon as
        it has read what was sent before.
        """
        if self._size and self._size + message.size > _MAX_QUEUED_BYTES:
            self._pieces = []
            self._size, self._lost = 0, True
        elif not self._lost:
            self._pieces += message.pieces
            self._size += message.size
        self._ready.set()

    def wake(self) -> None:
        """End a wait for the next message."""
        self._ready.set()

    def next(self) -> Sequence[bytes]:
        """Return all queued messages, in pieces; a comment if there is none for some time."""
        self._ready.wait(_BEAT_SECONDS)
        self._ready.clear()
        if self._lost:
            self._lost, self.is_new = False, True
            self._joined.set()
        pieces, self._pieces = self._pieces, []
        self._size = 0
        return pieces or _BEAT
