#!/usr/bin/env python3
"""Ask a zinfo daemon for the INFO of shards, and print it: one JSON object a line.

Needs pyzmq and msgpack, and nothing of zinfo: what speaks to the daemon is `ask`, 20 lines.
docs/protocol.md says what every part of it means.
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

exit codes: 0 done, 1 no answer or a refusal, 2 wrong usage
"""


class RefusedError(Exception):
    """The daemon said why it does not answer, or nothing answered."""


def ask(endpoint: str, op: str, args: dict[str, Any], timeout: float) -> Iterator[Any]:
    """Yield what an operation's answer holds, page after page.

    Args:
        endpoint: the daemon's query endpoint.
        op: the operation.
        args: its arguments; `cursor` is added.
        timeout: seconds for each page.
    """
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.linger = 0  # or an unanswered request would keep the program from ending
        socket.sndtimeo = int(timeout * 1000)  # or it would, too, once the daemon has refused it
        socket.connect(endpoint)
        while True:
            socket.send_multipart([b"ZI1", msgpack.packb({"op": op, "args": args})])
            if not socket.poll(int(timeout * 1000)):
                raise RefusedError(f"nothing answers at {endpoint}; does a daemon run there?")
            magic, header, *body = socket.recv_multipart()
            if magic != b"ZI1":
                raise RefusedError(f"what answers at {endpoint} is no zinfo daemon")
            head = msgpack.unpackb(header)
            if not head["ok"]:
                raise RefusedError(f"{head['error']['code']}: {head['error']['message']}")
            yield from msgpack.unpackb(body[0])
            if "cursor" not in head:
                return
            args = {**args, "cursor": head["cursor"]}


def main() -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(
        description="Print the INFO of shards, as a zinfo daemon has it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shards", nargs="*", metavar="SHARD", help="only these shards")
    parser.add_argument("--key", action="append", default=[], help="only this field; repeatable")
    parser.add_argument("--prefix", action="store_true", help="keys are beginnings of names")
    parser.add_argument(
        "--connect",
        metavar="ENDPOINT",
        default=os.environ.get("ZINFO_CONNECT", "tcp://127.0.0.1:9736"),
        help="query endpoint [ZINFO_CONNECT, else tcp://127.0.0.1:9736]",
    )
    parser.add_argument(
        "--timeout", type=float, default=5.0, metavar="S", help="seconds to wait [5]"
    )
    options = parser.parse_args()
    args = {
        "shard_ids": options.shards,
        "keys": options.key,
        "prefix_matching": options.prefix,
    }
    try:
        for info in ask(options.connect, "get_infos", args, options.timeout):
            print(json.dumps(info))
    except RefusedError as error:
        print(f"query.py: {error}", file=sys.stderr)
        return 1
    except zmq.Again:  # the daemon has refused this client before it asked
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
