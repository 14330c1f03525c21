"""Calls functions of the legacy programs, as requested on stdin, on any Python.

stdin has an array of tasks, [function, argument...]; stdout gets an array of results, with
{"failed": ...} for a task that failed.
"""
# Like the programs, it runs on Python 2.7 and has types in comments.
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
    """Return the bytes of hexadecimal digits."""
    return binascii.unhexlify(digits.encode("ascii"))


def digits(data):
    # type: (bytes) -> Text
    """Return bytes as hexadecimal digits."""
    return binascii.hexlify(data).decode("ascii")


def encode_request(meaning):
    # type: (dict[Text, Any]) -> list[Text]
    """Return the frames of a request, which must be equal in both programs."""
    args = (meaning["op"], meaning["args"], meaning["id"], meaning.get("deadline"))
    frames = legacy_query.encode_request(*args)
    assert legacy_stream.encode_request(*args) == frames
    return [digits(frame) for frame in frames]


def decode_reply(frames):
    # type: (list[Text]) -> dict[Text, Any]
    """Return a decoded reply, which must be equal in both programs."""
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
    """Return kind, name, header and body of a bus message."""
    return list(legacy_stream.decode_message([raw(frame) for frame in frames]))


def make_topic(kind, of):
    # type: (Text, Text | None) -> Text
    """Return the topic of a shard or node."""
    return digits(legacy_stream.make_topic(kind, of))


def unpack(data):
    # type: (Text) -> Any
    """Return the value of msgpack bytes."""
    return legacy_query.unpack(raw(data))


FUNCTIONS = {
    "encode_request": encode_request,
    "decode_reply": decode_reply,
    "decode_message": decode_message,
    "make_topic": make_topic,
    "unpack": unpack,
}  # type: dict[Text, Any]


def run(task):
    # type: (list[Any]) -> Any
    """Return the result of one task."""
    try:
        return FUNCTIONS[task[0]](*task[1:])
    except (legacy_query.FailedError, legacy_stream.FailedError) as error:
        return {"failed": error.args[0]}


stdin = getattr(sys.stdin, "buffer", sys.stdin)  # type: Any
tasks = json.loads(stdin.read().decode("utf-8"), object_pairs_hook=OrderedDict)
print(json.dumps([run(task) for task in tasks]))
