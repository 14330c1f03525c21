"""Does what it is asked on stdin with the own functions of the legacy programs, on any Python.

stdin has an array of tasks, [what, argument...]; stdout gets an array of results, {"failed": ...}
for a task that cannot be done.
"""
# It runs on Python 2.7, as the programs do, and has types in comments as they have.
# ruff: noqa: F401, T201, UP010

from __future__ import print_function, unicode_literals

import binascii
import importlib
import json
import sys
from collections import OrderedDict

sys.path.insert(0, sys.argv[1])
legacy_query = importlib.import_module("legacy_query")
legacy_stream = importlib.import_module("legacy_stream")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Text


def raw(digits):
    # type: (Text) -> bytes
    """Return the bytes that are told in hexadecimal digits."""
    return binascii.unhexlify(digits.encode("ascii"))


def digits(data):
    # type: (bytes) -> Text
    """Return bytes in hexadecimal digits."""
    return binascii.hexlify(data).decode("ascii")


def encode_request(meaning):
    # type: (dict[Text, Any]) -> list[Text]
    """Return the frames that both programs make of a request."""
    args = (meaning["op"], meaning["args"], meaning["id"], meaning.get("deadline"))
    frames = legacy_query.encode_request(*args)
    assert legacy_stream.encode_request(*args) == frames
    return [digits(frame) for frame in frames]


def decode_reply(frames):
    # type: (list[Text]) -> dict[Text, Any]
    """Return what both programs read in a reply."""
    data = [raw(frame) for frame in frames]
    found = [_decoded(program, data) for program in (legacy_query, legacy_stream)]
    assert found[0] == found[1]
    return found[0]


def _decoded(program, frames):
    # type: (Any, list[bytes]) -> dict[Text, Any]
    try:
        header, body = program.decode_reply(frames)
    except program.RefusedError as error:
        return {"error": error.error}
    return {"header": header, "body": body}


def decode_message(frames):
    # type: (list[Text]) -> list[Any]
    """Return kind, name, header and body of a message of the bus."""
    return list(legacy_stream.decode_message([raw(frame) for frame in frames]))


def make_topic(kind, of):
    # type: (Text, Text | None) -> Text
    """Return the topic of a shard or node."""
    return digits(legacy_stream.make_topic(kind, of))


def unpack(data):
    # type: (Text) -> Any
    """Return the value that msgpack bytes hold."""
    return legacy_query.unpack(raw(data))


WHAT = {
    "encode_request": encode_request,
    "decode_reply": decode_reply,
    "decode_message": decode_message,
    "make_topic": make_topic,
    "unpack": unpack,
}  # type: dict[Text, Any]


def do(task):
    # type: (list[Any]) -> Any
    """Return the result of one task."""
    try:
        return WHAT[task[0]](*task[1:])
    except (legacy_query.FailedError, legacy_stream.FailedError) as error:
        return {"failed": error.args[0]}


stdin = getattr(sys.stdin, "buffer", sys.stdin)  # type: Any
tasks = json.loads(stdin.read().decode("utf-8"), object_pairs_hook=OrderedDict)
print(json.dumps([do(task) for task in tasks]))
