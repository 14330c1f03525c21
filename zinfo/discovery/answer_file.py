"""The form in which the answer of a source is stored in a file. Pure.

A sequence of msgpack objects: a list of format, version, name of the source and number of targets,
then a list of id, URL, labels and name of credentials for each target. If these are one slice of
all, the first list ends with a list of the slice's number, count, copies and key. A BLAKE2b digest
of these bytes follows. Names of credentials are stored, secrets are not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgpack

from zinfo.discovery.answer_builder import MAX_TARGETS
from zinfo.discovery.rules import MAX_ID, MAX_LABELS_SIZE
from zinfo.discovery.target import Target
from zinfo.wire.addresses import parse_shard_url
from zinfo.wire.slices import SliceSpec

MAX_SIZE = 64 * 1024 * 1024
"""Maximum size of a file, in bytes; a larger answer is not stored."""

DIGEST_SIZE = 32
"""Bytes of the digest at the end of a file."""

_FORMAT = "zinfo answer"
_VERSION = 1
_PIECE = 64 * 1024  # bytes that are written or decoded at once, which takes well below 1 ms
_MAX_NAME = 1024  # characters of the name of a source or of credentials


class CorruptAnswerError(ValueError):
    """The bytes are not a stored answer; the text says why."""


class StoredAnswer(NamedTuple):
    """What a file has.

    Attributes:
        targets: the targets by shard id.
        slice: the slice that they are; None if they are all.
    """

    targets: Mapping[str, Target]
    slice: SliceSpec | None = None


def encode(
    source: str,
    targets: Mapping[str, Target],
    pause: Callable[[], object],
    slice_spec: SliceSpec | None = None,
) -> Iterator[bytes]:
    """Yield the pieces of a file, without the digest.

    Args:
        source: name of the source.
        targets: the targets by shard id.
        pause: called after each target; may switch to other greenlets.
        slice_spec: the slice that they are; None if they are all.
    """
    packer = msgpack.Packer(unicode_errors="surrogatepass")
    header: list[object] = [_FORMAT, _VERSION, source, len(targets)]
    if slice_spec is not None:
        header.append(list(slice_spec.as_map().values()))
    piece = bytearray(packer.pack(header))
    for shard_id, target in targets.items():
        piece += packer.pack([shard_id, target.url, dict(target.labels), target.credentials])
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
        pause()
    yield bytes(piece)


def digest(pieces: Iterable[bytes | memoryview]) -> bytes:
    """Return the digest of the pieces of a file; to be called in a thread, as it takes long."""
    total = hashlib.blake2b(digest_size=DIGEST_SIZE)
    for piece in pieces:
        total.update(piece)
    return total.digest()


def check_digest(data: bytes) -> None:
    """Raise unless a file ends with its digest; to be called in a thread.

    Raises:
        CorruptAnswerError: it does not.
    """
    content = memoryview(data)
    if digest([content[:-DIGEST_SIZE]]) != data[-DIGEST_SIZE:]:
        raise CorruptAnswerError("its digest is wrong")


def decode(data: bytes, source: str, pause: Callable[[], object]) -> StoredAnswer:
    """Return the answer in a file whose digest was checked.

    Args:
        data: the file.
        source: name of the source that it must be of.
        pause: called after each target; may switch to other greenlets.

    Raises:
        CorruptAnswerError: it is no such file.
    """
    objects = _objects(memoryview(data)[:-DIGEST_SIZE])
    targets: dict[str, Target] = {}
    try:
        header = next(objects, None)
        if not isinstance(header, list) or header[:3] != [_FORMAT, _VERSION, source]:
            raise CorruptAnswerError("it is of another source, or of another version of zinfo")
        slice_spec = _slice(header[4:])
        for entry in objects:
            shard_id, target = _target(entry)
            targets[shard_id] = target
            if len(targets) > MAX_TARGETS:
                raise CorruptAnswerError(f"it has more than {MAX_TARGETS} targets")
            pause()
    except CorruptAnswerError:
        raise
    except (msgpack.UnpackException, ValueError, TypeError) as error:
        raise CorruptAnswerError(f"it cannot be decoded ({type(error).__name__})") from None
    if header[3:4] != [len(targets)]:
        raise CorruptAnswerError("it is not complete")
    return StoredAnswer(targets, slice_spec)


def _slice(rest: list[Any]) -> SliceSpec | None:
    """Return the slice at the end of a header.

    Raises:
        ValueError: it is not one.
        TypeError: it is not one.
    """
    if not rest:
        return None
    ((number, count, copies, by),) = rest
    if not isinstance(by, str):
        raise CorruptAnswerError("it has a bad slice")
    return SliceSpec(number, count, copies, by)


def _objects(content: memoryview) -> Iterator[Any]:
    unpacker = msgpack.Unpacker(
        max_buffer_size=MAX_SIZE,
        max_array_len=8,
        max_map_len=MAX_LABELS_SIZE,
        unicode_errors="surrogatepass",
    )
    for start in range(0, len(content), _PIECE):
        unpacker.feed(content[start : start + _PIECE])
        yield from unpacker


def _target(entry: Any) -> tuple[str, Target]:
    shard_id, url, labels, credentials = entry
    if not isinstance(shard_id, str) or not 0 < len(shard_id) <= MAX_ID:
        raise CorruptAnswerError("it has a bad id")
    if not isinstance(url, str) or parse_shard_url(url).url != url:
        raise CorruptAnswerError("it has a bad URL")
    if not isinstance(credentials, str) or len(credentials) > _MAX_NAME:
        raise CorruptAnswerError("it has a bad name of credentials")
    if not isinstance(labels, dict) or not all(
        isinstance(text, str) for item in labels.items() for text in item
    ):
        raise CorruptAnswerError("it has bad labels")
    if sum(len(name) + len(value) for name, value in labels.items()) > MAX_LABELS_SIZE:
        raise CorruptAnswerError("it has labels that are too large")
    return shard_id, Target(url, labels, credentials)
