"""One slice of ten of 100,000 targets, with one copy and with two, at the rate that a core allows.

The servers are processes that reply with recorded INFO, because the machine could not run as many
real ones. They share all cores but the first with the processes that read.
"""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.cores import Cores
from benchmarks.figures import Figure, FigureList
from benchmarks.progress import log_progress
from benchmarks.scraping import scrape
from benchmarks.script import Scale, main
from benchmarks.servers import RESERVED_FILES, TooFewFilesError, allow_files, loaded_servers
from benchmarks.worker import Worker
from tests.resp import pack, read_reply
from zinfo.client import Client
from zinfo.wire.slices import SliceSpec

COUNT = 10  # slices
_FIRST = ("k1", "k2", "k3", "k4", "k5", "k6", "k7")
_SECOND = ("l1", "l2", "l3", "l4", "l5", "l6", "l7")
NUMBERS = (*_FIRST, *_SECOND)

_FAKES = 2  # processes that reply; each has a descriptor for each of its connections
_TEXTS = 120  # recorded texts, more than a run polls a server at full rate
_RECORD_INTERVAL = 0.05  # seconds between two of them
_FULL_RATE = 0.1  # part of the usual interval: more polls are due than one core can perform
_UP = 300.0  # seconds until all shards must be up
_RELOAD = 60.0  # seconds for a reload
_CONFIG = """
[query]
endpoint = "tcp://127.0.0.1:*"
[bus]
endpoint = "tcp://127.0.0.1:*"
[http]
listen = "127.0.0.1:0"
[poll]
min_interval = {interval}
max_interval = {interval}
interval_step = 0
[slice]
number = 0
count = {count}
copies = {copies}
[[sources]]
name = "targets"
type = "file"
files = ["{file}"]
"""


