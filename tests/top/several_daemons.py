"""Three daemons that share the shards, with two copies of each."""

from __future__ import annotations

from contextlib import ExitStack

from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.top.environ import SOON
from zinfo.wire.slices import slices_of

COUNT, COPIES = 3, 2
IDS = tuple(f"db-{number}" for number in range(6))
MORTAL = "db-5"
"""The shard whose server is killed; the others are one server by several names."""


class Daemons:
    """Three daemons with two copies of each shard.

    Args:
        stack: ends them.
    """

    def __init__(self, stack: ExitStack) -> None:
        server = stack.enter_context(RealServer())
        self.mortal = stack.enter_context(RealServer())
        urls = {one: self.mortal.url if one == MORTAL else server.url for one in IDS}
        shards = "".join(f'[[shards]]\nid = "{one}"\nurl = "{url}"\n' for one, url in urls.items())
        self.running: list[RunningDaemon] = []
        for number in range(COUNT):
            config = f"[slice]\nnumber = {number}\ncount = {COUNT}\ncopies = {COPIES}\n{shards}"
            environ = {**SOON, "ZINFO_NODE": f"zinfo-{number}"}
            daemon = RunningDaemon(config_text=config, environ=environ)
            self.running.append(stack.enter_context(daemon))
        self.wait_polled()

    @property
    def endpoints(self) -> list[str]:
        return [one.query for one in self.running]

    def wait_polled(self) -> None:
        for number, daemon in enumerate(self.running):
            daemon.wait_polled(len(shards_of(number)))


def shards_of(*numbers: int) -> set[str]:
    """The ids of the shards of some slices."""
    return {one for one in IDS if set(slices_of(one, COUNT, COPIES)) & set(numbers)}
