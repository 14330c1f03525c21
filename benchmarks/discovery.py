"""Service discovery: a file with 10,000 targets, half of them replaced, and one with 100,000."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cores import Cores
from benchmarks.figures import Figure, FigureList
from benchmarks.progress import log_progress
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.worker import Worker

NUMBERS = ("s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9")

_READ_INTERVAL = 0.5  # seconds between two looks at the file
_HEARTBEAT = 0.1  # seconds; a tenth of the default, so that some are due during each change
_POLL_INTERVAL = 1.0  # seconds between two polls of a shard
_LARGER = 10  # factor from the number of shards to that of targets in the larger file
_FEWER = 10  # factor from the number of shards to that of shards which `keep` leaves of it
_UP = 120.0  # seconds until all shards must be up
_DEFAULT_INTERVAL = 2.0  # seconds; the default in place of `_READ_INTERVAL`
_READS = 20  # looks at an unchanged file whose CPU time is measured
_CONFIG = """
[query]
endpoint = "tcp://127.0.0.1:*"
[bus]
endpoint = "tcp://127.0.0.1:*"
heartbeat = {heartbeat}
[poll]
min_interval = {poll}
max_interval = {poll}
interval_step = 0
[guard]
hold = 1.0
[[sources]]
type = "file"
files = ["{file}"]
interval = {read}
keep = {{ watched = "yes" }}
"""


@dataclass
class Scene:
    """A daemon that discovers the targets of one file.

    Attributes:
        daemon: the worker process of the daemon.
        probe: the process that measures pings and heartbeats.
        file: the file.
        addresses: those of the servers.
    """

    daemon: Worker
    probe: Worker
    file: Path
    addresses: list[str]

    def wait_up(self, shards: int, generation: int) -> None:
        """Wait until this many shards of a generation are up.

        Raises:
            RuntimeError: they are not.
        """
        found = self.daemon.call("labelled", label=str(generation), shards=shards, seconds=_UP)
        if not found["up"]:
            raise RuntimeError(f"not {shards} shards of generation {generation} are up")

    def observe(self, change: Callable[[], object], seconds: float) -> dict[str, float]:
        """Return the longest delays in milliseconds during a change and some seconds after it."""
        self.daemon.call("reset")
        self.probe.call("reset")
        change()
        time.sleep(seconds)
        return {**self.probe.call("report"), **self.daemon.call("report")}


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure both files."""
    figures = FigureList(wanted)
    with loaded_servers(shards=scale.many + scale.many // 2) as servers:
        addresses = [url.removeprefix("redis://") for url in servers.urls]
        if {"s1", "s2", "s3"} & set(wanted):
            groups = _groups(addresses, scale.many, "shard", 0)
            with _scene(addresses, groups, scale.many) as scene:
                _replace_half(figures, scene, scale)
        if set(wanted) - {"s1", "s2", "s3"}:
            dropped = _groups(addresses, _LARGER * scale.many, "dropped", 0, watched="no")
            groups = [*dropped, *_groups(addresses, scale.many // _FEWER, "shard", 0)]
            with _scene(addresses, groups, scale.many // _FEWER) as scene:
                _read_again(figures, scene, scale, dropped)
    return figures.all


def _replace_half(figures: FigureList, scene: Scene, scale: Scale) -> None:
    half = scale.many // 2
    late, beats, seconds, notes = [], [], [], []
    for number in range(1, scale.rounds + 1):
        new = _groups(scene.addresses, half, f"round-{number}", number)
        groups = [*_groups(scene.addresses, half, "shard", 0), *new]

        def change(groups: list[dict[str, Any]] = groups, number: int = number) -> None:
            _write(scene.file, groups)
            began = time.monotonic()
            scene.wait_up(half, number)
            seconds.append(time.monotonic() - began)
            scene.wait_up(half if number == 1 else 0, number - 1)  # the former ones are removed

        quiet = scene.observe(lambda: None, scale.seconds / 2)
        found = scene.observe(change, 2 * _HEARTBEAT)
        late.append(found["poll"])
        beats.append(found["heartbeat"])
        notes.append({"quiet": quiet, "found": found})
    figures.add("s1", late, {"rounds": notes})
    figures.add("s2", beats)
    figures.add("s3", seconds)


def _read_again(
    figures: FigureList, scene: Scene, scale: Scale, dropped: list[dict[str, Any]]
) -> None:
    shards = scale.many // _FEWER
    same, changed = [], []
    settle = max(scale.seconds, 4 * _READ_INTERVAL)
    for number in range(1, scale.rounds + 1):
        same.append(scene.observe(lambda: _copy(scene.file), settle))
        groups = [*dropped, *_groups(scene.addresses, shards, "shard", number)]

        def change(groups: list[dict[str, Any]] = groups, number: int = number) -> None:
            _write(scene.file, groups)
            scene.wait_up(shards, number)

        changed.append(scene.observe(change, settle))
    for numbers, rounds in ((("s4", "s5"), same), (("s6", "s7"), changed)):
        figures.add(numbers[0], [one["iteration"] for one in rounds], {"rounds": rounds})
        figures.add(numbers[1], [one["poll"] for one in rounds])
    cost = scene.daemon.call("look_at_sources", count=_READS)
    figures.add("s8", 100 * cost["cpu"] / _DEFAULT_INTERVAL, cost)
    figures.add("s9", scene.daemon.call("cost")["peak_memory"] / 1e6)


@contextlib.contextmanager
def _scene(addresses: list[str], groups: list[dict[str, Any]], shards: int) -> Iterator[Scene]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zi-", dir="/tmp")))
        file, config = folder / "targets.json", folder / "zinfo.toml"
        config.write_text(
            _CONFIG.format(
                heartbeat=_HEARTBEAT, poll=_POLL_INTERVAL, read=_READ_INTERVAL, file=file
            )
        )
        _write(file, groups)
        log_progress(f"discovery: {len(groups)} targets, {shards} shards")
        daemon = Worker("served_daemon", cores=Cores.MEASURED, config=str(config))
        stack.enter_context(daemon)
        stack.callback(daemon.call, "end")
        endpoints = {name: daemon.started[name] for name in ("query", "bus")}
        probe = Worker("latency_probe", gevent=False, **endpoints, heartbeat=_HEARTBEAT)
        scene = Scene(daemon, stack.enter_context(probe), file, addresses)
        scene.wait_up(shards, 0)
        yield scene


def _groups(
    addresses: list[str], count: int, name: str, generation: int, *, watched: str = "yes"
) -> list[dict[str, Any]]:
    return [
        {
            "targets": [addresses[number % len(addresses)]],
            "labels": {
                "__id__": f"{name}-{number:06}",
                "watched": watched,
                "generation": str(generation),
            },
        }
        for number in range(count)
    ]


def _write(file: Path, groups: list[dict[str, Any]]) -> None:
    """Replace a file at once, as programs that write such files should do."""
    _replace(file, json.dumps(groups).encode())


def _copy(file: Path) -> None:
    """Replace a file by an equal one."""
    _replace(file, file.read_bytes())


def _replace(file: Path, content: bytes) -> None:
    new = file.with_suffix(".new")
    new.write_bytes(content)
    new.replace(file)


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
