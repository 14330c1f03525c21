#!/usr/bin/env python3
"""Relay the bus of a zinfo daemon: one subscriber of the daemon, which publishes to many.

Needs pyzmq, but not zinfo. It forwards subscriptions to the daemon, and messages to those that
subscribed to them, and reads neither. docs/how-to/relay-the-bus.md says when that pays.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys

import zmq
import zmq.auth

EXAMPLES = """examples:
  relay.py --connect tcp://10.0.0.1:9737                      for programs on this machine
  relay.py --connect tcp://10.0.0.1:9737 --bind tcp://*:9747  for those on others, too

A follower uses the query endpoint of the daemon and the bus of the relay:
  Mirror("tcp://10.0.0.1:9736", bus="tcp://RELAY:9747")

exit codes: 0 done (--help), 1 the address cannot be used, 2 wrong usage, 130 stopped by Ctrl-C
"""

QUEUE = 10_000
"""Messages queued for one slow follower, and messages from the daemon; further ones are dropped."""

CONNECTION = {
    zmq.LINGER: 0,
    zmq.IPV6: 1,
    # A peer that vanished without closing the connection is noticed after 30 + 3 * 10 seconds.
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 30,
    zmq.TCP_KEEPALIVE_INTVL: 10,
    zmq.TCP_KEEPALIVE_CNT: 3,
}


def relay(options: argparse.Namespace) -> None:
    """Forward in both directions until the process is stopped."""
    with (
        zmq.Context() as context,
        context.socket(zmq.XSUB) as daemon,
        context.socket(zmq.XPUB) as followers,
    ):
        # All options come before bind() and connect(), or they have no effect.
        for option, value in CONNECTION.items():
            daemon.set(option, value)
            followers.set(option, value)
        daemon.rcvhwm = followers.sndhwm = QUEUE
        daemon.sndhwm = 0  # with a limit, subscriptions can be lost at a reconnection
        if options.server_key:
            daemon.curve_serverkey = zmq.auth.load_certificate(options.server_key)[0]
            own = zmq.auth.load_certificate(options.client_key)
            daemon.curve_publickey, daemon.curve_secretkey = own
        followers.bind(options.bind)  # XPUB: followers connect their SUB sockets to it
        daemon.connect(options.connect)  # XSUB: passes their subscriptions to the daemon's XPUB
        print(f"relaying {options.connect} at {options.bind}", flush=True)
        zmq.proxy(daemon, followers)


def main() -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(
        description="Relay the bus of a zinfo daemon to many subscribers.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--connect",
        metavar="ENDPOINT",
        default="tcp://127.0.0.1:9737",
        help="bus endpoint of the daemon [tcp://127.0.0.1:9737]",
    )
    parser.add_argument(
        "--bind",
        metavar="ENDPOINT",
        default="tcp://127.0.0.1:9747",
        help="where followers connect; not protected by keys [tcp://127.0.0.1:9747]",
    )
    parser.add_argument(
        "--server-key",
        metavar="FILE",
        default=os.environ.get("ZINFO_SERVER_KEY"),
        help="public key of a daemon that requires keys: its server.key [ZINFO_SERVER_KEY]",
    )
    parser.add_argument(
        "--client-key",
        metavar="FILE",
        default=os.environ.get("ZINFO_CLIENT_KEY"),
        help="secret key of the relay: NAME.key_secret [ZINFO_CLIENT_KEY]",
    )
    options = parser.parse_args()
    if bool(options.server_key) != bool(options.client_key):
        parser.error("--server-key and --client-key belong together")
    try:
        relay(options)
    except (OSError, TypeError, ValueError) as error:  # of a key file
        parser.error(f"--server-key, --client-key: {error}")
    except zmq.ZMQError as error:
        if error.errno in (zmq.EADDRINUSE, zmq.EADDRNOTAVAIL):
            print(f"relay.py: {error}", file=sys.stderr)
            return 1
        parser.error(f"--connect {options.connect}, --bind {options.bind}: {error}")
    except KeyboardInterrupt:
        pass
    return 130


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
