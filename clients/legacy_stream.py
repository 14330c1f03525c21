#!/usr/bin/env python
"""Print each change of INFO as it arrives: `zinfo watch` in one file, also for old Pythons.

Runs on Python 2.7, and on 3.6 and later, and needs only pyzmq and msgpack. Versions of these that
have wheels for the old Pythons:

    python2.7 -m pip install pyzmq==19.0.2 msgpack==0.6.2
    python3.6 -m pip install pyzmq==25.1.2 msgpack==1.0.2

docs/reference/protocol.md describes the protocol; this program follows its order: joining, gaps,
staleness.
Definitions that legacy_query.py also needs are identical in both files.
"""
# These rules require features that Python 2.7 lacks: `raise ... from`, pathlib, round() to an
# integer, `[*a, b]`, classes without `object`, text that is `str`, `yield from`, f-strings. Types
# are in comments, because it has no annotations either, and F401 does not read comments.
# ruff: noqa: B904, F401, PTH116, PTH123, RUF005, RUF046
# ruff: noqa: UP004, UP010, UP019, UP024, UP028, UP031

from __future__ import print_function, unicode_literals

import argparse
import binascii
import json
import os
import random
import re
import select
import signal
import stat
import sys
import time
from collections import OrderedDict, deque

try:
    import msgpack
    import zmq
except ImportError as error:
    sys.exit(
        "legacy_stream.py: %s; pip install pyzmq msgpack (versions: see its first lines)" % error
    )

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, NoReturn, Text

    Keys = tuple[bytes, bytes, bytes]
    Message = tuple[Text, Text, list[Any], Any]

MAGIC = b"ZI1"  # first frame of a request and of a reply; the digit is the protocol version
TOPIC_ROOT = "z1"  # first part of a topic; the digit is the protocol version
FENCE = b"~fence/"  # prefix of the topics of fences
DEFAULT_TIMEOUT = 3.0  # seconds; a running daemon replies within milliseconds
HEARTBEATS = 3  # missed heartbeats after which the stream is stale
FENCE_TIME = 1.5  # shortest timeout for the fence in seconds, if heartbeats are more frequent
JITTER = 1.0  # longest random delay in seconds, so that many clients do not query at once
LONGEST_POLL = 0.5  # seconds; a Ctrl-C just before a poll takes effect only after it
QUEUE = 10000  # receive high-water mark in messages; beyond it messages are dropped
MAX_TOPICS = 500  # a SUB socket with many more may lose subscriptions when it reconnects

# A monotonic clock in seconds; Python 2 has one only in os.times().
clock = getattr(time, "monotonic", lambda: os.times()[4])

EXAMPLES = """examples:
  legacy_stream.py                                        all changes of all shards
  legacy_stream.py --key used_memory --key connected_clients
  legacy_stream.py 127.0.0.1:6379 --key db --prefix       fields that begin with db
  legacy_stream.py --key role --json

exit codes: 0 done (the reader of the output has gone), 1 no reply or an error reply,
2 wrong usage, 130 ended by Ctrl-C
"""


class FailedError(Exception):
    """The program failed; the text is a one-line message for the user."""


class OutputError(Exception):
    """The output cannot be written; the text is a one-line message for the user."""


class UsageError(Exception):
    """An option or argument is wrong; the text is a one-line message for the user."""


class RefusedError(FailedError):
    """The daemon sent an error reply.

    Attributes:
        error: Map of code, message and retryable.
    """

    def __init__(self, error):
        # type: (dict[Text, Any]) -> None
        FailedError.__init__(self, "%s: %s" % (error.get("code"), error.get("message")))
        self.error = error


# --- messages to bytes and back; no I/O ---


def unpack(data):
    # type: (bytes) -> Any
    """Decode msgpack; maps keep their order."""
    try:
        return msgpack.unpackb(data, raw=False, object_pairs_hook=OrderedDict)
    except (ValueError, TypeError, RuntimeError, msgpack.UnpackException) as error:
        raise FailedError("received data is not msgpack: %s" % error)


def encode_request(op, args, request_id, deadline):
    # type: (Text, dict[Text, Any], Any, float | None) -> list[bytes]
    """Return the frames of a request; a REQ socket adds the envelope.

    Args:
        op: The operation.
        args: Its arguments by name.
        request_id: Any value; the reply repeats it.
        deadline: Seconds after which the reply is of no use; None for no limit.
    """
    value = OrderedDict([("id", request_id), ("op", op), ("args", args)])
    if deadline is not None:
        value["deadline"] = deadline
    return [MAGIC, msgpack.packb(value, use_bin_type=True)]


def decode_reply(frames):
    # type: (Sequence[bytes]) -> tuple[dict[Text, Any], Any]
    """Return header and body of a reply.

    Raises:
        RefusedError: It is an error reply.
        FailedError: It is not a reply of this protocol version.
    """
    if len(frames) < 2 or frames[0] != MAGIC:
        raise FailedError("the reply is not one of zinfo's protocol, version 1")
    header = unpack(frames[1])
    if not isinstance(header, dict) or not isinstance(header.get("ok"), bool):
        raise FailedError("the reply has no valid header")
    if not header["ok"]:
        error = header.get("error")
        raise RefusedError(error if isinstance(error, dict) else {})
    return header, unpack(frames[2]) if len(frames) > 2 else None


