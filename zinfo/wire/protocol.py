"""The wire, version 1: messages to frames and back. Pure: no socket, no clock, no I/O.

This is the only module that both sides of the wire share; docs/protocol.md is its prose. Bus
messages are three frames, topic, header and body; query messages are an envelope, an empty frame,
the magic frame, a header and sometimes a body. All maps and arrays are msgpack (https://msgpack.org
spec).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote, unquote

import msgpack
import msgspec

from zinfo.errors import (
    BadRequestError,
    ProtocolError,
    RequestError,
    TooLargeError,
    UnsupportedVersionError,
)

VERSION = 1
MAGIC = b"ZI1"  # third part of a query message; the digit is the version
TOPIC_ROOT = "z1"  # first part of every bus topic but the fence's; the digit is the version
FENCE_PREFIX = b"~fence/"  # "~" sorts last, and a SUB socket sends its subscriptions in byte order
MAX_FENCE_TOPIC = 128  # bytes; a nonce has no reason to be longer
DEFAULT_QUERY_ENDPOINT = "tcp://127.0.0.1:9736"
DEFAULT_BUS_ENDPOINT = "tcp://127.0.0.1:9737"

KIND_INFO = "info"
KIND_DELTA = "delta"
KIND_EVENT = "event"
KIND_HEARTBEAT = "hb"
KIND_FENCE = "fence"

NOT_AVAILABLE_AGE = 1e38  # info_age of an entry that has no INFO; finite, so that JSON can carry it

_SAFE = (
    "._:-@"  # beside letters and digits; quote() adds "~" itself, which is taken out again below
)
_MAX_NESTING = 16  # deepest array or map that a request may hold
MAX_CONTAINERS = 1000  # arrays and maps in a request; an honest one has fewer than ten
_FEW_CONTAINERS = _MAX_NESTING // 2
# Bytes of msgpack that neither begin an array or a map nor name the extension of its timestamps.
_HARMLESS = bytes({*range(255)} - {*range(0x80, 0xA0), *range(0xDC, 0xE0)})
# What a value is that is no array, map or timestamp.
_PLAIN = frozenset((str, int, float, bool, bytes, type(None)))
_ANY_MAGIC = re.compile(rb"ZI\d{1,3}")

_encode = msgspec.msgpack.Encoder().encode

Message = Sequence[bytes]


def pack(value: object) -> bytes:
    """Return `value` as msgpack; text that is not valid Unicode is escaped rather than refused.

    Raises:
        ProtocolError: the value holds something that msgpack has no form for.
    """
    try:
        packed: bytes = msgpack.packb(value, unicode_errors="backslashreplace")
    except (TypeError, ValueError, OverflowError) as error:
        raise ProtocolError(f"cannot be sent as msgpack: {error}") from error
    return packed


def pack_fields(value: object) -> bytes:
    """Return what zinfo itself made as msgpack: the same bytes as `pack`, in a sixth of the time.

    Only for text, numbers, and maps and lists of them: msgspec would take what `pack` refuses.

    Raises:
        ProtocolError: the value holds something that msgpack has no form for.
    """
    try:
        return _encode(value)
    except (TypeError, ValueError, OverflowError):
        return pack(value)


def unpack(data: bytes) -> object:
    """Return the value that `data` holds.

    Extension types have no meaning on this wire and are refused.

    Raises:
        ProtocolError: not msgpack, cut short, followed by more, or with an extension type.
    """
    try:
        return _decode(data)
    except ProtocolError:
        raise
    except (ValueError, TypeError, RecursionError, MemoryError, msgspec.MsgspecError) as error:
        # MemoryError: an array or a map says that it has millions of items, and has not.
        raise ProtocolError(f"not valid msgpack: {str(error) or type(error).__name__}") from error


def _no_extensions(code: int, _data: memoryview) -> object:
    raise ProtocolError(f"msgpack extension type {code} has no meaning here")


_decode = msgspec.msgpack.Decoder(ext_hook=_no_extensions).decode


def map_header(pairs: int) -> bytes:
    """Return the msgpack header of a map of `pairs` pairs (msgpack spec)."""
    if pairs < 16:
        return bytes((0x80 | pairs,))
    if pairs < 1 << 16:
        return b"\xde" + pairs.to_bytes(2, "big")
    return b"\xdf" + pairs.to_bytes(4, "big")


def array_header(items: int) -> bytes:
    """Return the msgpack header of an array of `items` items (msgpack spec)."""
    if items < 16:
        return bytes((0x90 | items,))
    if items < 1 << 16:
        return b"\xdc" + items.to_bytes(2, "big")
    return b"\xdd" + items.to_bytes(4, "big")


# --- bus ------------------------------------------------------------------------------------------


class Header(NamedTuple):
    """Second frame of a bus message.

    Attributes:
        version: of the wire.
        node: name of the daemon.
        epoch: random number of this start of the daemon; all counters begin again with it.
        seq: revision on info and delta topics, the shard's event count on event topics, the beat on
            hb.
        time: wall clock at the daemon, seconds since the Unix epoch.
    """

    version: int
    node: str
    epoch: int
    seq: int
    time: float


def quote_name(name: str) -> str:
    """Return a shard id or node name as it stands in a topic: percent-encoded where needed."""
    return quote(name, safe=_SAFE, errors="backslashreplace").replace("~", "%7E")


def topic(kind: str, name: str | None = None) -> bytes:
    """Return the topic of one shard or node, or the prefix of all of a kind.

    Args:
        kind: one of "info", "delta", "event", "hb".
        name: shard id (node name for "hb"); None gives the prefix that subscribes to all of the
            kind.
    """
    if name is None:
        return f"{TOPIC_ROOT}/{kind}/".encode()
    return f"{TOPIC_ROOT}/{kind}/{quote_name(name)}/".encode()


def fence_topic(nonce: str) -> bytes:
    """Return the topic that the daemon publishes on once, when it is subscribed."""
    return FENCE_PREFIX + quote_name(nonce).encode()


def parse_topic(raw: bytes) -> tuple[str, str]:
    """Return kind and name (shard id, node or nonce) of a topic.

    Raises:
        ProtocolError: not a topic of this version.
    """
    if raw.startswith(FENCE_PREFIX):
        return KIND_FENCE, unquote(raw[len(FENCE_PREFIX) :].decode("ascii", "replace"))
    try:
        root, kind, name, end = raw.decode("ascii").split("/")
    except ValueError as error:
        raise ProtocolError(f"not a topic: {raw[:80]!r}") from error
    if root != TOPIC_ROOT or end:
        raise ProtocolError(f"not a topic of version {VERSION}: {raw[:80]!r}")
    return kind, unquote(name)


def pack_header(node: str, epoch: int, seq: int, time: float) -> bytes:
    """Return the header of a bus message of this version; arguments as in `Header`."""
    return pack_fields((VERSION, node, epoch, seq, time))


def unpack_header(raw: bytes) -> Header:
    """Return the header of a bus message; elements that a later version appended are ignored.

    Raises:
        ProtocolError: not an array of [version, node, epoch, seq, time], or another version.
    """
    value = unpack(raw)
    if not isinstance(value, list) or len(value) < len(Header._fields):
        raise ProtocolError("a bus header is an array [version, node, epoch, seq, time]")
    version, node, epoch, seq, time = value[: len(Header._fields)]
    if version != VERSION:
        raise ProtocolError(f"bus header of version {version!r}, not {VERSION}")
    if not (
        isinstance(node, str)
        and type(epoch) is int
        and type(seq) is int
        and isinstance(time, (int, float))
    ):
        raise ProtocolError("a bus header holds text, integer, integer, number after its version")
    return Header(version, node, epoch, seq, float(time))


# --- query ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Request:
    """One question to the query endpoint.

    Attributes:
        op: name of the operation.
        args: its arguments by name.
        id: anything; the reply repeats it.
        deadline: seconds from now after which the answer is of no use, or None.
    """

    op: str
    args: dict[str, object] = field(default_factory=dict)
    id: object = None
    deadline: float | None = None


@dataclass(slots=True)
class Reply:
    """One answer from the query endpoint.

    Attributes:
        id: the request's.
        header: the whole reply header.
        body: the decoded body; None where there is none, or it is not decoded yet.
        error: the error that the daemon answered with, or None.
        packed: the body as it came, until it is decoded.
    """

    id: object
    header: dict[str, object]
    body: object = None
    error: RequestError | None = None
    packed: bytes | None = None

    @property
    def epoch(self) -> int:
        """Epoch of the daemon that answered; 0 where it did not say."""
        value = self.header.get("epoch")
        return value if isinstance(value, int) else 0

    @property
    def cursor(self) -> str | None:
        """Where the next page starts; None on the last page."""
        value = self.header.get("cursor")
        return value if isinstance(value, str) else None

    def decode_body(self) -> None:
        """Decode the body, which takes the longest of all, where that has not been done.

        Raises:
            ProtocolError: it is not msgpack as this wire has it.
        """
        if self.packed is not None:
            self.body, self.packed = unpack(self.packed), None


def split_envelope(frames: Message) -> tuple[list[bytes], list[bytes]]:
    """Return the envelope (up to and with the first empty frame) and what follows it.

    The number of envelope frames is not fixed: proxies add routing ids, REQ_CORRELATE a request id.

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
        max_bytes: largest request frame taken.

    Raises:
        UnsupportedVersionError: another version's magic.
        TooLargeError: the request frame is over the bound.
        BadRequestError: anything else that is not a request. Its `request_id` attribute is the id
            where that much could be read, so that the error can be matched to the request.
    """
    if not frames or frames[0] != MAGIC:
        if frames and _ANY_MAGIC.fullmatch(frames[0]):
            raise UnsupportedVersionError(f"version {VERSION} ({MAGIC.decode()}) is served here")
        raise BadRequestError(f"a request starts with the frame {MAGIC.decode()}")
    if len(frames) != 2:
        raise BadRequestError(f"a request is 2 frames after the empty one, not {len(frames)}")
    if len(frames[1]) > max_bytes:
        raise TooLargeError(f"a request may have {max_bytes} bytes, this has {len(frames[1])}")
    try:
        value = unpack(frames[1])
    except ProtocolError as error:
        raise BadRequestError(f"request: {error}") from error
    if not isinstance(value, dict):
        raise BadRequestError("a request is a map with id, op and args")
    problem = _request_problem(value) or ("" if _is_plain(frames[1]) else _content_problem(value))
    if problem:
        bad = BadRequestError(problem)
        if not _content_problem(value.get("id")):  # or no reply could carry it
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
    """Whether no value of this can be nested too deep, or a timestamp: most requests, told fast."""
    others = packed.translate(None, _HARMLESS)
    return len(others) <= _FEW_CONTAINERS and b"\xff" not in others


def _content_problem(value: object) -> str:
    level = [value]
    containers = 0
    for _ in range(_MAX_NESTING):
        below: list[object] = []
        for item in level:
            if type(item) in _PLAIN:  # most are, and there may be tens of thousands
                continue
            if isinstance(item, datetime):  # the one extension that no hook is asked for
                return "msgpack's timestamps have no meaning here"
            if isinstance(item, dict):
                below.extend(item)
                below.extend(item.values())
            elif isinstance(item, (list, tuple)):  # an array that is a key becomes a tuple
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
    """Return the frames of a successful reply's start; the body frame is appended by the caller.

    Args:
        request_id: the request's id.
        node: name of the daemon.
        epoch: of the daemon.
        extra: further header keys, such as the next page's cursor.
    """
    header: dict[str, object] = {"id": request_id, "ok": True, "node": node, "epoch": epoch}
    if extra:
        header.update(extra)
    return [MAGIC, pack_fields(header)]


def encode_error(request_id: object, node: str, epoch: int, error: RequestError) -> list[bytes]:
    """Return the frames of a reply that says why there is no answer."""
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
    """Return the reply in the frames after the envelope, its body as it came.

    Raises:
        ProtocolError: not a reply of this version; what is wrong with its body is not known yet.
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
