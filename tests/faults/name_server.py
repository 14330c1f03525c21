"""A name server, and a program that lets a daemon follow a failover which it announces.

`python -m tests.faults.name_server` prints, as JSON, what the daemon reported. It needs port 53 of
127.0.0.1, and an /etc/resolv.conf that names this server: namespaces of its own.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any

from dnslib import QTYPE, RCODE, RR, A
from dnslib.server import DNSLogger, DNSServer

from tests.faults.watched import watching_daemon
from tests.servers import RealServer
from tests.waiting import wait_until

NAME = "db.zinfo.test"
OLD, NEW = "127.0.0.1", "127.0.0.2"
EVERY = 0.5
"""Seconds between two lookups of a name."""


class Zone:
    """Answers for one name; a resolver of dnslib.

    Attributes:
        addresses: IPv4 addresses of the name; none: the name server fails.
        queries: number of queries for IPv4 addresses of the name.
    """

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.queries = 0

    def resolve(self, request: Any, _handler: object) -> Any:
        """Return the reply to a query."""
        reply, name = request.reply(), request.q.qname
        if str(name).rstrip(".") != NAME:
            reply.header.rcode = RCODE.NXDOMAIN
        elif not self.addresses:
            reply.header.rcode = RCODE.SERVFAIL
        elif request.q.qtype == QTYPE.A:
            self.queries += 1
            for address in self.addresses:
                reply.add_answer(RR(name, QTYPE.A, rdata=A(address), ttl=0))
        return reply


@contextlib.contextmanager
def serving(zone: Zone) -> Iterator[None]:
    """Serve a zone at port 53."""
    server = DNSServer(zone, address="127.0.0.1", port=53, logger=DNSLogger(log="-request,-reply"))
    server.start_thread()
    try:
        yield
    finally:
        server.stop()
        server.server.server_close()


def main() -> None:
    """Run the failover and print what was reported."""
    zone = Zone(OLD)
    with (
        serving(zone),
        RealServer(host=OLD) as old,
        RealServer(host=NEW, port=old.port) as new,
        watching_daemon(resolve_every=EVERY) as watching,
    ):
        shard = watching.watch("db", f"redis://{NAME}:{old.port}")
        shard.wait_up()
        zone.addresses = ()
        shard.wait_polls(6)  # with failed lookups
        zone.addresses = (NEW, OLD)
        asked = zone.queries
        wait_until(lambda: zone.queries >= asked + 4, what="lookups with both addresses")
        before = shard.info("process_id")["process_id"] == old.pid
        zone.addresses = (NEW,)
        event = shard.wait_event("polling_error")
        shard.wait_polls()
        result = {
            "polled before": before,
            "polled after": shard.info("process_id")["process_id"] == new.pid,
            "old server lives": old.cli("PING") == b"+PONG\r\n",
            "reason": event["reason"],
            "message": event["message"],
            "types": shard.types(),
            "log": [line for line in watching.daemon.log().splitlines() if NAME in line],
        }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