@dataclass
class Slice:
    """A daemon that polls one slice.

    Attributes:
        daemon: its worker process.
        fakes: the processes that reply.
        config: its configuration file.
        file: the file of targets.
        copies: of each shard.
        shards: number of shards in the slice.
    """

    daemon: Worker
    fakes: list[Worker]
    config: Path
    file: Path
    copies: int
    shards: int

    def text(self, interval: float) -> str:
        """Return its configuration with this interval between two polls of a shard."""
        return _CONFIG.format(interval=interval, count=COUNT, copies=self.copies, file=self.file)

    def observe(self, seconds: float) -> dict[str, float]:
        """Return what a period costs: CPU of the daemon and of the servers, bytes, lateness."""
        before = self._costs()
        self.daemon.call("reset")
        time.sleep(seconds)
        late = self.daemon.call("report")
        after = self._costs()
        spent = {name: after[name] - before[name] for name in before}
        polls = spent.pop("polls")
        return {
            **late,
            "polls_a_second": polls / spent["at"],
            "cpu_us": 1e6 * spent["cpu"] / polls,
            "core": spent["cpu"] / spent["at"],
            "servers_core": spent["fakes_cpu"] / spent["at"],
            "bytes_in": spent["out"] / polls,
            "bytes_out": spent["in"] / polls,
        }

    def _costs(self) -> dict[str, float]:
        reports = [fake.call("report") for fake in self.fakes]
        totals: dict[str, float] = {
            name: sum(one[name] for one in reports) for name in ("polls", "in", "out")
        }
        fakes_cpu = sum(fake.cpu() for fake in self.fakes)
        return {
            **totals,
            "fakes_cpu": fakes_cpu,
            "cpu": self.daemon.cpu(),
            "at": time.monotonic(),
        }


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure the slice with one copy, and with two."""
    figures = FigureList(wanted)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zi-", dir="/tmp")))
        replies = folder / "replies.json"
        with loaded_servers(shards=1) as servers:
            replies.write_text(json.dumps(_recorded(servers.urls[0])))
        for copies, numbers in ((1, _FIRST), (2, _SECOND)):
            if set(numbers) & set(wanted):
                with _slice(folder, replies, scale, copies) as one:
                    _measure(figures, numbers, one, scale)
    return figures.all


def _recorded(url: str) -> list[str]:
    """Return replies of a server, in which numbers change from one to the next."""
    address = urlsplit(url)
    texts = []
    with (
        socket.create_connection((address.hostname, address.port or 6379)) as connection,
        connection.makefile("rb") as stream,
    ):
        for _ in range(_TEXTS):
            connection.sendall(pack("INFO", "everything"))
            _size, _line, text = read_reply(stream).partition(b"\r\n")
            texts.append(text[:-2].decode("latin-1"))
            time.sleep(_RECORD_INTERVAL)
    return texts


def _measure(figures: FigureList, numbers: tuple[str, ...], measured: Slice, scale: Scale) -> None:
    up, cpu, late, memory, scraping, most, bus = numbers
    began = time.monotonic()
    found = measured.daemon.call("found", shards=measured.shards, seconds=_UP)
    found = {**measured.daemon.call("cost"), "seconds": time.monotonic() - began, **found}
    if not measured.daemon.call("up", shards=measured.shards, seconds=_UP)["up"]:
        raise RuntimeError(f"not all {measured.shards} shards are up")
    detail = {**measured.daemon.call("cost"), "shards": measured.shards, "found": found}
    figures.add(up, time.monotonic() - began, detail)
    interval = measured.shards / scale.rate
    time.sleep(interval)  # until the polls are spread evenly
    rounds = [measured.observe(scale.seconds) for _ in range(scale.rounds)]
    figures.add(cpu, [one["cpu_us"] for one in rounds], {"rounds": rounds})
    figures.add(late, [one["p99"] for one in rounds])
    taken = [scrape(measured.daemon, measured.shards) for _ in range(scale.rounds)]
    figures.add(scraping, [one["seconds"] for one in taken], {"scrapes": taken})
    figures.add(memory, measured.daemon.call("cost")["memory"] / 1e6)
    figures.add(bus, *_with_subscriber(measured, scale))
    measured.config.write_text(measured.text(_FULL_RATE * interval))
    measured.daemon.call("reload", seconds=_RELOAD)
    time.sleep(interval)
    rounds = [measured.observe(scale.seconds) for _ in range(scale.rounds)]
    figures.add(most, [one["polls_a_second"] for one in rounds], {"rounds": rounds})


def _with_subscriber(measured: Slice, scale: Scale) -> tuple[list[float], dict[str, Any]]:
    """Return the CPU of a poll with a subscriber to all batches, and the bytes that it gets."""
    started = measured.daemon.started
    with (
        Worker("raw_subscriber", gevent=False, bus=started["bus"]) as subscriber,
        Client(started["query"], timeout=30) as client,
    ):
        subscriber.call("subscribe", topics=["z1/batch/"])
        rounds = []
        for _ in range(scale.rounds):
            before = client.stats()["bus"]["bytes"]
            one = measured.observe(scale.seconds)
            sent = client.stats()["bus"]["bytes"] - before
            rounds.append({**one, "bus_bytes_a_second": sent / scale.seconds})
    return [one["cpu_us"] for one in rounds], {"rounds": rounds}


@contextlib.contextmanager
def _slice(folder: Path, replies: Path, scale: Scale, copies: int) -> Iterator[Slice]:
    spec = SliceSpec(0, COUNT, copies)
    targets = min(scale.many * COUNT, _most_targets(copies))
    idents = [f"shard-{number:06}" for number in range(targets)]
    shards = sum(spec.includes(ident, {}) for ident in idents)
    allow_files(0)
    log_progress(f"slice_scale: {targets} targets, {shards} of them in {spec}")
    with contextlib.ExitStack() as stack:
        fakes = [
            stack.enter_context(Worker("fake_servers", gevent=False, replies=str(replies)))
            for _ in range(_FAKES)
        ]
        file, config = folder / f"targets-{copies}.json", folder / f"zinfo-{copies}.toml"
        groups = [
            {
                "targets": [fakes[number % _FAKES].started["address"]],
                "labels": {"__id__": ident, "cluster": f"cluster-{number // 100}"},
            }
            for number, ident in enumerate(idents)
        ]
        file.write_text(json.dumps(groups))
        daemon = Worker("served_daemon", cores=Cores.MEASURED, config=str(config))
        one = Slice(daemon, fakes, config, file, copies, shards)
        config.write_text(one.text(shards / scale.rate))
        stack.enter_context(daemon)
        stack.callback(daemon.call, "end")
        (daemon.started["http"],) = daemon.started["http"]
        yield one


def _most_targets(copies: int) -> int:
    """Return how many targets have a slice for which this process may open the files.

    Raises:
        TooFewFilesError: None has.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        return 1 << 30
    most = (hard - 2 * RESERVED_FILES) * COUNT // copies
    if most < COUNT:
        raise TooFewFilesError(f"`ulimit -Hn` is {hard}: raise it and run again")
    return most


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
