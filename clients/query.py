#!/usr/bin/env python3
"""Query a zinfo daemon for the INFO of shards, and print one JSON object per line.

Needs pyzmq and msgpack, but not zinfo: `query` is the whole protocol client, in 20 lines. It is
described in docs/reference/protocol.md.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import msgpack
import zmq

EXAMPLES = """examples:
  query.py                                     every shard that has been polled, all fields
  query.py --key role --key used_memory        two fields of each
  query.py --key db --prefix 127.0.0.1:6379    the databases of one shard

exit codes: 0 done, 1 no reply or an error reply, 2 wrong usage
"""


class QueryError(Exception):
    """There was no reply, or an error reply."""


def query(endpoint: str, op: str, args: dict[str, Any], timeout: float) -> Iterator[Any]:
    """Yield the items of a reply, page after page.

    Args:
        endpoint: The daemon's query endpoint.
        op: The operation.
        args: Its arguments; `cursor` is added.
        timeout: Seconds to wait for each page.
    """
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.linger = 0  # an unsent request must not keep the program from ending
        socket.sndtimeo = int(timeout * 1000)  # nor one to a daemon that closed the connection
        socket.connect(endpoint)
        while True:
            socket.send_multipart([b"ZI1", msgpack.packb({"op": op, "args": args})])
            if not socket.poll(int(timeout * 1000)):
                raise QueryError(f"nothing answers at {endpoint}; is a daemon running there?")
            magic, header, *body = socket.recv_multipart()
            if magic != b"ZI1":
                raise QueryError(f"the reply from {endpoint} is not from a zinfo daemon")
            head = msgpack.unpackb(header)
            if not head["ok"]:
                raise QueryError(f"{head['error']['code']}: {head['error']['message']}")
            yield from msgpack.unpackb(body[0])
            if "cursor" not in head:
                return
            args = {**args, "cursor": head["cursor"]}


def main() -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(
        description="Print the newest INFO of shards from a zinfo daemon.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shards", nargs="*", metavar="SHARD", help="only these shards")
    parser.add_argument("--key", action="append", default=[], help="only this field; repeatable")
    parser.add_argument("--prefix", action="store_true", help="keys are prefixes of names")
    parser.add_argument(
        "--connect",
        metavar="ENDPOINT",
        default=os.environ.get("ZINFO_CONNECT", "tcp://127.0.0.1:9736"),
        help="query endpoint [ZINFO_CONNECT, else tcp://127.0.0.1:9736]",
    )
    parser.add_argument(
        "--timeout", type=float, default=5.0, metavar="S", help="seconds to wait for a reply [5]"
    )
    options = parser.parse_args()
    args = {
        "shard_ids": options.shards,
        "keys": options.key,
        "prefix_matching": options.prefix,
    }
    try:
        for info in query(options.connect, "get_infos", args, options.timeout):
            print(json.dumps(info))
    except QueryError as error:
        print(f"query.py: {error}", file=sys.stderr)
        return 1
    except zmq.Again:  # the daemon closed the connection before a request could be sent
        print(f"query.py: nothing answers at {options.connect} to this client", file=sys.stderr)
        return 1
    except zmq.ZMQError as error:
        parser.error(f"--connect {options.connect}: {error}")
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `query.py | head` ends quietly
    sys.exit(main())
