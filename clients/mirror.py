#!/usr/bin/env python3
"""Keep a live copy of a daemon's shards, and print a line for each change.

Needs zinfo: its `Mirror` subscribes to the bus, fetches a snapshot, applies deltas, and fetches
again after a gap. This program only prints.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time

from zinfo.client import Delta, Event, Mirror
from zinfo.errors import ConfigError, NoAnswerError

EXAMPLES = """examples:
  mirror.py                                    each change of every shard
  mirror.py --key role --key used_memory       only where these fields change
  mirror.py 127.0.0.1:6379                     one shard

exit codes: 0 done, 1 no reply, 2 wrong usage
"""

CHECK_INTERVAL = 0.1  # seconds between two checks whether the copy is stale


class Printer:
    """Prints changes and whether the copy is current; may be called from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def print_line(self, line: str) -> None:
        """Print one line."""
        with self._lock:
            print(line, flush=True)

    def change(self, shard: str, change: Delta | Event) -> None:
        """Print an event of a shard, or its changed fields."""
        if isinstance(change, Event):
            self.print_line(f"{shard} {change.type} {change.reason}".rstrip())
            return
        changed = [
            *(f"{name}={json.dumps(value)}" for name, value in change.set.items()),
            *(f"{name} is gone" for name in change.unset),
        ]
        self.print_line(f"{shard} revision {change.revision}: {' '.join(changed)}")


def watch(mirror: Mirror, printer: Printer) -> None:
    """Print when the copy becomes stale, and when it is current again; does not return."""
    was_stale = False
    while True:
        time.sleep(CHECK_INTERVAL)
        stale = mirror.stale
        if stale != was_stale:
            why = mirror.problem or "messages were lost"
            printer.print_line(f"stale: {why}" if stale else f"current: {len(mirror)} shards")
        was_stale = stale


def main() -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(
        description="Print each change of a daemon's shards.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shards", nargs="*", metavar="SHARD", help="only these shards")
    parser.add_argument("--key", action="append", default=[], help="only this field; repeatable")
    parser.add_argument(
        "--connect",
        metavar="ENDPOINT",
        default=os.environ.get("ZINFO_CONNECT", "tcp://127.0.0.1:9736"),
        help="query endpoint [ZINFO_CONNECT, else tcp://127.0.0.1:9736]",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=5.0,
        metavar="S",
        help="seconds to wait for the first complete copy [5]",
    )
    options = parser.parse_args()
    printer = Printer()
    try:
        mirror = Mirror(
            options.connect,
            shard_ids=options.shards or None,
            fields=options.key or None,
            on_change=printer.change,
        )
    except ConfigError as error:
        parser.error(str(error))
    try:
        with mirror:
            mirror.wait_ready(options.timeout)
            printer.print_line(f"current: {len(mirror)} shards")
            watch(mirror, printer)
    except NoAnswerError as error:
        print(f"mirror.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `mirror.py | head` ends quietly
    sys.exit(main())
