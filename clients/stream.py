#!/usr/bin/env python3
"""Print the messages that a zinfo daemon publishes, one JSON object per line.

Needs pyzmq and msgpack, but not zinfo; docs/reference/protocol.md describes the protocol. Lines of
four kinds are added by this program: `joined` (the subscriptions are in effect; again after each
reconnection), `gap` (messages are missing), `restarted` (the daemon was restarted, and its sequence
numbers start again), `refused` (topics that this client is not authorised to receive).
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgpack
import zmq

KINDS = ("info", "delta", "event", "hb")

EXAMPLES = """examples:
  stream.py                                     all changes and events of all shards
  stream.py --kind event                        only events: up, down, restarted, ...
  stream.py --kind info 127.0.0.1:6379          all fields of one shard, each time it is polled
  stream.py --kind hb --count 1                 wait for one heartbeat

exit codes: 0 done, 1 no reply, or heartbeats have stopped, 2 wrong usage
"""

Line = dict[str, Any]


class DisconnectedError(Exception):
    """The daemon does not reply, or heartbeats have stopped."""


def hello(context: zmq.Context[zmq.Socket[bytes]], endpoint: str, timeout: float) -> Line:
    """Return the daemon's reply to `hello`, with its bus endpoint and heartbeat interval."""
    with context.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(endpoint)
        try:  # a blocking send would never return if the daemon has closed the connection
            socket.send_multipart([b"ZI1", msgpack.packb({"op": "hello"})], zmq.NOBLOCK)
            replied = socket.poll(int(timeout * 1000))
        except zmq.Again:
            replied = 0
        if not replied:
            raise DisconnectedError(f"nothing answers at {endpoint}; is a daemon running there?")
        body: Line = msgpack.unpackb(socket.recv_multipart()[2])
        return body


def topics(kinds: list[str], shards: list[str]) -> Iterator[str]:
    """Yield the topics to subscribe to; always heartbeats, whose absence shows a disconnect."""
    yield "z1/hb/"
    for kind in kinds:
        # All other bytes are percent-encoded. quote() never encodes a tilde, so replace does.
        quoted = [quote(shard, safe="._:-@").replace("~", "%7E") for shard in shards]
        yield from [f"z1/{kind}/{shard}/" for shard in quoted] or [f"z1/{kind}/"]


def messages(bus: zmq.Socket[bytes], timeout: float) -> Iterator[tuple[str, list[Any], bytes]]:
    """Yield topic, header and body of each message, until none comes for `timeout` seconds."""
    while bus.poll(int(timeout * 1000)):
        topic, header, body = bus.recv_multipart()
        yield topic.decode(), msgpack.unpackb(header), body
    raise DisconnectedError(f"stale: no heartbeat for {timeout:g} seconds")


def lines(bus: zmq.Socket[bytes], fence: str, timeout: float) -> Iterator[Line]:
    """Yield a map for each message, and for each gap, restart and confirmed subscription."""
    epoch, last = None, dict[str, int]()
    for topic, (_, node, its_epoch, seq, time, *_), body in messages(bus, timeout):
        if epoch not in (None, its_epoch):
            yield {"kind": "restarted", "node": node, "time": time}
            last.clear()
        epoch = its_epoch
        if topic == fence:  # again after each reconnection
            yield {"kind": "joined", "node": node, "time": time}
            totals = msgpack.unpackb(body) if body else {}
            if totals.get("refused"):  # topics that this client is not authorised to receive
                yield {"kind": "refused", "topics": totals["refused"]}
            continue
        if last.get(topic, seq - 1) != seq - 1:
            yield {"kind": "gap", "topic": topic, "after": last[topic], "before": seq}
        last[topic] = seq
        value = msgpack.unpackb(body)
        if topic.startswith("z1/event/") and value["type"] == "removed":
            for kind in KINDS:  # if it is added again, its numbers do not continue these
                last.pop(topic.replace("/event/", f"/{kind}/"), None)
        yield {"kind": topic.split("/")[1], "topic": topic, "seq": seq, "time": time, "body": value}


def reachable(bus: str, query: str) -> str:
    """Return the bus endpoint, with the query endpoint's host in place of a wildcard address."""
    here = query.rpartition(":")[0]
    for wildcard in ("tcp://0.0.0.0:", "tcp://[::]:"):
        if bus.startswith(wildcard) and here.startswith("tcp://"):
            return f"{here}:{bus.rpartition(':')[2]}"
    return bus


def run(options: argparse.Namespace) -> None:
    """Subscribe and print, until `--count` lines of the wanted kinds are printed."""
    fence = f"~fence/{secrets.token_hex(8)}"
    printed = 0
    with zmq.Context() as context:
        daemon = hello(context, options.connect, options.timeout)
        with context.socket(zmq.SUB) as bus:
            bus.connect(reachable(daemon["bus"][0], options.connect))
            for topic in (*topics(options.kind, options.shards), fence):  # the fence must be last
                bus.subscribe(topic)
            for line in lines(bus, fence, 3 * daemon["heartbeat"]):
                if line["kind"] == "hb" and "hb" not in options.kind:
                    continue
                print(json.dumps(line), flush=True)
                printed += line["kind"] in options.kind
                if printed == options.count:
                    return


def main() -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(
        description="Print the messages that a zinfo daemon publishes.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shards", nargs="*", metavar="SHARD", help="only these shards")
    parser.add_argument(
        "--kind",
        action="append",
        choices=KINDS,
        help="only messages of this kind; repeatable [delta and event]",
    )
    parser.add_argument("--count", type=int, metavar="N", help="end after N messages [never]")
    parser.add_argument(
        "--connect",
        metavar="ENDPOINT",
        default=os.environ.get("ZINFO_CONNECT", "tcp://127.0.0.1:9736"),
        help="query endpoint [ZINFO_CONNECT, else tcp://127.0.0.1:9736]",
    )
    parser.add_argument(
        "--timeout", type=float, default=5.0, metavar="S", help="seconds to wait for hello [5]"
    )
    options = parser.parse_args()
    options.kind = options.kind or ["delta", "event"]
    try:
        run(options)
    except DisconnectedError as error:
        print(f"stream.py: {error}", file=sys.stderr)
        return 1
    except zmq.ZMQError as error:
        parser.error(f"--connect {options.connect}: {error}")
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `stream.py | head` ends quietly
    sys.exit(main())
