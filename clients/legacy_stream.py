#!/usr/bin/env python
"""Print each change of INFO as it arrives: `zinfo watch` in one file, also for old Pythons.

Runs on Python 2.7, on 3.6 and on every later one, with pyzmq and msgpack alone. Versions of these
that have wheels for the old ones:

    python2.7 -m pip install pyzmq==19.0.2 msgpack==0.6.2
    python3.6 -m pip install pyzmq==25.1.2 msgpack==1.0.2

docs/protocol.md says what every part of the wire means; the parts of this program stand in its
order: joining, gaps, staleness. What it has in common with legacy_query.py is the same there.
"""
# Python 2.7 has nothing of what these rules want: `raise ... from`, pathlib, round() to an integer,
# `[*a, b]`, classes without `object`, text that is `str`, `yield from`, f-strings. Types are in
# comments, as it has no annotations either, and F401 does not look into comments.
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
    sys.exit("legacy_stream.py: %s; pip install pyzmq msgpack: the first lines say more" % error)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, NoReturn, Text

    Keys = tuple[bytes, bytes, bytes]
    Message = tuple[Text, Text, list[Any], Any]

MAGIC = b"ZI1"  # first frame of a request and of a reply; the digit is the version of the wire
TOPIC_ROOT = "z1"  # what topics begin with; the digit is the version of the wire
FENCE = b"~fence/"  # what topics of fences begin with
DEFAULT_TIMEOUT = 3.0  # seconds; a daemon answers within milliseconds, or is not there
HEARTBEATS = 3  # so many that do not come make all stale
FENCE_TIME = 1.5  # seconds that a fence may take at least, where heartbeats are quicker
SPREAD = 1.0  # seconds; a random part is waited before many would ask the daemon at once
LONGEST_POLL = 0.5  # seconds; a Ctrl-C that comes just before a poll is seen only after it
QUEUE = 10000  # messages that wait in this process before some are dropped
MAX_TOPICS = 500  # a SUB socket with many more loses some when its connection is made anew

# Time that does not jump with the wall clock; Python 2 has it there only.
clock = getattr(time, "monotonic", lambda: os.times()[4])

EXAMPLES = """examples:
  legacy_stream.py                                        all that changes, of all shards
  legacy_stream.py --key used_memory --key connected_clients
  legacy_stream.py 127.0.0.1:6379 --key db --prefix       all fields that begin with db
  legacy_stream.py --key role --json

exit codes: 0 done (whoever read the output is gone), 1 no answer or a refusal, 2 wrong usage,
130 Ctrl-C, which is the way to end it
"""


class FailedError(Exception):
    """The program cannot do what it was asked; the text is one line for people."""


class OutputError(Exception):
    """What is to be printed cannot be; the text is one line for people."""


class UsageError(Exception):
    """What the user said cannot be right; the text is one line."""


class RefusedError(FailedError):
    """The daemon said why it does not answer.

    Attributes:
        error: map of code, message and retryable.
    """

    def __init__(self, error):
        # type: (dict[Text, Any]) -> None
        FailedError.__init__(self, "%s: %s" % (error.get("code"), error.get("message")))
        self.error = error


# --- the wire: pure ---


def unpack(data):
    # type: (bytes) -> Any
    """Return the value that msgpack bytes hold; maps keep their order."""
    try:
        return msgpack.unpackb(data, raw=False, object_pairs_hook=OrderedDict)
    except (ValueError, TypeError, RuntimeError, msgpack.UnpackException) as error:
        raise FailedError("what came is no msgpack: %s" % error)


def encode_request(op, args, request_id, deadline):
    # type: (Text, dict[Text, Any], Any, float | None) -> list[bytes]
    """Return the frames of a request; a REQ socket adds what goes before them.

    Args:
        op: the operation.
        args: its arguments by name.
        request_id: anything; the reply repeats it.
        deadline: seconds after which the answer is of no use; None where there is no such time.
    """
    value = OrderedDict([("id", request_id), ("op", op), ("args", args)])
    if deadline is not None:
        value["deadline"] = deadline
    return [MAGIC, msgpack.packb(value, use_bin_type=True)]


