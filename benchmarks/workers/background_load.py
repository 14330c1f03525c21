"""A small background load on the servers, so that fields change from poll to poll."""

from __future__ import annotations

import select
import sys

import redis

from benchmarks.worker_loop import handle_command
from tests.load import put_load

_TICK = 0.1  # seconds between two batches of commands
_COMMANDS = 20  # commands of a batch


def main() -> None:
    """Put load on the servers until the parent closes stdin."""
    clients: list[redis.Redis] = []

    def start(urls: list[str]) -> None:
        clients.extend(map(redis.Redis.from_url, urls))

    handle_command(sys.stdin.readline(), {"start": start})
    while not select.select([sys.stdin], [], [], _TICK)[0]:
        for client in clients:
            put_load(client, _COMMANDS)


if __name__ == "__main__":
    main()
