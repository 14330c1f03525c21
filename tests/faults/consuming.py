"""Subscribers in their own processes, which tests stop; and counters of the daemon.

`python -m tests.faults.consuming ENDPOINT KIND`: a Subscriber. For each line on its input it prints
one line of JSON with counts of the updates since the previous line.
"""

from __future__ import annotations

import contextlib
import json
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil
import zmq

from tests.client.other_process import OtherProcess, other_process
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.client import Gap, Restart, Snapshot, Stale, Subscriber
from zinfo.wire.bus_messages import unpack_header

MIB = 1 << 20

QUICK = {
    "ZINFO_POLL_MIN_INTERVAL": "0.02",
    "ZINFO_POLL_MAX_INTERVAL": "0.02",
    "ZINFO_POLL_INTERVAL_STEP": "0",
    "ZINFO_POLL_JITTER": "0",
}
"""Fifty polls a second."""


def resident(daemon: RunningDaemon) -> int:
    """Resident memory of a daemon, in bytes."""
    return int(psutil.Process(daemon.pid).memory_info().rss)


def stats(daemon: RunningDaemon) -> Any:
    """The daemon's counters."""
    return daemon.ask("stats").body


def grow_info(server: RealServer, databases: int) -> int:
    """Put a key into each database, each a line of INFO; return the bytes of INFO."""
    for begin in range(0, databases, 500):
        pipe = server.client().pipeline(transaction=False)
        for number in range(begin, min(begin + 500, databases)):
            pipe.execute_command("SELECT", number)
            pipe.execute_command("SET", "k", "v")
        pipe.execute_command("SELECT", 0)
        pipe.execute()
    return len(server.info_text())


@dataclass
class Watched:
    """The messages of a healthy subscriber.

    Attributes:
        seqs: of the messages, in the order in which they came.
        late: seconds from the header's time to the arrival of each.
    """

    seqs: list[int] = field(default_factory=list)
    late: list[float] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Messages that did not come between the first and the last."""
        return self.seqs[-1] - self.seqs[0] + 1 - len(self.seqs)

    def has_more_than(self, count: int) -> bool:
        """Whether more than this many messages have come."""
        return len(self.seqs) > count

    def latest(self, begin: int = 0) -> float:
        """The longest delay since the message number `begin`."""
        return max(self.late[begin:], default=0.0)


@contextlib.contextmanager
def watching(
    bus: str, topic: bytes, publish: Callable[[], object] = lambda: None
) -> Iterator[Watched]:
    """Follow one topic with a plain SUB socket in a thread.

    Args:
        bus: the daemon's bus endpoint.
        topic: the prefix to subscribe to.
        publish: called until the first message comes.
    """
    seen, over = Watched(), threading.Event()

    def run() -> None:
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.linger = 0
            socket.rcvhwm = 100_000
            socket.subscribe(topic)
            socket.connect(bus)
            while not over.is_set():
                if socket.poll(20):
                    header = unpack_header(socket.recv_multipart()[1])
                    seen.late.append(time.time() - header.time)
                    seen.seqs.append(header.seq)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: seen.seqs or publish(), what="a first message")
        yield seen
    finally:
        over.set()
        thread.join()


def consumer_process(endpoint: str, kind: str) -> contextlib.AbstractContextManager[OtherProcess]:
    """Run a Subscriber in a process of its own.

    Args:
        endpoint: the query endpoint.
        kind: of the messages that it subscribes to.
    """
    return other_process("tests.faults.consuming", endpoint, kind)


def main() -> None:
    """Receive the bus through small buffers, and print counts."""
    with zmq.Context() as context:
        context.setsockopt(zmq.RCVBUF, 1 << 18)
        with Subscriber(sys.argv[1], kinds=[sys.argv[2]], context=context) as updates:
            counts = {"messages": 0, "gaps": 0, "stale": 0, "restarts": 0, "unnoticed": 0}
            last, gap = 0, True
            while True:
                if select.select([sys.stdin], [], [], 0)[0]:
                    if not sys.stdin.readline():
                        return
                    sys.stdout.write(json.dumps({**counts, "last": last}) + "\n")
                    sys.stdout.flush()
                    counts = dict.fromkeys(counts, 0)
                update = updates.recv(0.02)
                if isinstance(update, Snapshot):
                    counts["messages"] += 1
                    counts["unnoticed"] += update.revision != last + 1 and not gap
                    last, gap = update.revision, False
                elif isinstance(update, (Gap, Restart)):
                    counts["gaps" if isinstance(update, Gap) else "restarts"] += 1
                    gap = True
                elif isinstance(update, Stale):
                    counts["stale"] += 1


if __name__ == "__main__":
    main()
