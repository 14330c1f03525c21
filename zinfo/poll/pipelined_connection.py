"""The hot path of a server that gets an INFO for each section: sent together, read as one reply."""

from __future__ import annotations

from zinfo.info.section_choice import join_sections
from zinfo.loop.callback_queue import CallbackQueue
from zinfo.poll.connection import (
    WOULD_BLOCK,
    ConnectionHandler,
    InfoConnection,
    K_contra,
    RealSocket,
    unexpected_read,
)
from zinfo.poll.credentials import Credentials
from zinfo.poll.errors import from_reply
from zinfo.poll.info_request import InfoRequest
from zinfo.poll.limits import PollLimits
from zinfo.poll.resp import ErrorReply, ReplyReader

_READ_BYTES = 65536


class PipelinedConnection(InfoConnection[K_contra]):
    """Owns the connected socket of a shard; joins the replies to several INFO commands.

    The server executes the commands one after another, in most cases without others in between. The
    time of the joined reply is that of the last one.

    Args:
        sock, request, limits, handler, key, queue, credentials: as for `InfoConnection`.
        commands: number of INFO commands in `request`.
    """

    __slots__ = ("_commands", "_reader")

    def __init__(
        self,
        sock: RealSocket,
        request: bytes,
        limits: PollLimits,
        handler: ConnectionHandler[K_contra],
        key: K_contra,
        queue: CallbackQueue,
        credentials: Credentials,
        commands: int,
    ) -> None:
        super().__init__(sock, request, limits, handler, key, queue, credentials)
        self._commands = commands
        self._reader = ReplyReader(commands, self._max)

    def send_request(self) -> None:
        """Send the INFO commands; the handler receives the result."""
        self._reader = ReplyReader(self._commands, self._max)
        super().send_request()

    def _read_once(self) -> bool:
        try:
            data = self._sock.recv(_READ_BYTES)
        except WOULD_BLOCK:
            return False
        if not self.reply_pending or not data:
            raise unexpected_read(len(data))
        if self._reader.feed(data):
            self._finish(self._reader.replies)
        return True

    def _finish(self, replies: list[bytes | ErrorReply]) -> None:
        errors = [reply for reply in replies if isinstance(reply, ErrorReply)]
        raw = join_sections(reply for reply in replies if isinstance(reply, bytes))
        self._check_field_count(raw)
        self.reply_pending = False
        self.replies += 1
        if errors:
            self._handler.on_error_reply(self._key, from_reply(errors[0], self._credentials))
        else:
            self._handler.on_reply(self._key, raw)


def make_connection(
    sock: RealSocket,
    info: InfoRequest,
    limits: PollLimits,
    handler: ConnectionHandler[K_contra],
    key: K_contra,
    queue: CallbackQueue,
    credentials: Credentials,
) -> InfoConnection[K_contra]:
    """Return the connection for a request; the arguments are those of `InfoConnection`."""
    arguments = (sock, info.request, limits, handler, key, queue, credentials)
    if info.commands == 1:
        return InfoConnection(*arguments)
    return PipelinedConnection(*arguments, info.commands)
