#!/usr/bin/env python
"""Query a zinfo daemon for the INFO of shards: `zinfo get` in one file, also for old Pythons.

Runs on Python 2.7, and on 3.6 and later, and needs only pyzmq and msgpack. Versions of these that
have wheels for the old Pythons:

    python2.7 -m pip install pyzmq==19.0.2 msgpack==0.6.2
    python3.6 -m pip install pyzmq==25.1.2 msgpack==1.0.2

docs/reference/protocol.md describes the protocol.
"""
# These rules require features that Python 2.7 lacks: `raise ... from`, pathlib, round() to an
# integer, `[*a, b]`, classes without `object`, text that is `str`, `yield from`, f-strings. Types
# are in comments, because it has no annotations either, and F401 does not read comments.
# ruff: noqa: B904, F401, PTH116, PTH123, RUF046
# ruff: noqa: UP004, UP010, UP024, UP031

from __future__ import print_function, unicode_literals

import argparse
import json
import os
import re
import signal
import stat
import sys
import time
from collections import OrderedDict
from numbers import Real

try:
    import msgpack
    import zmq
except ImportError as error:
    sys.exit(
        "legacy_query.py: %s; pip install pyzmq msgpack (versions: see its first lines)" % error
    )

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, NoReturn, Text

    Keys = tuple[bytes, bytes, bytes]

MAGIC = b"ZI1"  # first frame of a request and of a reply; the digit is the protocol version
DEFAULT_TIMEOUT = 3.0  # seconds; a running daemon replies within milliseconds
REFRESH_TIMEOUT = 10.0  # seconds; the daemon waits for shards that do not reply
LONGEST_POLL = 0.5  # seconds; a Ctrl-C just before a poll takes effect only after it

# A monotonic clock in seconds; Python 2 has one only in os.times().
clock = getattr(time, "monotonic", lambda: os.times()[4])

EXAMPLES = """examples:
  legacy_query.py                                     all shards, all fields
  legacy_query.py 127.0.0.1:6379 --section memory     one section of one shard
  legacy_query.py --key used_memory --key maxmemory
  legacy_query.py --key db --prefix                   fields that begin with db
  legacy_query.py --label role=cache --max-age 5      recent INFO of shards with a label
  legacy_query.py 127.0.0.1:6379 --refresh --json     polled for this query

exit codes: 0 done, 1 no reply or an error reply, 2 wrong usage
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


# --- requests and replies ---


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


class Daemon(object):
    """A daemon that is queried, each query on a socket of its own.

    Args:
        endpoint: Its query endpoint.
        timeout: Seconds to wait for each page of a reply.
        keys: Keys of daemon and client; None if it requires none.
    """

    def __init__(self, endpoint, timeout, keys):
        # type: (Text, float, Keys | None) -> None
        self._endpoint = endpoint
        self._timeout = timeout
        self._keys = keys
        self._context = zmq.Context()  # type: zmq.Context[zmq.Socket[bytes]]

    def close(self):
        # type: () -> None
        """End ZeroMQ's threads."""
        self._context.destroy(0)  # term() would block on sockets that Ctrl-C left open

    def pages(self, op, args):
        # type: (Text, dict[Text, Any]) -> Iterator[list[dict[Text, Any]]]
        """Yield the pages of a reply.

        Raises:
            FailedError: There was no reply, or an error reply.
            UsageError: The endpoint is invalid.
        """
        try:
            socket = connect(self._context, zmq.REQ, self._endpoint, self._keys)
        except zmq.ZMQError as error:
            raise UsageError("--connect %s: %s" % (self._endpoint, error.strerror))
        try:
            while True:
                request = encode_request(op, args, 1, self._timeout)
                send_request(socket, request, self._endpoint, self._keys)
                until = clock() + self._timeout
                while not socket.poll(int(min(self._timeout, LONGEST_POLL) * 1000) + 1):
                    if clock() >= until:
                        raise FailedError(no_reply(self._endpoint, self._keys))
                header, body = decode_reply(socket.recv_multipart())
                if not isinstance(body, list) or not all(isinstance(one, dict) for one in body):
                    raise FailedError("the reply to %s is not an array of maps" % op)
                yield body
                if "cursor" not in header:
                    return
                args = OrderedDict(args)  # dict(args, cursor=...) would have a key of bytes
                args["cursor"] = header["cursor"]
        finally:
            socket.close()


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


