"""Query messages: requests and replies to frames and back. Pure: no socket, no clock.

A query message is an envelope, an empty frame, the magic frame, a header and sometimes a body.
docs/reference/protocol.md specifies them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from zinfo.errors import (
    BadRequestError,
    ProtocolError,
    RequestError,
    TooLargeError,
    UnsupportedVersionError,
)
from zinfo.wire.codec import VERSION, Message, pack, pack_fields, unpack

MAGIC = b"ZI1"
"""First frame after the envelope; the digit is the version of the wire."""

DEFAULT_QUERY_ENDPOINT = "tcp://127.0.0.1:9736"
"""Where a daemon listens for queries unless it is configured otherwise."""

MAX_CONTAINERS = 1000
"""Arrays and maps in a request; a normal one has fewer than ten."""

_MAX_NESTING = 16  # levels of arrays and maps in a request
_FEW_CONTAINERS = _MAX_NESTING // 2
# Bytes that in msgpack neither start an array or a map nor name the timestamp extension.
_HARMLESS = bytes({*range(255)} - {*range(0x80, 0xA0), *range(0xDC, 0xE0)})
_SCALARS = frozenset((str, int, float, bool, bytes, type(None)))
_ANY_MAGIC = re.compile(rb"ZI\d{1,3}")


@dataclass(slots=True)
class Request:
    """A request to the query endpoint.

    Attributes:
        op: name of the operation.
        args: arguments by name.
        id: any value; the reply repeats it.
        deadline: seconds from now after which the client no longer waits for the reply, or None.
    """

    op: str
    args: dict[str, object] = field(default_factory=dict)
    id: object = None
    deadline: float | None = None


@dataclass(slots=True)
class Reply:
    """A reply from the query endpoint.

    Attributes:
        id: id of the request.
        header: the whole reply header.
        body: the decoded body; None without a body, or before it is decoded.
        error: the error that the daemon returned, or None.
        packed: the encoded body, until it is decoded.
    """

    id: object
    header: dict[str, object]
    body: object = None
    error: RequestError | None = None
    packed: bytes | None = None

    @property
    def epoch(self) -> int:
        """Epoch of the daemon; 0 if the reply has none."""
        value = self.header.get("epoch")
        return value if isinstance(value, int) else 0

    @property
    def cursor(self) -> str | None:
        """Where the next page starts; None on the last page."""
        value = self.header.get("cursor")
        return value if isinstance(value, str) else None

    def decode_body(self) -> None:
        """Decode the body unless that is done; this is the slowest part of reading a reply.

        Raises:
            ProtocolError: the body is not valid msgpack.
        """
        if self.packed is not None:
            self.body, self.packed = unpack(self.packed), None


def split_envelope(frames: Message) -> tuple[list[bytes], list[bytes]]:
    """Return the envelope, up to and including the first empty frame, and the frames after it.

    The number of envelope frames varies: proxies add routing ids, REQ_CORRELATE a request id.

    Raises:
        ProtocolError: there is no empty frame.
    """
    for index, frame in enumerate(frames):
        if not frame and index:
            return list(frames[: index + 1]), list(frames[index + 1 :])
    raise ProtocolError("no empty frame ends the envelope")


def encode_request(request: Request) -> list[bytes]:
    """Return the frames of a request, without envelope (a REQ socket adds its own)."""
    value: dict[str, object] = {"id": request.id, "op": request.op, "args": request.args}
    if request.deadline is not None:
        value["deadline"] = request.deadline
    return [MAGIC, pack(value)]


def decode_request(frames: Message, max_bytes: int = 65536) -> Request:
    """Return the request in the frames after the envelope.

    Args:
        frames: the magic frame and the request frame.
        max_bytes: largest request frame accepted, in bytes.

    Raises:
        UnsupportedVersionError: another version's magic.
        TooLargeError: the request frame is larger than `max_bytes`.
        BadRequestError: the frames are not a valid request. Its `request_id` attribute is the id,
            if it could be read, so that the error can be matched to the request.
    """
    if not frames or frames[0] != MAGIC:
        if frames and _ANY_MAGIC.fullmatch(frames[0]):
            raise UnsupportedVersionError(f"version {VERSION} ({MAGIC.decode()}) is served here")
        raise BadRequestError(f"a request starts with the frame {MAGIC.decode()}")
    if len(frames) != 2:
        raise BadRequestError(f"a request is 2 frames after the empty one, not {len(frames)}")
    if len(frames[1]) > max_bytes:
        raise TooLargeError(
            f"a request may have at most {max_bytes} bytes, this one has {len(frames[1])}"
        )
    try:
        value = unpack(frames[1])
    except ProtocolError as error:
        raise BadRequestError(f"request: {error}") from error
    if not isinstance(value, dict):
        raise BadRequestError("a request is a map with id, op and args")
    problem = _request_problem(value) or ("" if _is_plain(frames[1]) else _content_problem(value))
    if problem:
        bad = BadRequestError(problem)
        if not _content_problem(value.get("id")):  # else no reply could contain it
            bad.request_id = value.get("id")
        raise bad
    deadline = value.get("deadline")
    return Request(
        op=value["op"],
        args=value.get("args") or {},
        id=value.get("id"),
        deadline=None if deadline is None else float(deadline),
    )


def _request_problem(value: Mapping[object, object]) -> str:
    op, args, deadline = value.get("op"), value.get("args"), value.get("deadline")
    if not isinstance(op, str):
        return "op must be text"
    if args is not None and (
        not isinstance(args, dict) or not all(isinstance(name, str) for name in args)
    ):
        return "args must be a map with text keys"
    if deadline is not None and (
        isinstance(deadline, bool) or not isinstance(deadline, (int, float)) or not deadline > 0
    ):
        return "deadline must be a number of seconds above 0"
    return ""


def _is_plain(packed: bytes) -> bool:
    """Return whether no value can be nested too deep or be a timestamp: a fast check."""
    others = packed.translate(None, _HARMLESS)
    return len(others) <= _FEW_CONTAINERS and b"\xff" not in others


def _content_problem(value: object) -> str:
    level = [value]
    containers = 0
    for _ in range(_MAX_NESTING):
        below: list[object] = []
        for item in level:
            if type(item) in _SCALARS:  # most values are, and there may be tens of thousands
                continue
            if isinstance(item, datetime):  # the one extension type that msgspec decodes itself
                return "msgpack's timestamps have no meaning here"
            if isinstance(item, dict):
                below.extend(item)
                below.extend(item.values())
            elif isinstance(item, (list, tuple)):  # an array as a key becomes a tuple
                below.extend(item)
            containers += 1
            if containers > MAX_CONTAINERS:
                return f"more than {MAX_CONTAINERS:,} arrays and maps"
        if not below:
            return ""
        level = below
    return f"nested deeper than {_MAX_NESTING}"


def encode_reply(
    request_id: object, node: str, epoch: int, extra: Mapping[str, object] | None = None
) -> list[bytes]:
    """Return the first frames of a successful reply; the caller appends the body frame.

    Args:
        request_id: id of the request.
        node: name of the daemon.
        epoch: epoch of the daemon.
        extra: more header keys, such as the cursor of the next page.
    """
    header: dict[str, object] = {"id": request_id, "ok": True, "node": node, "epoch": epoch}
    if extra:
        header.update(extra)
    return [MAGIC, pack_fields(header)]


def encode_error(request_id: object, node: str, epoch: int, error: RequestError) -> list[bytes]:
    """Return the frames of a reply with an error."""
    header = {
        "id": request_id,
        "ok": False,
        "node": node,
        "epoch": epoch,
        "error": {"code": error.code, "message": error.message, "retryable": error.retryable},
    }
    if isinstance(error, UnsupportedVersionError):
        header["versions"] = [VERSION]
    return [MAGIC, pack(header)]


def decode_reply(frames: Message) -> Reply:
    """Return the reply in the frames after the envelope.

    Raises:
        ProtocolError: not a reply of this version.
    """
    reply = decode_reply_header(frames)
    reply.decode_body()
    return reply


def decode_reply_header(frames: Message) -> Reply:
    """Return the reply in the frames after the envelope, without decoding its body.

    Raises:
        ProtocolError: not a reply of this version; its body is not checked.
    """
    if len(frames) < 2 or frames[0] != MAGIC:
        raise ProtocolError(f"a reply starts with the frame {MAGIC.decode()} and a header")
    header = unpack(frames[1])
    if not isinstance(header, dict) or not isinstance(header.get("ok"), bool):
        raise ProtocolError("a reply header is a map with id and ok")
    if header["ok"]:
        return Reply(header.get("id"), header, packed=frames[2] if len(frames) > 2 else None)
    error = header.get("error")
    if not isinstance(error, dict):
        raise ProtocolError("a reply that is not ok has an error map")
    problem = RequestError.from_wire(
        str(error.get("code", "internal")),
        str(error.get("message", "")),
        error.get("retryable") is True,
    )
    return Reply(header.get("id"), header, error=problem)
