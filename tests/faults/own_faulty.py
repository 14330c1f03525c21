"""`zinfo` with faults that are there as long as a file of their name is in the folder $ZI_FAULTS.

A supervised part dies while there is a file of its name. What else can be broken stands in
`_break_all`. To be run by `python -m gevent.monkey --module`, which patches before all else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import gevent

import zinfo.loop.supervisor
import zinfo.poll.shard_connector
from zinfo.__main__ import main
from zinfo.daemon.daemon import Daemon
from zinfo.poll.state_machine import ShardStateMachine
from zinfo.poll.timer_wheel import TimerWheel
from zinfo.shards.shard import RedisShard
from zinfo.shards.snapshot import Snapshot
from zinfo.watchers.base import ShardWatcher
from zinfo.watchers.process_table import ProcessTable

_FOLDER = Path(os.environ["ZI_FAULTS"])
_LOOK = 0.02  # seconds between two looks at whether a part shall die


def _is_armed(fault: str) -> bool:
    return (_FOLDER / fault).exists()


def _break(owner: Any, name: str, fault: str, error: type[Exception] = RuntimeError) -> None:
    """Have a function raise while a fault is armed."""
    works = getattr(owner, name)

    @wraps(works)
    def maybe(*args: Any, **options: Any) -> Any:
        if _is_armed(fault):
            raise error(f"broken by {fault}")
        return works(*args, **options)

    setattr(owner, name, maybe)


def _break_parts() -> None:
    """Have a supervised part raise, wherever it is, while its name is armed."""
    spawn = zinfo.loop.supervisor.Supervisor.spawn

    def breakable(self: Any, name: str, run: Callable[[], None]) -> None:
        def run_until_armed() -> None:
            part: Any = gevent.getcurrent()

            def strike() -> None:
                while True:  # once more where the part took it for a failure of what it does
                    gevent.sleep(_LOOK)
                    if _is_armed(name):
                        part.kill(RuntimeError(f"broken: {name}"), block=False)

            striker = gevent.spawn(strike)
            try:
                run()
            finally:
                striker.kill()

        spawn(self, name, run_until_armed)

    zinfo.loop.supervisor.Supervisor.spawn = breakable  # type: ignore[method-assign]


class OwnWatcher(ShardWatcher):
    """A user's own: beats the time into a file."""

    def start(self) -> None:
        """Begin."""
        self.spawn(self._run)

    def _run(self) -> None:
        while True:
            (_FOLDER.parent / "alive").write_text(str(time.monotonic()))
            gevent.sleep(_LOOK)


def _break_all() -> None:
    _break_parts()
    _break(zinfo.poll.shard_connector, "connect_and_poll", "connecting")
    _break(ProcessTable, "scan", "scan")
    _break(TimerWheel, "take", "scheduler")
    _break(ShardStateMachine, "on_failure", "failing")
    _break(Snapshot, "encoded", "memory of a reply", MemoryError)
    store = RedisShard.store

    def maybe_store(self: RedisShard, snapshot: Snapshot, ops: float) -> None:
        fault = _FOLDER / "memory of a shard"
        if fault.exists() and fault.read_text() == self.id:
            raise MemoryError
        store(self, snapshot, ops)

    RedisShard.store = maybe_store  # type: ignore[method-assign]
    start = Daemon.start

    def start_with_more(self: Daemon) -> None:
        start(self)
        OwnWatcher(self.publisher).start()
        self.poller.subscribe_snapshots(_callback)
        timer = gevent.get_hub().loop.timer(_LOOK, _LOOK)
        timer.start(_in_the_loop, self)
        self.__dict__["own timer"] = timer  # so that it lives

    Daemon.start = start_with_more  # type: ignore[method-assign]
    if _is_armed("impatient"):
        zinfo.loop.supervisor._MAX_BACKOFF = 0.1


def _callback(_shard: RedisShard, _previous: Snapshot | None, _snapshot: Snapshot) -> None:
    if _is_armed("snapshot callback"):
        raise RuntimeError("broken: snapshot callback")


def _in_the_loop(daemon: Daemon) -> None:
    if _is_armed("listener"):
        for door in daemon.server_adapters:
            door._server.close()
    if _is_armed("event loop"):
        raise RuntimeError("broken: event loop")


if __name__ == "__main__":
    _break_all()
    main()