def quote_name(name):
    # type: (Text) -> Text
    """Return an id percent-encoded for a topic."""
    return "".join(
        chr(byte) if byte in PLAIN else "%%%02X" % byte for byte in bytearray(name.encode("utf-8"))
    )


PLAIN = frozenset(bytearray(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-@"))


def unquote_name(quoted):
    # type: (bytes) -> Text
    """Return the id of a percent-encoded part of a topic."""

    def byte(found):
        # type: (re.Match[bytes]) -> bytes
        return bytes(bytearray([int(found.group(1), 16)]))

    return re.sub(b"%([0-9A-Fa-f]{2})", byte, quoted).decode("utf-8", "replace")


def make_topic(kind, name=None):
    # type: (Text, Text | None) -> bytes
    """Return the topic of a shard or node, or the prefix of all topics of a kind."""
    end = "" if name is None else quote_name(name) + "/"
    return ("%s/%s/%s" % (TOPIC_ROOT, kind, end)).encode("ascii")


def decode_message(frames):
    # type: (Sequence[bytes]) -> Message
    """Return kind, name, header and body of a bus message.

    The name is the id of a shard, for a heartbeat the node, for a fence its nonce. The header is
    [version, node, epoch, seq, time]; items that a later version may append are dropped.

    Raises:
        FailedError: It is not a message of this protocol version.
    """
    if len(frames) != 3:
        raise FailedError("a bus message has 3 frames, not %d" % len(frames))
    header, body = unpack(frames[1]), unpack(frames[2])
    if not isinstance(header, list) or len(header) < 5 or header[0] != 1:
        raise FailedError("a header is [1, node, epoch, seq, time]")
    if frames[0].startswith(FENCE):
        return "fence", unquote_name(frames[0][len(FENCE) :]), header[:5], body
    parts = frames[0].split(b"/")
    if len(parts) != 4 or parts[0] != TOPIC_ROOT.encode("ascii") or parts[3]:
        raise FailedError("a topic is z1/KIND/NAME/")
    return parts[1].decode("ascii", "replace"), unquote_name(parts[2]), header[:5], body


# --- connecting ---


def read_keys(server_file, client_file):
    # type: (Text, Text) -> Keys
    """Return the daemon's public key, and this client's public and secret key.

    Raises:
        UsageError: A file cannot be read, has no key, or may be read by other users.
    """
    if not zmq.has("curve"):
        raise UsageError("keys need CURVE, which this pyzmq does not support: install another")
    server, secret = _read_key(server_file, "public"), _read_key(client_file, "secret")
    status = os.stat(client_file)
    mode = stat.S_IMODE(status.st_mode)
    mounted = status.st_uid == 0 and os.geteuid() != 0  # group-readable, as Kubernetes mounts it
    if mode & ~(0o740 if mounted else 0o700):
        raise UsageError(
            "%s: found mode %04o, expected 0600, as it holds a secret: chmod 600 it"
            % (client_file, mode)
        )
    return server, zmq.curve_public(secret), secret


def _read_key(path, which):
    # type: (Text, Text) -> bytes
    try:
        with open(path, "rb") as file:
            text = file.read(65536).decode("utf-8", "replace")
    except (IOError, OSError) as error:
        raise UsageError("%s: cannot be read: %s" % (path, error.strerror))
    found = re.search(r'^\s*%s-key\s*=\s*"([^"\n]*)"' % which, text, re.MULTILINE)
    if found is None:
        raise UsageError("%s: found no %s key, expected what `zinfo keygen` makes" % (path, which))
    key = found.group(1).encode("utf-8")
    try:
        zmq.curve_public(key)  # accepts any 32 bytes in Z85
    except (zmq.ZMQError, ValueError):
        raise UsageError("%s: found a broken %s key, expected 40 characters of Z85" % (path, which))
    return key


def connect(context, kind, endpoint, keys):
    # type: (zmq.Context[zmq.Socket[bytes]], int, Text, Keys | None) -> zmq.Socket[bytes]
    """Return a socket that connects to the endpoint; raises ZMQError if it is invalid."""
    socket = context.socket(kind)
    try:
        socket.setsockopt(zmq.LINGER, 0)  # an unsent request must not delay the exit
        socket.setsockopt(zmq.IPV6, 1)
        if keys is not None:
            server, public, secret = keys
            socket.setsockopt(zmq.CURVE_SERVERKEY, server)
            socket.setsockopt(zmq.CURVE_PUBLICKEY, public)
            socket.setsockopt(zmq.CURVE_SECRETKEY, secret)
        socket.connect(endpoint)
    except zmq.ZMQError:
        socket.close()
        raise
    return socket


def no_reply(endpoint, keys):
    # type: (Text, Keys | None) -> Text
    """Return the message for a missing reply, with a hint."""
    if keys is None:
        hint = "if it requires keys, give --server-key and --client-key"
    else:
        hint = "a daemon does not answer a client whose key it does not know"
    return "nothing answers at %s; is a daemon running there? (%s)" % (endpoint, hint)


def send_request(socket, request, endpoint, keys):
    # type: (zmq.Socket[bytes], list[bytes], Text, Keys | None) -> None
    """Send a request.

    Raises:
        FailedError: The daemon has closed the connection; a blocking send would never return.
    """
    try:
        socket.send_multipart(request, zmq.NOBLOCK)
    except zmq.Again:
        raise FailedError(no_reply(endpoint, keys))


# --- printing ---

UNSAFE = [0x61C, 0x200E, 0x200F, 0x2028, 0x2029]  # change the direction of text, or end a line
for _first, _end in ((0, 0x20), (0x7F, 0xA0), (0x202A, 0x202F), (0x2066, 0x206A)):
    UNSAFE.extend(range(_first, _end))
ESCAPES = {code: "\\x%02x" % code if code < 256 else "\\u%04x" % code for code in UNSAFE}
ESCAPES.update({0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"})

COLOURS = {"bold": 1, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
ROLES = {"master": "primary", "slave": "replica"}  # how roles of INFO are shown
STATE_COLOURS = {"up": "green", "down": "red", "loading": "yellow", "busy": "yellow", "new": "cyan"}


def write_line(stream, number, text):
    # type: (Any, int, Text) -> None
    """Write one line to stdout (1) or stderr (2), unbuffered; escape unencodable characters.

    Raises:
        OutputError: It cannot be written, for example because the disk is full.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"  # None for a pipe in Python 2
    data = text.encode(encoding, "backslashreplace") + b"\n"
    try:
        while data:
            data = data[os.write(number, data) :]
    except OSError as error:
        raise OutputError("the output cannot be written: %s" % error.strerror)


def reserve_standard_descriptors():
    # type: () -> None
    """Open closed ones of stdin, stdout and stderr, so that ZeroMQ does not get their numbers."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number


def print_line(line):
    # type: (Text) -> None
    """Print a line of output."""
    write_line(sys.stdout, 1, line)


def print_note(message):
    # type: (Text) -> None
    """Print a message on stderr."""
    write_line(sys.stderr, 2, printable(message))


def printable(text):
    # type: (Text) -> Text
    r"""Return text in one line, with control characters escaped as in `\x1b`."""
    return text.translate(ESCAPES)


def coloured(text, colour):
    # type: (Text, Text | None) -> Text
    """Return the text in a colour, if stdout is a terminal and colours are not disabled."""
    dumb = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if colour is None or dumb or not os.isatty(1):
        return text
    return "\x1b[%dm%s\x1b[0m" % (COLOURS[colour], text)


def value_text(value):
    # type: (Any) -> Text
    """Return a value in the format of INFO: maps as `keys=1,expires=0`."""
    if isinstance(value, dict):
        return ",".join(
            "%s=%s" % (printable(name), value_text(one))
            for name, item in value.items()
            for one in (item if isinstance(item, list) else [item])
        )
    if isinstance(value, list):
        return " ".join(map(value_text, value))
    return repr(value) if isinstance(value, float) else printable("%s" % (value,))


def when(moment):
    # type: (float) -> Text
    """Return a wall-clock time in UTC, with milliseconds."""
    try:
        start = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment // 1))
    except (ValueError, OverflowError, OSError):
        return "-"
    return "%s.%03dZ" % (start, int(round(moment % 1 * 1e6)) // 1000)


class Printer(object):
    """Prints changes, events, and interruptions of the stream, a line each.

    Args:
        as_json: Whether to print JSON objects.
    """

    def __init__(self, as_json):
        # type: (bool) -> None
        self._json = as_json

    def change(self, shard, revision, moment, change):
        # type: (Text, int, float, tuple[Text, Any, Any]) -> None
        """Print the change of a field."""
        field, old, new = change
        if self._json:
            value = OrderedDict([("update", "change"), ("shard", shard), ("revision", revision)])
            value["time"], value["field"] = moment, field
            if old is not UNKNOWN:
                value["old"] = old
            value["new"] = new
            print_line(json.dumps(value))
            return
        if isinstance(old, dict) and isinstance(new, dict):
            old, new = _without_same(old, new), _without_same(new, old)
        values = (printable(field), _shown(old), _shown(new))
        self._text(moment, shard, "%s: %s -> %s" % values)

    def event(self, event):
        # type: (dict[Text, Any]) -> None
        """Print an event of a shard."""
        if self._json:
            value = OrderedDict([("update", "event")])
            value.update(event)
            print_line(json.dumps(value))
            return
        kind, old, new = event["type"], event["old"], event["new"]
        text = coloured(printable(kind), STATE_COLOURS.get(kind, "bold"))
        if kind == "role_changed":
            old, new = ROLES.get(old, old), ROLES.get(new, new)
        if event["reason"]:
            text += " (%s)" % printable(event["reason"])
        if kind == new:  # events of some types are named like the new state
            text += ", was %s" % printable(old) if old else ""
        elif old != new and old and new:
            text += ": %s -> %s" % (printable(old), printable(new))
        if event["message"]:
            text += ": %s" % printable(event["message"])
        self._text(event["time"], event["shard"], "#%d %s" % (event["number"], text))

    def interruption(self, kind, shard, text):
        # type: (Text, Text | None, Text) -> None
        """Print an interruption of the stream, or its end: gap, stale, again or restart."""
        moment = time.time()
        if self._json:
            value = [("update", kind), ("time", moment), ("shard", shard), ("message", text)]
            print_line(json.dumps(OrderedDict(value)))
        else:
            self._text(moment, shard, coloured("%s: %s" % (kind, printable(text)), "yellow"))

    def _text(self, moment, shard, text):
        # type: (float, Text | None, Text) -> None
        shown = "-" if shard is None else coloured(printable(shard), "cyan")
        print_line("%s %s %s" % (when(moment), shown, text))


def _without_same(one, other):
    # type: (dict[Text, Any], dict[Text, Any]) -> dict[Text, Any]
    return OrderedDict((name, value) for name, value in one.items() if other.get(name) != value)


def _shown(value):
    # type: (Any) -> Text
    if value is UNKNOWN:
        return "?"
    return "-" if value is None else value_text(value) or '""'


def exit_if_output_is_closed():
    # type: () -> None
    """Exit if stdout is a pipe without a reader; a write would find out, but may be long off."""
    poller = select.poll()
    poller.register(1, 0)  # POLLERR is always reported
    if any(events & (select.POLLERR | select.POLLNVAL) for _, events in poller.poll(0)):
        sys.exit(0)


# --- state of the shards; no I/O ---

UNKNOWN = object()  # an old value that was never received
EVENT_KEYS = ("shard", "type", "old", "new", "reason", "message", "number", "seq", "time")


class Fields(object):
    """The newest known values of the selected fields.

    Args:
        keys: Names of the fields; empty for all.
        prefix: Whether the keys are prefixes of names.
    """

    def __init__(self, keys, prefix):
        # type: (Sequence[Text], bool) -> None
        self._keys = tuple(keys)
        self._prefix = prefix
        # For each shard: revision, fields, and whether these are complete. If they are not, a
        # missing field may exist on the server.
        self._shards = {}  # type: dict[Text, tuple[int, dict[Text, Any], bool]]

    def wants(self, field):
        # type: (Text) -> bool
        """Return whether a field is selected."""
        if self._prefix:
            return field.startswith(self._keys)
        return not self._keys or field in self._keys

    def revision(self, shard):
        # type: (Text) -> int | None
        """Return the known revision of a shard, or None."""
        known = self._shards.get(shard)
        return None if known is None else known[0]

    def replace(self, shard, revision, fields):
        # type: (Text, int, dict[Text, Any]) -> list[tuple[Text, Any, Any]]
        """Replace the fields of a shard by the selected fields of the daemon's cache.

        Returns:
            The changes, each as field, old and new value; none for a shard that was unknown.
        """
        known = self._shards.get(shard)
        if known is not None and known[0] >= revision:
            return []
        self._shards[shard] = (revision, dict(fields), True)
        if known is None:
            return []
        now = OrderedDict.fromkeys(known[1])  # type: OrderedDict[Text, Any]
        now.update(fields)
        if not known[2]:
            now = OrderedDict((name, now[name]) for name in known[1])
        return _differences(known[1], None if known[2] else UNKNOWN, now)

    def apply(self, shard, revision, delta):
        # type: (Text, int, dict[Text, Any]) -> list[tuple[Text, Any, Any]]
        """Apply a delta; returns the changes of selected fields, as `replace` does."""
        known = self._shards.get(shard)
        if known is not None and revision <= known[0]:
            return []
        fields = OrderedDict(delta["set"])  # type: OrderedDict[Text, Any]
        fields.update((name, None) for name in delta["unset"])
        if delta["base"] == 0:  # it has all fields
            known = known or (0, {}, True)
            before = OrderedDict.fromkeys(known[1])  # type: OrderedDict[Text, Any]
            before.update(fields)
            fields = before
        elif known is None or known[0] != delta["base"]:
            known = (0, {}, False)
        wanted = OrderedDict(item for item in fields.items() if self.wants(item[0]))
        changes = _differences(known[1], None if known[2] else UNKNOWN, wanted)
        known[1].update(wanted)
        for name in [name for name, value in wanted.items() if value is None]:
            del known[1][name]
        self._shards[shard] = (revision, known[1], known[2])
        return changes

    def forget(self, shard=None):
        # type: (Text | None) -> None
        """Remove a shard, or all shards."""
        if shard is None:
            self._shards.clear()
        else:
            self._shards.pop(shard, None)


def _differences(known, missing, fields):
    # type: (dict[Text, Any], Any, dict[Text, Any]) -> list[tuple[Text, Any, Any]]
    changes = []
    for name, new in fields.items():
        old = known.get(name, missing)
        if old is UNKNOWN or old != new:
            changes.append((name, old, new))
    return changes


class GapDetector(object):
    """Detects missing messages of one kind.

    The sequence numbers of each shard are consecutive, and heartbeats have the total number of
    messages of all shards.
    """

    def __init__(self):
        # type: () -> None
        self._last = {}  # type: dict[Text, int]
        self._accounted = 0  # messages since the last total, both received and known to be missing
        self._total = None  # type: int | None

    def record(self, shard, seq, known=None):
        # type: (Text, int, int | None) -> int
        """Record a received message.

        Args:
            shard: Id of its shard.
            seq: Its sequence number.
            known: Sequence number up to which the state is known from the cache, if it is.

        Returns:
            The number of messages missing before it; -1 if it is a duplicate or old.
        """
        last = self._last.get(shard)
        if last is not None and seq <= last:
            return -1
        before = known if last is None else last
        missing = 0 if before is None else max(0, seq - before - 1)
        self._last[shard] = seq
        self._accounted += 1 + missing
        return missing

    def forget(self, shard):
        # type: (Text) -> None
        """Forget a removed shard: if it is added again, its numbers do not continue these."""
        self._last.pop(shard, None)

    def forget_all(self):
        # type: () -> None
        """Forget all shards: the next message of each is taken as its first."""
        self._last.clear()

    def total_differs(self, total):
        # type: (int) -> bool
        """Return whether the total grew by another number than that of accounted messages."""
        before, accounted = self._total, self._accounted
        self._total, self._accounted = total, 0
        return before is not None and total - before != accounted


# --- the connection ---


class StaleError(Exception):
    """The state is no longer current, and the bus has to be joined again."""


class BusSession(object):
    """The subscription to a daemon's bus, and queries beside it.

    Args:
        endpoint: The daemon's query endpoint.
        timeout: Seconds to wait for a reply.
        keys: Keys of daemon and client; None if it requires none.

    Attributes:
        epoch: Epoch of the daemon; None before the first reply.
        node: Name of the daemon.
        interval: Seconds between its heartbeats.
        sees_all: Whether this client can see all shards, so that totals can be compared.
        fence: Topic of the message that confirms the subscriptions.
    """

    def __init__(self, endpoint, timeout, keys):
        # type: (Text, float, Keys | None) -> None
        self._endpoint = endpoint
        self._timeout = timeout
        self._keys = keys
        self._context = zmq.Context()  # type: zmq.Context[zmq.Socket[bytes]]
        self._context.setsockopt(zmq.RCVHWM, QUEUE)
        self._bus = None  # type: zmq.Socket[bytes] | None
        self._received = deque()  # type: deque[list[bytes]]
        self.epoch = None  # type: int | None
        self.node = ""
        self.interval = 1.0
        self.sees_all = True
        self.fence = b""

    def close(self):
        # type: () -> None
        """Close the bus socket, and end ZeroMQ's threads."""
        self._leave()
        self._context.destroy(0)  # term() would block on sockets that Ctrl-C left open

    def join(self, topics):
        # type: (list[bytes]) -> Any
        """Request the bus endpoint, and subscribe; returns the daemon's totals at that time.

        Raises:
            StaleError: The bus does not confirm the subscriptions.
            FailedError: There was no reply, or an error reply.
            UsageError: The endpoint is invalid.
        """
        self._leave()
        header, hello = self._query("hello", {})
        buses = hello.get("bus") if isinstance(hello, dict) else None
        if not buses or 1 not in hello.get("versions", []):
            raise FailedError("%s has no bus of protocol version 1" % self._endpoint)
        self.epoch, self.node = header.get("epoch"), hello.get("node", "")
        self.interval, self.sees_all = hello.get("heartbeat", 1.0), not hello.get("rights")
        self.fence = FENCE + binascii.hexlify(os.urandom(8))
        where = reachable(buses[0], self._endpoint)
        try:
            self._bus = connect(self._context, zmq.SUB, where, self._keys)
        except zmq.ZMQError as error:
            raise StaleError("the bus at %s cannot be reached: %s" % (where, error.strerror))
        for topic in topics + [self.fence]:  # the fence must be last
            self._bus.setsockopt(zmq.SUBSCRIBE, topic)
        until = clock() + max(HEARTBEATS * self.interval, FENCE_TIME)
        while True:
            frames = self.receive(until)
            if frames is None:
                raise StaleError("the bus at %s does not answer" % where)
            if frames[0] == self.fence:
                _, _, its_header, body = decode_message(frames)
                if its_header[2] != self.epoch:
                    raise StaleError("another daemon has the bus at %s" % where)
                if not isinstance(body, dict) or not {"revisions", "events"} <= set(body):
                    raise StaleError("the bus at %s sends no totals" % where)
                self._report_refused(body.get("refused") or [], topics)
                return body

    @staticmethod
    def _report_refused(refused, topics):
        # type: (list[Text], list[bytes]) -> None
        """Print the topics that the daemon refuses; raise FailedError if no other remains."""
        if not refused:
            return
        problem = "this client is not authorised to subscribe to %s" % ", ".join(refused)
        wanted = {topic for topic in topics if not topic.startswith(make_topic("hb"))}
        if wanted <= {topic.encode("utf-8") for topic in refused}:
            raise FailedError(problem)
        print_note(problem)

    def receive(self, until):
        # type: (float) -> list[bytes] | None
        """Return the next bus message; None if there is none until then."""
        polled = False
        while self._bus is not None and not self._received:
            try:
                return self._bus.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                left = until - clock()
            if left <= 0 and polled:
                return None
            # At least once: if this process was stopped, messages may be about to arrive.
            self._bus.poll(int(max(0.05, min(left, LONGEST_POLL)) * 1000))
            polled = True
        return self._received.popleft()

    def entries(self, args):
        # type: (dict[Text, Any]) -> Iterator[dict[Text, Any]]
        """Yield the entries of a reply to `get_infos`; bus messages are queued meanwhile.

        Raises:
            StaleError: The reply is from another daemon than the bus.
            FailedError: There was no reply, or an error reply.
        """
        while True:
            header, body = self._query("get_infos", args)
            if header.get("epoch") != self.epoch:
                raise StaleError("another daemon, or a restarted one")
            if not isinstance(body, list):
                raise FailedError("the reply to get_infos is not an array")
            for entry in body:
                yield entry
            if "cursor" not in header:
                return
            args = OrderedDict(args)  # dict(args, cursor=...) would have a key of bytes
            args["cursor"] = header["cursor"]

    def _query(self, op, args):
        # type: (Text, dict[Text, Any]) -> tuple[dict[Text, Any], Any]
        try:
            socket = connect(self._context, zmq.REQ, self._endpoint, self._keys)
        except zmq.ZMQError as error:
            raise UsageError("--connect %s: %s" % (self._endpoint, error.strerror))
        try:
            poller = zmq.Poller()
            poller.register(socket, zmq.POLLIN)
            if self._bus is not None:
                poller.register(self._bus, zmq.POLLIN)
            request = encode_request(op, args, 1, self._timeout)
            send_request(socket, request, self._endpoint, self._keys)
            until = clock() + self._timeout
            while clock() < until:
                ready = dict(poller.poll(int(min(until - clock(), LONGEST_POLL) * 1000) + 1))
                if self._bus is not None and self._bus in ready:
                    self._received.append(self._bus.recv_multipart())
                if socket in ready:
                    return decode_reply(socket.recv_multipart())
            raise FailedError(no_reply(self._endpoint, self._keys))
        finally:
            socket.close()

    def _leave(self):
        # type: () -> None
        self._received.clear()
        if self._bus is not None:
            self._bus.close()
            self._bus = None


def reachable(bus, query):
    # type: (Text, Text) -> Text
    """Return the bus endpoint, with the query endpoint's host in place of a wildcard address."""
    there = re.match(r"tcp://(?:\*|0\.0\.0\.0|\[::\]|::):(\d+)$", bus)
    here = re.match(r"tcp://(.+):\d+$", query)
    return "tcp://%s:%s" % (here.group(1), there.group(1)) if there and here else bus


# --- options ---


class Parser(argparse.ArgumentParser):
    """Accepts shards before, between and after options, and prints non-ASCII errors."""

    def words(self, arguments):
        # type: (Iterable[Any]) -> list[Text]
        """Return arguments as text: Python 2 has bytes, Python 3 has decoded them by its locale."""
        try:
            return [
                (word if isinstance(word, bytes) else os.fsencode(word)).decode("utf-8")
                for word in arguments
            ]
        except UnicodeDecodeError:
            self.error("found an argument that is not UTF-8, expected text")

    def read(self, words):
        # type: (list[Text]) -> argparse.Namespace
        """Return the options; `shards` has all arguments that are not options or their values."""
        options, rest = self.parse_known_args(words)
        unknown = [word for word in rest if word.startswith("-")]
        if unknown:
            self.error("no such option: %s" % " ".join(unknown))
        options.shards.extend(rest)
        return options

    def error(self, message):
        # type: (Text) -> NoReturn
        """Print the usage and the error, and exit."""
        write_line(sys.stderr, 2, self.format_usage().rstrip())
        print_note("%s: error: %s" % (self.prog, message))
        sys.exit(2)

    def add_daemon(self):
        # type: () -> None
        """Add the options of all programs that query a daemon."""

        def default(variable):
            # type: (str) -> Text | None
            value = os.environ.get(variable)
            return self.words([value])[0] if value else None

        self.add_argument(
            "--connect",
            metavar="ENDPOINT",
            default=default("ZINFO_CONNECT") or "tcp://127.0.0.1:9736",
            help="query endpoint of the daemon [ZINFO_CONNECT, else tcp://127.0.0.1:9736]",
        )
        self.add_argument(
            "--timeout",
            type=waiting_time,
            metavar="SECONDS",
            help="how long to wait for a reply [%g]" % DEFAULT_TIMEOUT,
        )
        self.add_argument(
            "--server-key",
            metavar="FILE",
            default=default("ZINFO_SERVER_KEY"),
            help="public key of a daemon that requires keys: its server.key [ZINFO_SERVER_KEY]",
        )
        self.add_argument(
            "--client-key",
            metavar="FILE",
            default=default("ZINFO_CLIENT_KEY"),
            help="your own secret key: NAME.key_secret [ZINFO_CLIENT_KEY]",
        )
        self.add_argument("--json", action="store_true", help="print JSON, one object per line")


def waiting_time(text):
    # type: (Text) -> float
    """Return the value of --timeout, in seconds."""
    value = seconds(text)
    if not 0 < value <= 86400:
        raise argparse.ArgumentTypeError(
            "found %s, expected seconds above 0, at most 86400 (a day)" % text
        )
    return value


def seconds(text):
    # type: (Text) -> float
    """Return the value of an option in seconds."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError("found %s, expected a number of seconds" % text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("found %s, expected a number of seconds, 0 or more" % text)
    return value


# --- the program ---


class Watch(object):
    """Subscribes to a daemon's bus, and prints changes, events and gaps.

    Args:
        session: The subscription to the bus.
        printer: Prints them.
        shards: Ids of the selected shards; empty for all.
        keys: The selected fields; empty for all.
        prefix: Whether keys are prefixes of names.
    """

    def __init__(self, session, printer, shards, keys, prefix):
        # type: (BusSession, Printer, list[Text], list[Text], bool) -> None
        self._session = session
        self._printer = printer
        self._shards = shards
        self._args = {"keys": keys, "prefix_matching": prefix, "allow_partial": True}
        self._fields = Fields(keys, prefix)
        kinds = ("delta", "event")
        all_shards = not shards or len(kinds) * len(shards) > MAX_TOPICS
        self._topics = [make_topic("hb")]
        for kind in kinds:
            names = [None] if all_shards else sorted(set(shards))  # type: Sequence[Text | None]
            self._topics.extend(make_topic(kind, name) for name in names)
        self._all_shards = all_shards
        self._gap_detectors = {"delta": GapDetector(), "event": GapDetector()}
        self._received_at = 0.0
        self._suspect = None  # type: set[Text] | None
        self._fetch_at = 0.0  # when to fetch suspect shards

    def run(self, timeout):
        # type: (float) -> None
        """Join and print; does not return.

        Args:
            timeout: Seconds within which the first attempt to join must succeed.
        """
        self._begin(clock() + timeout)
        while True:
            try:
                self._follow()
            except StaleError as error:
                self._printer.interruption("stale", None, error.args[0])
                self._join_again()

    # --- joining

    def _begin(self, until):
        # type: (float) -> None
        while True:
            try:
                self._joined(self._session.join(self._topics))
                for missing in self._fetch(self._shards):
                    print_note("%s; waiting for it" % missing)
            except StaleError as error:
                if clock() >= until:
                    raise FailedError(error.args[0])
                time.sleep(random.uniform(0.05, 0.1))  # back-off with jitter
            else:
                return

    def _join_again(self):
        # type: () -> None
        epoch, pause = self._session.epoch, random.uniform(0, JITTER)
        while True:
            exit_if_output_is_closed()
            time.sleep(pause)  # back-off with jitter
            try:
                totals = self._session.join(self._topics)
            except (StaleError, FailedError):  # "stale" has been printed already
                pause = random.uniform(JITTER / 2, JITTER)
            else:
                break
        if self._session.epoch != epoch:
            self._printer.interruption("restart", None, "%s was restarted" % self._session.node)
            self._gap_detectors = {"delta": GapDetector(), "event": GapDetector()}
            self._fields.forget()
            self._joined(totals)
            self._mark_suspect(None, 0)
        else:
            self._printer.interruption("again", None, "the daemon responds again")
            self._joined(totals)
            self._check_after_reconnect(0)

    def _joined(self, totals):
        # type: (dict[Text, Any]) -> None
        self._received_at = clock()
        self._suspect = None
        self._compare(totals)

    # --- following

    def _follow(self):
        # type: () -> None
        """Handle messages until the state becomes stale."""
        while True:
            silent_at = self._received_at + HEARTBEATS * self._session.interval
            until = silent_at if self._suspect is None else min(silent_at, self._fetch_at)
            frames = self._session.receive(until)
            if frames is not None:
                self._received_at = clock()
                try:
                    self._handle(decode_message(frames), frames[0])
                except (FailedError, KeyError, TypeError, ValueError) as error:
                    # It counts as missing, so the next message reveals a gap.
                    print_note("a bus message could not be decoded: %s" % error)
            elif clock() >= silent_at:
                raise StaleError("no heartbeat for %.1f s" % (clock() - self._received_at))
            if self._suspect is not None and clock() >= self._fetch_at:
                self._fetch_suspect()

    def _handle(self, message, topic):
        # type: (Message, bytes) -> None
        kind, name, (_, node, epoch, seq, moment), body = message
        if epoch != self._session.epoch:
            raise StaleError("another daemon, or a restarted one: %s" % node)
        if kind == "hb":
            self._session.interval = body["interval"]
            self._compare(body)
            exit_if_output_is_closed()
        elif topic == self._session.fence:  # ZeroMQ has reconnected
            self._compare(body)
            self._check_after_reconnect()
        elif kind == "delta":
            self._handle_delta(name, seq, moment, body)
        elif kind == "event":
            self._handle_event(name, seq, body)

    def _handle_delta(self, shard, revision, moment, delta):
        # type: (Text, int, float, dict[Text, Any]) -> None
        delta = {
            "set": OrderedDict(delta["set"]),
            "unset": list(delta["unset"]),
            "base": delta["base"],
        }
        known = self._fields.revision(shard) if delta["base"] else None
        missing = self._gap_detectors["delta"].record(shard, revision, known)
        if missing < 0 or not self._is_selected(shard):
            return
        if missing:
            self._gap("delta", shard)
        if self._suspect is None or (self._suspect and shard not in self._suspect):
            for change in self._fields.apply(shard, revision, delta):
                self._printer.change(shard, revision, moment, change)

    def _handle_event(self, shard, seq, event):
        # type: (Text, int, dict[Text, Any]) -> None
        labels = event.get("labels")
        event = OrderedDict((name, event[name]) for name in EVENT_KEYS)
        if labels is not None:  # in events of the types added and labels_changed
            event["labels"] = labels
        missing = self._gap_detectors["event"].record(shard, seq)
        if event["type"] == "removed":
            for detector in self._gap_detectors.values():
                detector.forget(shard)
        if missing < 0 or not self._is_selected(shard):
            return
        if missing:
            self._gap("event", shard)
        self._printer.event(event)
        if event["type"] == "removed":
            self._fields.forget(shard)

    def _is_selected(self, shard):
        # type: (Text) -> bool
        return not self._shards or shard in self._shards

    # --- gaps

    def _compare(self, totals):
        # type: (dict[Text, Any]) -> None
        """Compare received messages with the daemon's totals, if all should be received."""
        if not (self._all_shards and self._session.sees_all):
            return
        for kind, total in (("delta", totals["revisions"]), ("event", totals["events"])):
            if self._gap_detectors[kind].total_differs(total):
                self._gap(kind, None)

    def _check_after_reconnect(self, pause=None):
        # type: (float | None) -> None
        """Report a gap after a reconnection, unless totals show whether there is one."""
        if not (self._all_shards and self._session.sees_all):
            for kind in ("delta", "event"):
                self._gap(kind, None, pause)

    def _gap(self, kind, shard, pause=None):
        # type: (Text, Text | None, float | None) -> None
        if shard is None:
            self._gap_detectors[kind].forget_all()
        if kind == "event":
            self._printer.interruption(
                "gap", shard, "events were lost; `events` of the daemon returns them"
            )
            return
        self._printer.interruption("gap", shard, "messages were lost; the changes in total follow")
        self._mark_suspect(shard, random.uniform(0, JITTER) if pause is None else pause)

    def _mark_suspect(self, shard, pause):
        # type: (Text | None, float) -> None
        """Schedule fetching a shard, or all, after a pause: other clients may fetch as well."""
        if self._suspect is None:
            self._fetch_at = clock() + pause
            self._suspect = set() if shard is None else {shard}
        elif shard is None:
            self._suspect = set()  # the empty set means all shards
        elif self._suspect:
            self._suspect.add(shard)

    def _fetch_suspect(self):
        # type: () -> None
        shards = sorted(self._suspect or self._shards)
        try:
            self._fetch(shards)
        except FailedError as error:  # the stream continues; the next old values are unknown
            self._fields.forget()
            print_note("the daemon's cache could not be read: %s" % error.args[0])
        self._suspect = None

    def _fetch(self, shards):
        # type: (list[Text]) -> list[Text]
        """Fetch from the daemon's cache, and print changes; returns errors of missing shards."""
        missing = []
        args = dict(self._args)
        args["shard_ids"] = shards
        for entry in self._session.entries(args):
            meta = entry.pop("meta")
            shard = meta["shard_identifier"]
            if "error" in meta:
                missing.append(meta["error"])
                continue
            for change in self._fields.replace(shard, meta["revision"], entry):
                self._printer.change(shard, meta["revision"], meta["time"], change)
        return missing


def make_parser():
    # type: () -> Parser
    """Return the parser of the command line."""
    parser = Parser(
        prog="legacy_stream.py",
        usage="%(prog)s [OPTION]... [SHARD]...    (--help lists them)",
        description="Print each change of INFO as it arrives, until Ctrl-C.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("shards", nargs="*", metavar="SHARD", help="only these shards, existing or not [all]")
    add("--key", action="append", default=[], metavar="NAME", help="only this field; repeatable")
    add("--prefix", action="store_true", help="each --key is a prefix of field names")
    parser.add_daemon()
    return parser


def run(options):
    # type: (argparse.Namespace) -> None
    """Run the program with these options.

    Raises:
        FailedError, UsageError: It failed.
    """
    if options.prefix and not options.key:
        raise UsageError("--prefix needs at least one --key")
    keys = None
    if options.server_key or options.client_key:
        if not (options.server_key and options.client_key):
            raise UsageError("--server-key and --client-key belong together: give both, or none")
        keys = read_keys(options.server_key, options.client_key)
    timeout = options.timeout or DEFAULT_TIMEOUT
    session = BusSession(options.connect, timeout, keys)
    printer = Printer(options.json)
    try:
        Watch(session, printer, options.shards, options.key, options.prefix).run(timeout)
    finally:
        session.close()


def main():
    # type: () -> int
    """Run the program; return its exit code."""
    reserve_standard_descriptors()
    parser = make_parser()
    try:
        run(parser.read(parser.words(sys.argv[1:])))
    except UsageError as error:
        parser.error(error.args[0])
    except (FailedError, OutputError) as error:
        print_note("%s: %s" % (parser.prog, error.args[0]))
        return 1
    except zmq.ZMQError as error:
        print_note("%s: ZeroMQ: %s" % (parser.prog, error.strerror))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `legacy_stream.py | head` ends quietly
    sys.exit(main())
