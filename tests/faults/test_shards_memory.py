"""A large INFO with new names at each poll: memory stays bounded over many polls."""

from __future__ import annotations

import itertools
import time

import pytest

from tests.bus_subscriber import subscribed
from tests.faults.peers import INFO, Peer
from tests.faults.watched import Watched, watching_daemon
from tests.promises import Promise
from zinfo.wire.bus_messages import KIND_DELTA, topic

_WARM = 8
"""Polls after which all caches of zinfo are full."""

_PARSED = 100_000
"""The most names with which these tests have an INFO parsed: more take seconds."""


@pytest.mark.parametrize(
    ("names", "polls", "most"),
    [
        (10_000, 10, 20_000_000),
        pytest.param(
            *(100_000, 30, 200_000_000), marks=[pytest.mark.slow, pytest.mark.timeout(600)]
        ),
    ],
)
def test_an_info_with_new_names_at_each_poll_costs_bounded_memory(
    names: int, polls: int, most: int, promise: Promise
) -> None:
    template = (
        INFO
        + b"# Errorstats\r\n"
        + b"".join(b"errorstat_@@@@@@_%07d:count=1\r\n" % n for n in range(names))
    )
    count = itertools.count()

    def text() -> bytes:
        return template.replace(b"@@@@@@", b"%06d" % next(count))

    interval = 0.1 if names < 100_000 else 1.0
    with (
        Peer(info=text) as peer,
        watching_daemon(
            min_interval=interval,
            max_interval=interval,
            timeout=20.0,
            connect_timeout=20.0,
            max_reply_bytes=2 * len(template),
            max_fields=2 * names,
        ) as watching,
    ):
        alone = watching.memory()
        shard = watching.watch("large", peer.url)
        with subscribed(watching.daemon.bus, topic(KIND_DELTA, shard.id)) as subscriber:

            def poll_on(more: int) -> int:
                """Receive `more` polls with some requests; return the peak of memory."""
                peak, last = 0, 0
                goal = subscriber.receive(60).header.seq + more
                while last < goal:  # receives all messages: those that wait here would be counted
                    last = subscriber.receive(60).header.seq
                    peak = max(peak, watching.memory())
                    if last % 4 == 0:
                        _ask(shard, names)
                return peak

            warm = poll_on(_WARM) - alone
            started = time.monotonic()
            peak = poll_on(polls) - alone
            took = time.monotonic() - started
        promise(
            f"an INFO of {len(template) / 1e6:.1f} MB with {names:,} new names each time",
            f"{most / 1e6:g} MB at most, no more after {polls} polls than after {_WARM}",
            f"{warm / 1e6:.0f} MB, then {peak / 1e6:.0f} MB ({took / polls:.2f} s a poll)",
        )
        assert peak <= most
        assert peak <= 1.25 * warm + 5_000_000
        assert watching.stats()["poll"]["errors"] == 0
        assert "down" not in shard.types()


def _ask(shard: Watched, names: int) -> None:
    """Have the INFO parsed, or only searched if it has too many names."""
    many = names > _PARSED
    keys = ["role"] if many else ["errorstat_", "role"]
    reply = shard.watching.daemon.ask(
        "get_infos", shard_ids=[shard.id], keys=keys, prefix_matching=not many
    )
    assert reply.error is None
