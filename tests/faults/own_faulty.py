"""`zinfo` with faults, each active while the folder $ZI_FAULTS has a file of its name.

A supervised task crashes while there is a file of its name; `_break_all` lists the other faults. To
be run by `python -m gevent.monkey --module`, which patches before everything else.
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
from zinfo.discovery.local.process_table import ProcessTable
from zinfo.discovery.watcher import ShardWatcher
from zinfo.poll.state_machine import ShardStateMachine
from zinfo.poll.timer_wheel import TimerWheel
from zinfo.shards.shard import RedisShard
from zinfo.shards.snapshot import Snapshot

_FOLDER = Path(os.environ["ZI_FAULTS"])
_PERIOD = 0.02  # seconds between two checks whether a fault is active


def _is_armed(fault: str) -> bool:
    return (_FOLDER / fault).exists()


def _break(owner: Any, name: str, fault: str, error: type[Exception] = RuntimeError) -> None:
    """Make a function raise while a fault is active."""
    original = getattr(owner, name)

    @wraps(original)
    def maybe(*args: Any, **options: Any) -> Any:
        if _is_armed(fault):
            raise error(f"broken by {fault}")
        return original(*args, **options)

    setattr(owner, name, maybe)


def _break_tasks() -> None:
    """Make supervised tasks raise, at any point, while the fault of their name is active."""
    spawn = zinfo.loop.supervisor.Supervisor.spawn

    def breakable(self: Any, name: str, run: Callable[[], None]) -> None:
        def run_until_armed() -> None:
            task: Any = gevent.getcurrent()

            def crash() -> None:
                while True:  # again if the task handled the exception itself
                    gevent.sleep(_PERIOD)
                    if _is_armed(name):
                        task.kill(RuntimeError(f"broken: {name}"), block=False)

            crasher = gevent.spawn(crash)
            try:
                run()
            finally:
                crasher.kill()

        spawn(self, name, run_until_armed)

    supervisor = zinfo.loop.supervisor.Supervisor
    supervisor.spawn = breakable  # type: ignore[method-assign]  # the fault


class OwnWatcher(ShardWatcher):
    """A user's watcher; writes the time to a file again and again."""

    def start(self) -> None:
        """Start."""
        self.spawn(self._run)

    def _run(self) -> None:
        while True:
            (_FOLDER.parent / "alive").write_text(str(time.monotonic()))
            gevent.sleep(_PERIOD)


def _break_all() -> None:
    _break_tasks()
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

    RedisShard.store = maybe_store  # type: ignore[method-assign]  # the fault
    start = Daemon.start

    def start_with_more(self: Daemon) -> None:
        start(self)
        OwnWatcher(self.publisher).start()
        self.poller.subscribe_snapshots(_callback)
        timer = gevent.get_hub().loop.timer(_PERIOD, _PERIOD)
        timer.start(_in_the_loop, self)
        self.__dict__["own timer"] = timer  # keeps a reference

    Daemon.start = start_with_more  # type: ignore[method-assign]  # adds faulty parts
    if _is_armed("impatient"):
        zinfo.loop.supervisor._MAX_BACKOFF = 0.1


def _callback(_shard: RedisShard, _previous: Snapshot | None, _snapshot: Snapshot) -> None:
    if _is_armed("snapshot callback"):
        raise RuntimeError("broken: snapshot callback")


def _in_the_loop(daemon: Daemon) -> None:
    if _is_armed("listener"):
        for adapter in daemon.server_adapters:
            adapter._server.close()
    if _is_armed("event loop"):
        raise RuntimeError("broken: event loop")


if __name__ == "__main__":
    _break_all()
    main()
