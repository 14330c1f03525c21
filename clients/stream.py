#!/usr/bin/env python3
"""Print what a zinfo daemon publishes, as it comes: one JSON object a line.

Needs pyzmq and msgpack, and nothing of zinfo; docs/protocol.md says what every part of it means.
Lines of four kinds are made here: `joined` (from here on all is there; where it comes again, the
connection broke and was made anew), `gap` (messages are missing), `restarted` (the daemon began
anew, and so do its counters), `refused` (topics that the daemon does not let this client have).
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
  stream.py                                     every change of every shard, and what happens to it
  stream.py --kind event                        only what happens: up, down, restarted, ...
  stream.py --kind info 127.0.0.1:6379          one shard's whole INFO, each time it is polled
  stream.py --kind hb --count 1                 wait for one heartbeat

exit codes: 0 done, 1 no answer, or no heartbeat any more, 2 wrong usage
"""

Line = dict[str, Any]


class LostError(Exception):
    """Nothing answers, or the stream ended."""


def hello(context: zmq.Context[zmq.Socket[bytes]], endpoint: str, timeout: float) -> Line:
    """Return what the daemon says of itself: where its bus is, how often its heart beats."""
    with context.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(endpoint)
        try:  # where the daemon has refused this client, a send that waits would never end
            socket.send_multipart([b"ZI1", msgpack.packb({"op": "hello"})], zmq.NOBLOCK)
            answered = socket.poll(int(timeout * 1000))
        except zmq.Again:
            answered = 0
        if not answered:
            raise LostError(f"nothing answers at {endpoint}; does a daemon run there?")
        body: Line = msgpack.unpackb(socket.recv_multipart()[2])
        return body


def topics(kinds: list[str], shards: list[str]) -> Iterator[str]:
    """Yield what to subscribe; heartbeats always, as silence means something only with them."""
    yield "z1/hb/"
    for kind in kinds:
        # A byte that is none of these is percent-encoded; quote() never encodes a tilde itself.
        quoted = [quote(shard, safe="._:-@").replace("~", "%7E") for shard in shards]
        yield from [f"z1/{kind}/{shard}/" for shard in quoted] or [f"z1/{kind}/"]


def messages(bus: zmq.Socket[bytes], patience: float) -> Iterator[tuple[str, list[Any], bytes]]:
    """Yield topic, header and body of each message, until none comes for `patience` seconds."""
    while bus.poll(int(patience * 1000)):
        topic, header, body = bus.recv_multipart()
        yield topic.decode(), msgpack.unpackb(header), body
    raise LostError(f"stale: no heartbeat for {patience:g} seconds")


def lines(bus: zmq.Socket[bytes], fence: str, patience: float) -> Iterator[Line]:
    """Yield messages as maps, and what can be said of their sequence."""
    epoch, last = None, dict[str, int]()
    for topic, (_, node, of_epoch, seq, time, *_), body in messages(bus, patience):
        if epoch not in (None, of_epoch):
            yield {"kind": "restarted", "node": node, "time": time}
            last.clear()
        epoch = of_epoch
        if topic == fence:  # it comes again should the connection be made anew
            yield {"kind": "joined", "node": node, "time": time}
            totals = msgpack.unpackb(body) if body else {}
            if totals.get("refused"):  # topics that this client's rights do not cover
                yield {"kind": "refused", "topics": totals["refused"]}
            continue
        if last.get(topic, seq - 1) != seq - 1:
            yield {"kind": "gap", "topic": topic, "after": last[topic], "before": seq}
        last[topic] = seq
        value = msgpack.unpackb(body)
        if topic.startswith("z1/event/") and value["type"] == "removed":
            for kind in KINDS:  # should it come back, it goes on at another number
                last.pop(topic.replace("/event/", f"/{kind}/"), None)
        yield {"kind": topic.split("/")[1], "topic": topic, "seq": seq, "time": time, "body": value}


def reachable(bus: str, query: str) -> str:
    """Return where the bus is, seen from here: who listens everywhere knows no address to tell."""
    here = query.rpartition(":")[0]
    for everywhere in ("tcp://0.0.0.0:", "tcp://[::]:"):
        if bus.startswith(everywhere) and here.startswith("tcp://"):
            return f"{here}:{bus.rpartition(':')[2]}"
    return bus


def run(options: argparse.Namespace) -> None:
    """Join the bus and print, until `--count` lines of the wanted kinds have come."""
    fence = f"~fence/{secrets.token_hex(8)}"
    printed = 0
    with zmq.Context() as context:
        daemon = hello(context, options.connect, options.timeout)
        with context.socket(zmq.SUB) as bus:
            bus.connect(reachable(daemon["bus"][0], options.connect))
            for topic in (*topics(options.kind, options.shards), fence):  # the fence comes last
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
        description="Print what a zinfo daemon publishes, as it comes.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shards", nargs="*", metavar="SHARD", help="only these shards")
    parser.add_argument(
        "--kind", action="append", choices=KINDS, help="repeatable [delta and event]"
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
    except LostError as error:
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
