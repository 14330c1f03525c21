"""A process of another user with the name of a server; it stores everything that it receives.

Run as root: `python imposter.py UID ADDRESS SEEN [--deaf]`; ADDRESS is a port or a path, SEEN the
file that the received bytes are written to. With `--deaf` it accepts no connection.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import BinaryIO

INFO = b"# Server\r\nredis_version:7.0.0\r\nrun_id:0123\r\n# Replication\r\nrole:master\r\n"


def listen(address: str) -> socket.socket:
    """Listen at a port of every address, IPv4 and IPv6, or at a path."""
    if address.startswith("/"):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(address)
    else:
        listener = socket.socket(socket.AF_INET6)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("::", int(address)))
    listener.listen(16)
    return listener


def serve(connection: socket.socket, seen: BinaryIO) -> None:
    """Reply to INFO with a text, and to all other commands with OK."""
    while data := connection.recv(65536):
        seen.write(data)
        seen.flush()
        replies = b""
        for command in data.split(b"*")[1:]:
            is_info = b"\nINFO" in command.upper()
            replies += b"$%d\r\n%b\r\n" % (len(INFO), INFO) if is_info else b"+OK\r\n"
        connection.sendall(replies)


def main(uid: str, address: str, path: str, *options: str) -> None:
    """Switch to that user, take the name of a server, and serve."""
    with Path(path).open("wb") as seen:
        Path("/proc/self/comm").write_text("redis-server", encoding="ascii")
        os.setgid(int(uid))
        os.setuid(int(uid))
        listener = listen(address)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        if "--deaf" in options:
            signal.pause()
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection, seen), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
