#!/usr/bin/env python3
"""Query a zinfo daemon's XML-RPC server for the INFO of shards: one JSON object per line.

Needs only Python. The daemon's XML-RPC server must be enabled, for example with
`zinfo serve --xmlrpc 127.0.0.1:50051`; docs/reference/server-adapters.md describes it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import signal
import socket
import sys
import xmlrpc.client

EXAMPLES = """examples:
  xmlrpc_query.py                                     every shard that has been polled, all fields
  xmlrpc_query.py --key role --key used_memory        two fields of each
  xmlrpc_query.py --key db --prefix 127.0.0.1:6379    the databases of one shard

exit codes: 0 done, 1 no response or a fault, 2 wrong usage
"""


def main() -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(
        description="Print the newest INFO of shards from a zinfo daemon's XML-RPC server.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shards", nargs="*", metavar="SHARD", help="only these shards")
    parser.add_argument("--key", action="append", default=[], help="only this field; repeatable")
    parser.add_argument("--prefix", action="store_true", help="keys are prefixes of names")
    parser.add_argument(
        "--connect",
        metavar="URL",
        default="http://127.0.0.1:50051/",
        help="URL of the XML-RPC server [http://127.0.0.1:50051/]",
    )
    parser.add_argument(
        "--timeout", type=float, default=5.0, metavar="S", help="seconds to wait for a reply [5]"
    )
    options = parser.parse_args()
    if not 0 < options.timeout <= 86400:
        parser.error(f"--timeout {options.timeout:g}: expected seconds above 0, at most 86400")
    if not options.connect.startswith("http://"):
        parser.error(f"--connect {options.connect}: expected a URL that starts with http://")
    socket.setdefaulttimeout(options.timeout)  # a ServerProxy has no timeout by default
    try:
        with xmlrpc.client.ServerProxy(options.connect) as proxy:
            # XML-RPC has no keyword arguments: they are a struct in the last position.
            infos = proxy.GetInfos(options.shards, options.key, {"prefix_matching": options.prefix})
    except xmlrpc.client.Fault as fault:
        print(f"xmlrpc_query.py: {fault.faultString}", file=sys.stderr)
        return 1
    except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
        print(f"xmlrpc_query.py: no answer at {options.connect}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    assert isinstance(infos, list)
    for info in infos:
        print(json.dumps(info))
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `xmlrpc_query.py | head` ends quietly
    sys.exit(main())
