"""How much memory does a shard take, after many polls?"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Any

from benchmarks.cores import Cores
from benchmarks.figures import Figure, Pair, compared
from benchmarks.progress import say
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.side import Side

NUMBERS = ("11",)

_LOOKS = 5  # looks at the memory of each side, which show whether it grows
_PLAIN_PART = 24  # the plain poller does one of so many polls: it would take twenty minutes


def run(scale: Scale, _wanted: Collection[str]) -> list[Figure]:
    """Measure the memory of a shard, in a process of many."""
    shards = scale.shards
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=shards))
        say(f"memory: {servers.facts}")
        options: dict[str, Any] = {"urls": servers.urls, "shards": shards, "interval": 0}
        # Both at the same time, wherever there is room: no time is measured.
        sides = {
            side: -(-scale.polls // part)
            for side, part in (
                (Side("zinfo_daemon", cores=Cores.ANY, **options), 1),
                (Side("plain_poller", cores=Cores.ANY, **options), _PLAIN_PART),
            )
        }
        for side in sides:
            stack.enter_context(side)
        looks: dict[str, list[dict[str, Any]]] = {side.name: [] for side in sides}
        for look in range(1, _LOOKS + 1):
            for side, polls in sides.items():
                side.tell("poll_until", polls=shards * polls * look // _LOOKS)
            for side in sides:
                seen = side.wait()
                seen["memory_a_shard"] = (seen["memory"] - seen["memory_before"]) / shards
                looks[side.name].append(seen)
                each = seen["memory_a_shard"] / 1024
                say(f"memory: {side.name}, {seen['polls'] // shards} polls each: {each:.1f} KB")
    last = Pair(*([looks[side.name][-1]["memory_a_shard"] / 1024] for side in sides))
    return [compared("11", last, "KB", servers=servers.facts, shards=shards, looks=looks)]


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