def decode_reply(frames):
    # type: (Sequence[bytes]) -> tuple[dict[Text, Any], Any]
    """Return header and body of a reply.

    Raises:
        RefusedError: the reply says why there is no answer.
        FailedError: it is no reply of this version of the wire.
    """
    if len(frames) < 2 or frames[0] != MAGIC:
        raise FailedError("what came is no reply of zinfo's wire, version 1")
    header = unpack(frames[1])
    if not isinstance(header, dict) or not isinstance(header.get("ok"), bool):
        raise FailedError("what came has no header of a reply")
    if not header["ok"]:
        error = header.get("error")
        raise RefusedError(error if isinstance(error, dict) else {})
    return header, unpack(frames[2]) if len(frames) > 2 else None


def quote_name(name):
    # type: (Text) -> Text
    """Return an id as it stands in a topic: every byte but some is percent-encoded."""
    return "".join(
        chr(byte) if byte in PLAIN else "%%%02X" % byte for byte in bytearray(name.encode("utf-8"))
    )


PLAIN = frozenset(bytearray(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-@"))


def unquote_name(quoted):
    # type: (bytes) -> Text
    """Return the id that stands in a topic."""

    def byte(found):
        # type: (re.Match[bytes]) -> bytes
        return bytes(bytearray([int(found.group(1), 16)]))

    return re.sub(b"%([0-9A-Fa-f]{2})", byte, quoted).decode("utf-8", "replace")


def make_topic(kind, name=None):
    # type: (Text, Text | None) -> bytes
    """Return the topic of a shard or node, or the beginning of all topics of a kind."""
    end = "" if name is None else quote_name(name) + "/"
    return ("%s/%s/%s" % (TOPIC_ROOT, kind, end)).encode("ascii")


def decode_message(frames):
    # type: (Sequence[bytes]) -> Message
    """Return kind, name, header and body of a message of the bus.

    The name is a shard's id, of hb the node, of a fence its nonce. The header is [version, node,
    epoch, seq, time]; what a later version of the program may append is left out.

    Raises:
        FailedError: it is no message of this version of the wire.
    """
    if len(frames) != 3:
        raise FailedError("a message of the bus is 3 frames, not %d" % len(frames))
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
    """Return the daemon's public key, and this client's own: public, secret.

    Raises:
        UsageError: a file cannot be read, holds no key, or is open to others.
    """
    if not zmq.has("curve"):
        raise UsageError("this pyzmq cannot do CURVE, which keys need: install one that can")
    server, secret = _read_key(server_file, "public"), _read_key(client_file, "secret")
    status = os.stat(client_file)
    mode = stat.S_IMODE(status.st_mode)
    mounted = status.st_uid == 0 and os.geteuid() != 0  # a group may read it, as in Kubernetes
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
        zmq.curve_public(key)  # takes any 32 bytes in Z85
    except (zmq.ZMQError, ValueError):
        raise UsageError("%s: found a broken %s key, expected 40 characters of Z85" % (path, which))
    return key


def connect(context, kind, endpoint, keys):
    # type: (zmq.Context[zmq.Socket[bytes]], int, Text, Keys | None) -> zmq.Socket[bytes]
    """Return a socket that connects to the endpoint; a ZMQError says why it cannot."""
    socket = context.socket(kind)
    try:
        socket.setsockopt(zmq.LINGER, 0)  # or an unanswered request would keep the program
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


def nobody_at(endpoint, keys):
    # type: (Text, Keys | None) -> Text
    """Return what to say, and to do, where nothing answers."""
    if keys is None:
        hint = "one that asks for keys needs --server-key and --client-key"
    else:
        hint = "one that does not know this key does not answer"
    return "nothing answers at %s; does a daemon run there? (%s)" % (endpoint, hint)


def send_request(socket, request, endpoint, keys):
    # type: (zmq.Socket[bytes], list[bytes], Text, Keys | None) -> None
    """Send a request.

    Raises:
        FailedError: the daemon has refused this client; a send that waits would wait for ever.
    """
    try:
        socket.send_multipart(request, zmq.NOBLOCK)
    except zmq.Again:
        raise FailedError(nobody_at(endpoint, keys))


# --- printing ---

UNSAFE = [0x61C, 0x200E, 0x200F, 0x2028, 0x2029]  # they turn the direction of text, or end lines
for _first, _end in ((0, 0x20), (0x7F, 0xA0), (0x202A, 0x202F), (0x2066, 0x206A)):
    UNSAFE.extend(range(_first, _end))
ESCAPES = {code: "\\x%02x" % code if code < 256 else "\\u%04x" % code for code in UNSAFE}
ESCAPES.update({0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"})

COLOURS = {"bold": 1, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
STATE_COLOURS = {"up": "green", "down": "red", "loading": "yellow", "busy": "yellow", "new": "cyan"}


def write_line(stream, number, text):
    # type: (Any, int, Text) -> None
    """Write one line to stdout (1) or stderr (2) at once, whatever its encoding can hold.

    Raises:
        OutputError: it cannot be written; a full disk, for one.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"  # Python 2 has none for a pipe
    data = text.encode(encoding, "backslashreplace") + b"\n"
    try:
        while data:
            data = data[os.write(number, data) :]
    except OSError as error:
        raise OutputError("the output cannot be written: %s" % error.strerror)


def hold_places():
    # type: () -> None
    """Open what is closed of stdin, stdout and stderr, or ZeroMQ's own files get their numbers."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def say(line):
    # type: (Text) -> None
    """Print a line of output."""
    write_line(sys.stdout, 1, line)


def note(message):
    # type: (Text) -> None
    """Print a line beside the output proper."""
    write_line(sys.stderr, 2, printable(message))


def printable(text):
    # type: (Text) -> Text
    r"""Return text from elsewhere in one line, its control characters as `\x1b`."""
    return text.translate(ESCAPES)


def painted(text, colour):
    # type: (Text, Text | None) -> Text
    """Return the text in a colour, where somebody looks at it who wants colours."""
    dumb = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if colour is None or dumb or not os.isatty(1):
        return text
    return "\x1b[%dm%s\x1b[0m" % (COLOURS[colour], text)


def value_text(value):
    # type: (Any) -> Text
    """Return a value as INFO writes it: maps as `keys=1,expires=0`."""
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
    """Prints changes, events, and what is wrong with the stream: a line each.

    Args:
        as_json: as objects.
    """

    def __init__(self, as_json):
        # type: (bool) -> None
        self._json = as_json

    def change(self, shard, revision, moment, change):
        # type: (Text, int, float, tuple[Text, Any, Any]) -> None
        """Print that a field has another value."""
        field, old, new = change
        if self._json:
            value = OrderedDict([("update", "change"), ("shard", shard), ("revision", revision)])
            value["time"], value["field"] = moment, field
            if old is not UNKNOWN:
                value["old"] = old
            value["new"] = new
            say(json.dumps(value))
            return
        if isinstance(old, dict) and isinstance(new, dict):
            old, new = _without_same(old, new), _without_same(new, old)
        self._text(moment, shard, "%s: %s -> %s" % (printable(field), _side(old), _side(new)))

    def event(self, event):
        # type: (dict[Text, Any]) -> None
        """Print what happened to a shard."""
        if self._json:
            value = OrderedDict([("update", "event")])
            value.update(event)
            say(json.dumps(value))
            return
        kind, old, new = event["type"], event["old"], event["new"]
        text = painted(printable(kind), STATE_COLOURS.get(kind, "bold"))
        if event["reason"]:
            text += " (%s)" % printable(event["reason"])
        if kind == new:  # the state is the event's name
            text += ", was %s" % printable(old) if old else ""
        elif old != new and old and new:
            text += ": %s -> %s" % (printable(old), printable(new))
        if event["message"]:
            text += ": %s" % printable(event["message"])
        self._text(event["time"], event["shard"], "#%d %s" % (event["number"], text))

    def trouble(self, kind, shard, text):
        # type: (Text, Text | None, Text) -> None
        """Print a break of the stream, or its end: "gap", "stale", "again" or "restart"."""
        moment = time.time()
        if self._json:
            value = [("update", kind), ("time", moment), ("shard", shard), ("message", text)]
            say(json.dumps(OrderedDict(value)))
        else:
            self._text(moment, shard, painted("%s: %s" % (kind, printable(text)), "yellow"))

    def _text(self, moment, shard, text):
        # type: (float, Text | None, Text) -> None
        shown = "-" if shard is None else painted(printable(shard), "cyan")
        say("%s %s %s" % (when(moment), shown, text))


def _without_same(one, other):
    # type: (dict[Text, Any], dict[Text, Any]) -> dict[Text, Any]
    return OrderedDict((name, value) for name, value in one.items() if other.get(name) != value)


def _side(value):
    # type: (Any) -> Text
    if value is UNKNOWN:
        return "?"
    return "-" if value is None else value_text(value) or '""'


def leave_if_nobody_reads():
    # type: () -> None
    """End the program if stdout is a pipe whose reader is gone: a quiet stream writes nothing."""
    poller = select.poll()
    poller.register(1, 0)  # errors are always told
    if any(told & (select.POLLERR | select.POLLNVAL) for _, told in poller.poll(0)):
        sys.exit(0)


# --- what is known: pure ---

UNKNOWN = object()  # stands for an old value that was not seen
EVENT_KEYS = ("shard", "type", "old", "new", "reason", "message", "number", "seq", "time")


class Fields(object):
    """The newest known values of the fields of interest.

    Args:
        keys: names of the fields; empty for all.
        prefix: whether the keys are beginnings of names.
    """

    def __init__(self, keys, prefix):
        # type: (Sequence[Text], bool) -> None
        self._keys = tuple(keys)
        self._prefix = prefix
        # Of each shard: revision, fields, and whether a field that is not there is known not to be.
        self._shards = {}  # type: dict[Text, tuple[int, dict[Text, Any], bool]]

    def wants(self, field):
        # type: (Text) -> bool
        """Return whether a field is of interest."""
        if self._prefix:
            return field.startswith(self._keys)
        return not self._keys or field in self._keys

    def revision(self, shard):
        # type: (Text) -> int | None
        """Return the revision of what is known of a shard; None where nothing is."""
        known = self._shards.get(shard)
        return None if known is None else known[0]

    def look(self, shard, revision, fields):
        # type: (Text, int, dict[Text, Any]) -> list[tuple[Text, Any, Any]]
        """Take what the daemon's cache holds of a shard, the fields of interest only.

        Returns:
            What has changed since something was known: field, old and new value of each.
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
        """Take a delta; returns the changes of the fields of interest, as `look` does."""
        known = self._shards.get(shard)
        if known is not None and revision <= known[0]:
            return []
        fields = OrderedDict(delta["set"])  # type: OrderedDict[Text, Any]
        fields.update((name, None) for name in delta["unset"])
        if delta["base"] == 0:  # this is all there is
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
        """Forget what is known of a shard, or of all."""
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


class Count(object):
    """Counts messages of one kind, to know which did not come.

    Each shard's are numbered without holes, and heartbeats tell how many there were of all shards.
    """

    def __init__(self):
        # type: () -> None
        self._last = {}  # type: dict[Text, int]
        self._accounted = 0  # since the last total: those that came, and those known to be missing
        self._total = None  # type: int | None

    def saw(self, shard, seq, known=None):
        # type: (Text, int, int | None) -> int
        """Count a message.

        Args:
            shard: whose.
            seq: its number.
            known: the number up to which all is known from elsewhere, if any is.

        Returns:
            How many are missing before it; -1 where it is old.
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
        """The shard is gone; should it come back, it goes on at another number."""
        self._last.pop(shard, None)

    def forget_all(self):
        # type: () -> None
        """Any may be missing: what comes next of a shard is its first."""
        self._last.clear()

    def differs(self, total):
        # type: (int) -> bool
        """Return whether the daemon's total grew by another number than that of what came."""
        before, accounted = self._total, self._accounted
        self._total, self._accounted = total, 0
        return before is not None and total - before != accounted


# --- the connection ---


class LostError(Exception):
    """What came so far cannot be relied on any more, and the connection has to be made anew."""


class Link(object):
    """The way to a daemon: its bus, and questions beside it.

    Args:
        endpoint: the daemon's query endpoint.
        timeout: seconds that an answer may take.
        keys: by which client and daemon know each other; None where it asks for none.

    Attributes:
        epoch: of the daemon; None before it was reached.
        node: its name.
        interval: seconds between its heartbeats.
        whole: whether this client is told of all shards, so that totals can be compared.
        fence: the topic that says that the subscriptions stand.
    """

    def __init__(self, endpoint, timeout, keys):
        # type: (Text, float, Keys | None) -> None
        self._endpoint = endpoint
        self._timeout = timeout
        self._keys = keys
        self._context = zmq.Context()  # type: zmq.Context[zmq.Socket[bytes]]
        self._context.setsockopt(zmq.RCVHWM, QUEUE)
        self._bus = None  # type: zmq.Socket[bytes] | None
        self._kept = deque()  # type: deque[list[bytes]]
        self.epoch = None  # type: int | None
        self.node = ""
        self.interval = 1.0
        self.whole = True
        self.fence = b""

    def close(self):
        # type: () -> None
        """Close the bus, and let go of ZeroMQ's threads."""
        self._leave()
        self._context.destroy(0)  # what Ctrl-C left open would make term() wait

    def join(self, topics):
        # type: (list[bytes]) -> Any
        """Ask where the bus is, and subscribe; returns the daemon's totals of that moment.

        Raises:
            LostError: the bus does not answer.
            FailedError: nothing answers, or the daemon refuses.
            UsageError: the endpoint is none.
        """
        self._leave()
        header, hello = self._ask("hello", {})
        buses = hello.get("bus") if isinstance(hello, dict) else None
        if not buses or 1 not in hello.get("versions", []):
            raise FailedError("what answers at %s has no bus of version 1" % self._endpoint)
        self.epoch, self.node = header.get("epoch"), hello.get("node", "")
        self.interval, self.whole = hello.get("heartbeat", 1.0), not hello.get("rights")
        self.fence = FENCE + binascii.hexlify(os.urandom(8))
        where = reachable(buses[0], self._endpoint)
        try:
            self._bus = connect(self._context, zmq.SUB, where, self._keys)
        except zmq.ZMQError as error:
            raise LostError("the bus at %s cannot be reached: %s" % (where, error.strerror))
        for topic in topics + [self.fence]:  # the fence comes last
            self._bus.setsockopt(zmq.SUBSCRIBE, topic)
        until = clock() + max(HEARTBEATS * self.interval, FENCE_TIME)
        while True:
            frames = self.receive(until)
            if frames is None:
                raise LostError("the bus at %s does not answer" % where)
            if frames[0] == self.fence:
                _, _, its_header, body = decode_message(frames)
                if its_header[2] != self.epoch:
                    raise LostError("another daemon has the bus at %s" % where)
                if not isinstance(body, dict) or not {"revisions", "events"} <= set(body):
                    raise LostError("the bus at %s does not tell its totals" % where)
                self._look_at_refused(body.get("refused") or [], topics)
                return body

    @staticmethod
    def _look_at_refused(refused, topics):
        # type: (list[Text], list[bytes]) -> None
        """Say which topics the daemon refuses; FailedError where none of those wanted is left."""
        if not refused:
            return
        said = "the daemon does not let this client have %s from the bus" % ", ".join(refused)
        wanted = {topic for topic in topics if not topic.startswith(make_topic("hb"))}
        if wanted <= {topic.encode("utf-8") for topic in refused}:
            raise FailedError(said)
        note(said)

    def receive(self, until):
        # type: (float) -> list[bytes] | None
        """Return the next message of the bus; None where there is none at that time."""
        looked = False
        while self._bus is not None and not self._kept:
            try:
                return self._bus.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                left = until - clock()
            if left <= 0 and looked:
                return None
            # At least once, and for a moment: this process itself may have been held up.
            self._bus.poll(int(max(0.05, min(left, LONGEST_POLL)) * 1000))
            looked = True
        return self._kept.popleft()

    def entries(self, args):
        # type: (dict[Text, Any]) -> Iterator[dict[Text, Any]]
        """Yield the entries of an answer to `get_infos`; what the bus brings meanwhile is kept.

        Raises:
            LostError: another daemon answers than the one whose bus this is.
            FailedError: nothing answers, or the daemon refuses.
        """
        while True:
            header, body = self._ask("get_infos", args)
            if header.get("epoch") != self.epoch:
                raise LostError("another daemon, or one that started again")
            if not isinstance(body, list):
                raise FailedError("the answer to get_infos is no array")
            for entry in body:
                yield entry
            if "cursor" not in header:
                return
            args = OrderedDict(args)  # keywords of dict() are no text in Python 2
            args["cursor"] = header["cursor"]

    def _ask(self, op, args):
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
                    self._kept.append(self._bus.recv_multipart())
                if socket in ready:
                    return decode_reply(socket.recv_multipart())
            raise FailedError(nobody_at(self._endpoint, self._keys))
        finally:
            socket.close()

    def _leave(self):
        # type: () -> None
        self._kept.clear()
        if self._bus is not None:
            self._bus.close()
            self._bus = None


def reachable(bus, query):
    # type: (Text, Text) -> Text
    """Return the bus as seen from here: a daemon at all addresses may not know which one we use."""
    there = re.match(r"tcp://(?:\*|0\.0\.0\.0|\[::\]|::):(\d+)$", bus)
    here = re.match(r"tcp://(.+):\d+$", query)
    return "tcp://%s:%s" % (here.group(1), there.group(1)) if there and here else bus


# --- options ---


class Parser(argparse.ArgumentParser):
    """Takes shards before, between and behind options, and can tell errors in any language."""

    def words(self, arguments):
        # type: (Iterable[Any]) -> list[Text]
        """Return arguments as text: Python 2 has bytes, Python 3 what its locale makes of them."""
        try:
            return [
                (word if isinstance(word, bytes) else os.fsencode(word)).decode("utf-8")
                for word in arguments
            ]
        except UnicodeDecodeError:
            self.error("found an argument that is no UTF-8, expected text")

    def read(self, words):
        # type: (list[Text]) -> argparse.Namespace
        """Return the options; `shards` has all words that are neither options nor their values."""
        options, rest = self.parse_known_args(words)
        unknown = [word for word in rest if word.startswith("-")]
        if unknown:
            self.error("no such option: %s" % " ".join(unknown))
        options.shards.extend(rest)
        return options

    def error(self, message):
        # type: (Text) -> NoReturn
        """Say how the program is used, and what is wrong; end it."""
        write_line(sys.stderr, 2, self.format_usage().rstrip())
        note("%s: error: %s" % (self.prog, message))
        sys.exit(2)

    def add_daemon(self):
        # type: () -> None
        """Add the options of all programs that ask a daemon."""

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
            help="how long to wait for an answer [%g]" % DEFAULT_TIMEOUT,
        )
        self.add_argument(
            "--server-key",
            metavar="FILE",
            default=default("ZINFO_SERVER_KEY"),
            help="public key of a daemon that asks for keys: its server.key [ZINFO_SERVER_KEY]",
        )
        self.add_argument(
            "--client-key",
            metavar="FILE",
            default=default("ZINFO_CLIENT_KEY"),
            help="your own secret key: NAME.key_secret [ZINFO_CLIENT_KEY]",
        )
        self.add_argument("--json", action="store_true", help="print JSON, one object a line")


def waiting_time(text):
    # type: (Text) -> float
    """Return what --timeout says, in seconds."""
    value = seconds(text)
    if not 0 < value <= 86400:
        raise argparse.ArgumentTypeError("%s is not above 0 and at most 86400 (a day)" % text)
    return value


def seconds(text):
    # type: (Text) -> float
    """Return a number of seconds that an option says."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError("%s is no number of seconds" % text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("%s is no number of seconds from 0 on" % text)
    return value


# --- the program ---


class Watch(object):
    """Follows a daemon's bus, and tells what it brings and what it does not.

    Args:
        link: the way to the daemon.
        printer: takes what is to be told.
        shards: ids of the shards of interest; empty for all.
        keys: fields of interest; empty for all.
        prefix: whether keys are beginnings of names.
    """

    def __init__(self, link, printer, shards, keys, prefix):
        # type: (Link, Printer, list[Text], list[Text], bool) -> None
        self._link = link
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
        self._counts = {"delta": Count(), "event": Count()}
        self._heard_at = 0.0
        self._doubtful = None  # type: set[Text] | None
        self._look_at = 0.0  # when to ask for what is doubtful

    def run(self, timeout):
        # type: (float) -> None
        """Join, and print, for ever.

        Args:
            timeout: seconds within which the daemon must have answered at first.
        """
        self._begin(clock() + timeout)
        while True:
            try:
                self._follow()
            except LostError as error:
                self._printer.trouble("stale", None, error.args[0])
                self._join_again()

    # --- joining

    def _begin(self, until):
        # type: (float) -> None
        while True:
            try:
                self._joined(self._link.join(self._topics))
                for missing in self._look(self._shards):
                    note("%s; waiting for it" % missing)
            except LostError as error:
                if clock() >= until:
                    raise FailedError(error.args[0])
                time.sleep(random.uniform(0.05, 0.1))  # a back-off, not the same for all clients
            else:
                return

    def _join_again(self):
        # type: () -> None
        epoch, pause = self._link.epoch, random.uniform(0, SPREAD)
        while True:
            leave_if_nobody_reads()
            time.sleep(pause)  # likewise
            try:
                totals = self._link.join(self._topics)
            except (LostError, FailedError):  # that it is stale was told
                pause = random.uniform(SPREAD / 2, SPREAD)
            else:
                break
        if self._link.epoch != epoch:
            self._printer.trouble("restart", None, "%s was started again" % self._link.node)
            self._counts = {"delta": Count(), "event": Count()}
            self._fields.forget()
            self._joined(totals)
            self._doubt(None, 0)
        else:
            self._printer.trouble("again", None, "the daemon is heard again")
            self._joined(totals)
            self._cut(0)

    def _joined(self, totals):
        # type: (dict[Text, Any]) -> None
        self._heard_at = clock()
        self._doubtful = None
        self._compare(totals)

    # --- following

    def _follow(self):
        # type: () -> None
        """Take messages until the connection is lost."""
        while True:
            silent_at = self._heard_at + HEARTBEATS * self._link.interval
            until = silent_at if self._doubtful is None else min(silent_at, self._look_at)
            frames = self._link.receive(until)
            if frames is not None:
                self._heard_at = clock()
                try:
                    self._take(decode_message(frames), frames[0])
                except (FailedError, KeyError, TypeError, ValueError) as error:
                    note("a message of the bus could not be read: %s" % error)  # so it is missing
            elif clock() >= silent_at:
                raise LostError("no heartbeat for %.1f s" % (clock() - self._heard_at))
            if self._doubtful is not None and clock() >= self._look_at:
                self._look_again()

    def _take(self, message, topic):
        # type: (Message, bytes) -> None
        kind, name, (_, node, epoch, seq, moment), body = message
        if epoch != self._link.epoch:
            raise LostError("another daemon, or one that started again: %s" % node)
        if kind == "hb":
            self._link.interval = body["interval"]
            self._compare(body)
            leave_if_nobody_reads()
        elif topic == self._link.fence:  # ZeroMQ made the connection anew
            self._compare(body)
            self._cut()
        elif kind == "delta":
            self._take_delta(name, seq, moment, body)
        elif kind == "event":
            self._take_event(name, seq, body)

    def _take_delta(self, shard, revision, moment, delta):
        # type: (Text, int, float, dict[Text, Any]) -> None
        delta = {
            "set": OrderedDict(delta["set"]),
            "unset": list(delta["unset"]),
            "base": delta["base"],
        }
        known = self._fields.revision(shard) if delta["base"] else None
        missing = self._counts["delta"].saw(shard, revision, known)
        if missing < 0 or not self._of_interest(shard):
            return
        if missing:
            self._gap("delta", shard)
        if self._doubtful is None or (self._doubtful and shard not in self._doubtful):
            for change in self._fields.apply(shard, revision, delta):
                self._printer.change(shard, revision, moment, change)

    def _take_event(self, shard, seq, event):
        # type: (Text, int, dict[Text, Any]) -> None
        labels = event.get("labels")
        event = OrderedDict((name, event[name]) for name in EVENT_KEYS)
        if labels is not None:  # of the types added and labels_changed
            event["labels"] = labels
        missing = self._counts["event"].saw(shard, seq)
        if event["type"] == "removed":
            for count in self._counts.values():
                count.forget(shard)
        if missing < 0 or not self._of_interest(shard):
            return
        if missing:
            self._gap("event", shard)
        self._printer.event(event)
        if event["type"] == "removed":
            self._fields.forget(shard)

    def _of_interest(self, shard):
        # type: (Text) -> bool
        return not self._shards or shard in self._shards

    # --- gaps

    def _compare(self, totals):
        # type: (dict[Text, Any]) -> None
        """Compare what came with what the daemon published, where all of it should have come."""
        if not (self._all_shards and self._link.whole):
            return
        for kind, total in (("delta", totals["revisions"]), ("event", totals["events"])):
            if self._counts[kind].differs(total):
                self._gap(kind, None)

    def _cut(self, pause=None):
        # type: (float | None) -> None
        """Messages of any shard may be missing after a cut; say so where no total tells."""
        if not (self._all_shards and self._link.whole):
            for kind in ("delta", "event"):
                self._gap(kind, None, pause)

    def _gap(self, kind, shard, pause=None):
        # type: (Text, Text | None, float | None) -> None
        if shard is None:
            self._counts[kind].forget_all()
        if kind == "event":
            self._printer.trouble("gap", shard, "events were lost; `events` of the daemon has them")
            return
        self._printer.trouble("gap", shard, "changes were lost; what they came to follows")
        self._doubt(shard, random.uniform(0, SPREAD) if pause is None else pause)

    def _doubt(self, shard, pause):
        # type: (Text | None, float) -> None
        """Ask for a shard, or for all, in a moment: others may want to ask at once."""
        if self._doubtful is None:
            self._look_at = clock() + pause
            self._doubtful = set() if shard is None else {shard}
        elif shard is None:
            self._doubtful = set()  # an empty set stands for all
        elif self._doubtful:
            self._doubtful.add(shard)

    def _look_again(self):
        # type: () -> None
        shards = sorted(self._doubtful or self._shards)
        try:
            self._look(shards)
        except FailedError as error:  # the stream goes on; old values come with it
            self._fields.forget()
            note("the daemon's cache could not be read: %s" % error.args[0])
        self._doubtful = None

    def _look(self, shards):
        # type: (list[Text]) -> list[Text]
        """Compare with the daemon's cache; returns why shards are not in it."""
        missing = []
        args = dict(self._args)
        args["shard_ids"] = shards
        for entry in self._link.entries(args):
            meta = entry.pop("meta")
            shard = meta["shard_identifier"]
            if "error" in meta:
                missing.append(meta["error"])
                continue
            for change in self._fields.look(shard, meta["revision"], entry):
                self._printer.change(shard, meta["revision"], meta["time"], change)
        return missing


def make_parser():
    # type: () -> Parser
    """Return what reads the command line."""
    parser = Parser(
        prog="legacy_stream.py",
        usage="%(prog)s [OPTION]... [SHARD]...    (--help tells them)",
        description="Print each change of INFO as it arrives, until Ctrl-C.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("shards", nargs="*", metavar="SHARD", help="only these, which need not exist yet [all]")
    add("--key", action="append", default=[], metavar="NAME", help="only this field; repeatable")
    add("--prefix", action="store_true", help="each --key is the beginning of field names")
    parser.add_daemon()
    return parser


def run(options):
    # type: (argparse.Namespace) -> None
    """Do what the command line asks for.

    Raises:
        FailedError, UsageError: it cannot be done.
    """
    if options.prefix and not options.key:
        raise UsageError("--prefix says how to take --key, and there is none")
    keys = None
    if options.server_key or options.client_key:
        if not (options.server_key and options.client_key):
            raise UsageError("--server-key and --client-key come together: give both, or none")
        keys = read_keys(options.server_key, options.client_key)
    timeout = options.timeout or DEFAULT_TIMEOUT
    link = Link(options.connect, timeout, keys)
    printer = Printer(options.json)
    try:
        Watch(link, printer, options.shards, options.key, options.prefix).run(timeout)
    finally:
        link.close()


def main():
    # type: () -> int
    """Run the program; return its exit code."""
    hold_places()
    parser = make_parser()
    try:
        run(parser.read(parser.words(sys.argv[1:])))
    except UsageError as error:
        parser.error(error.args[0])
    except (FailedError, OutputError) as error:
        note("%s: %s" % (parser.prog, error.args[0]))
        return 1
    except zmq.ZMQError as error:
        note("%s: ZeroMQ: %s" % (parser.prog, error.strerror))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `legacy_stream.py | head` ends quietly
    sys.exit(main())
