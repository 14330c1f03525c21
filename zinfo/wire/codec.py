"""The wire's encoding: msgpack (https://msgpack.org spec). Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgpack
import msgspec

from zinfo.errors import ProtocolError

VERSION = 1
"""Version of the wire, in the header of each bus message and in the magic of each query message."""

Message = Sequence[bytes]
"""The frames of one ZeroMQ message."""

_encode = msgspec.msgpack.Encoder().encode


def pack(value: object) -> bytes:
    """Return `value` as msgpack; text that is not valid Unicode is escaped.

    Raises:
        ProtocolError: the value holds a type that msgpack cannot represent.
    """
    try:
        packed: bytes = msgpack.packb(value, unicode_errors="backslashreplace")
    except (TypeError, ValueError, OverflowError) as error:
        raise ProtocolError(f"cannot be sent as msgpack: {error}") from error
    return packed


def pack_fields(value: object) -> bytes:
    """Return `value` as msgpack: the same bytes as `pack`, in a sixth of the time.

    Only for text, numbers, and maps and lists of them, as zinfo's own code makes them: msgspec
    would accept types that `pack` refuses.

    Raises:
        ProtocolError: the value holds a type that msgpack cannot represent.
    """
    try:
        return _encode(value)
    except (TypeError, ValueError, OverflowError):
        return pack(value)


def unpack(data: bytes) -> object:
    """Return the value that `data` encodes.

    Extension types are not used on this wire and are refused.

    Raises:
        ProtocolError: not msgpack, truncated, followed by more bytes, or with an extension type.
    """
    try:
        return _decode(data)
    except ProtocolError:
        raise
    except (ValueError, TypeError, RecursionError, MemoryError, msgspec.MsgspecError) as error:
        # MemoryError: the header of an array or a map claims millions of items.
        raise ProtocolError(f"not valid msgpack: {str(error) or type(error).__name__}") from error


def no_extensions(code: int, _data: memoryview) -> object:
    """Refuse an extension type: the `ext_hook` of msgspec's decoders.

    Raises:
        ProtocolError: always.
    """
    raise ProtocolError(f"msgpack extension type {code} has no meaning here")


_decode = msgspec.msgpack.Decoder(ext_hook=no_extensions).decode


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