def seconds_text(value):
    # type: (Any) -> Text
    """Return a duration in seconds as short text."""
    if not isinstance(value, Real):
        return "-"
    if value < 100:
        return "%.1f s" % value
    minutes, rest = divmod(int(round(value)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return "%d d %d h" % (days, hours)
    return "%d h %d min" % (hours, minutes) if hours else "%d min %d s" % (minutes, rest)


def heading(meta, shard):
    # type: (dict[Text, Any], dict[Text, Any]) -> Text
    """Return the heading of a shard: id, state, role, version, age.

    Args:
        meta: The `meta` map of the entry.
        shard: Its entry in the reply to `shards`; empty if it has none.
    """
    parts = [coloured(printable(meta["shard_identifier"]), "bold")]
    if "state" in meta:
        state, reason = printable(meta["state"]), printable(shard.get("reason") or "")
        shown = "%s (%s)" % (state, reason) if reason else state
        parts.append(coloured(shown, STATE_COLOURS.get(state)))
    if "error" in meta:
        parts.append(coloured(printable(meta["error"]), "red"))
    else:
        role = shard.get("role") or "-"
        parts.append(printable(ROLES.get(role, role)))
        parts.append(printable(shard.get("version") or "-"))
        parts.append(seconds_text(meta.get("info_age")) + " old")
    return "# " + "  ".join(parts)


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


def label(text):
    # type: (Text) -> tuple[Text, Text]
    """Return name and value of a --label option."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError("found '%s', expected NAME=VALUE" % text)
    return name, value


def make_parser():
    # type: () -> Parser
    """Return the parser of the command line."""
    parser = Parser(
        prog="legacy_query.py",
        usage="%(prog)s [OPTION]... [SHARD]...    (--help lists them)",
        description="Print the newest INFO of shards from a zinfo daemon.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("shards", nargs="*", metavar="SHARD", help="only these shards [all that were polled]")
    add("--key", action="append", default=[], metavar="NAME", help="only this field; repeatable")
    add("--prefix", action="store_true", help="each --key is a prefix of field names")
    add(
        "--section",
        action="append",
        default=[],
        metavar="NAME",
        help="only this section, by the server's name for it (memory, ...); repeatable",
    )
    add(
        "--label",
        action="append",
        default=[],
        type=label,
        metavar="NAME=VALUE",
        help="only shards with this label; repeatable, a shard must have all",
    )
    add(
        "--max-age",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="omit INFO that is older; 0 omits none [0]",
    )
    add(
        "--refresh",
        action="store_true",
        help="poll shards whose INFO is older than --max-age; the default --timeout is then %g s"
        % REFRESH_TIMEOUT,
    )
    add(
        "--partial",
        action="store_true",
        help="if a SHARD is unknown or was never polled, print an entry with the error for it",
    )
    parser.add_daemon()
    return parser


# --- the program ---


def get(options, daemon):
    # type: (argparse.Namespace, Daemon) -> None
    """Query INFO and print it."""
    args = OrderedDict(
        [
            ("shard_ids", options.shards),
            ("keys", options.key),
            ("prefix_matching", options.prefix),
            ("sections", options.section),
            ("labels", OrderedDict(options.label)),
            ("max_age", options.max_age),
            ("refresh", options.refresh),
            ("allow_partial", options.partial),
        ]
    )
    entries = infos = fields = 0
    shards = None
    for page in daemon.pages("get_infos", args):
        for entry in page:
            meta = entry["meta"]
            entries += 1
            infos += "error" not in meta
            fields += len(entry) - 1
            if options.json:
                if "error" in meta:
                    meta["info_age"] = None  # as `zinfo get` prints an age that is unknown
                print_line(json.dumps(entry))
                continue
            if shards is None:
                shards = {one["id"]: one for part in daemon.pages("shards", {}) for one in part}
            else:
                print_line("")
            print_line("\n".join(entry_lines(entry, shards.get(meta["shard_identifier"], {}))))
    if not entries:
        print_note("no shard has INFO that matches")
    elif infos and not fields:
        print_note("no field matches --key and --section")


def entry_lines(entry, shard):
    # type: (dict[Text, Any], dict[Text, Any]) -> list[Text]
    """Return the lines of one shard: a heading, and its fields in the format of INFO."""
    lines = [heading(entry["meta"], shard)]
    for name, value in entry.items():
        if name != "meta":
            items = value if isinstance(value, list) else [value]
            lines.extend("%s:%s" % (printable(name), value_text(item)) for item in items)
    return lines


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
    timeout = options.timeout or (REFRESH_TIMEOUT if options.refresh else DEFAULT_TIMEOUT)
    daemon = Daemon(options.connect, timeout, keys)
    try:
        get(options, daemon)
    finally:
        daemon.close()


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
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `legacy_query.py | head` ends quietly
    sys.exit(main())
