"""Hundreds of shards are replaced, by a source and by SIGHUP, while the others are polled."""

from __future__ import annotations

import json
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until

SHARDS = 200
HALF = SHARDS // 2
POLL = "[poll]\nmin_interval = 0.5\nmax_interval = 0.5\n"


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    """The server that all shards of this module share."""
    with RealServer(password="right") as server:
        yield server


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("right\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def names(word: str) -> list[str]:
    return [f"{word}-{number:03}" for number in range(HALF)]


def write_targets(path: Path, server: RealServer, idents: list[str]) -> None:
    new = path.with_suffix(".new")
    groups = [
        {"targets": [server.ident], "labels": {"__id__": ident, "__credentials__": "c"}}
        for ident in idents
    ]
    new.write_text(json.dumps(groups), encoding="utf-8")
    new.rename(path)


def source_table(path: Path, secret: Path) -> str:
    return (
        f'{POLL}[guard]\nhold = 0.1\n[credentials.c]\npassword_file = "{secret}"\n'
        f'hosts = ["127.*"]\n[[sources]]\ntype = "file"\nfiles = ["{path}"]\ninterval = 0.1\n'
    )


def shard_tables(server: RealServer, secret: Path, idents: list[str]) -> str:
    return POLL + "".join(
        f'[[shards]]\nid = "{ident}"\nurl = "redis://{server.ident}"\npassword_file = "{secret}"\n'
        for ident in idents
    )


def wait_up(daemon: RunningDaemon, idents: list[str]) -> None:
    """Wait until exactly these shards are live, and all of them up."""

    def all_up() -> bool:
        body: Any = daemon.ask("shards").body
        return {one["id"] for one in body} == set(idents) and all(
            one["state"] == "up" for one in body
        )

    wait_until(all_up, what=f"{len(idents)} shards up")


def event_types(daemon: RunningDaemon) -> dict[str, list[str]]:
    """The types of all events so far, by shard."""
    body: Any = daemon.ask("events").body
    found = defaultdict(list)
    for event in body:
        found[event["shard"]].append(event["type"])
    return found


def check_replaced(daemon: RunningDaemon) -> None:
    """Check that the old half was removed, the new one added, and the others only polled."""
    found = event_types(daemon)
    for word, expected in {
        "stays": ["added", "up"],
        "old": ["added", "up", "removed"],
        "new": ["added", "up"],
    }.items():
        assert {tuple(found[ident]) for ident in names(word)} == {tuple(expected)}, word
    stats: Any = daemon.ask("stats").body
    assert stats["poll"]["failures"] == {}
    assert stats["poll"]["connects"] == SHARDS + HALF
    assert stats["faults"] == {}


def test_half_of_the_targets_of_a_file_are_replaced(
    server: RealServer, secret: Path, tmp_path: Path
) -> None:
    file = tmp_path / "targets.json"
    write_targets(file, server, names("stays") + names("old"))
    with RunningDaemon(config_text=source_table(file, secret)) as daemon:
        wait_up(daemon, names("stays") + names("old"))
        write_targets(file, server, names("stays") + names("new"))
        wait_up(daemon, names("stays") + names("new"))
        check_replaced(daemon)


def test_half_of_the_listed_shards_are_replaced_by_sighup(server: RealServer, secret: Path) -> None:
    before = shard_tables(server, secret, names("stays") + names("old"))
    with RunningDaemon(config_text=before) as daemon:
        wait_up(daemon, names("stays") + names("old"))
        after = shard_tables(server, secret, names("stays") + names("new"))
        daemon.config_path.write_text(after, encoding="utf-8")
        daemon.signal(signal.SIGHUP)
        wait_up(daemon, names("stays") + names("new"))
        check_replaced(daemon)


def test_corrected_credentials_bring_all_shards_of_a_source_up_in_place(
    server: RealServer, secret: Path, tmp_path: Path
) -> None:
    wrong, file = tmp_path / "wrong", tmp_path / "targets.json"
    wrong.write_text("wrong\n", encoding="utf-8")
    wrong.chmod(0o600)
    write_targets(file, server, names("one"))
    retry = "max_backoff = 3600\n"  # no shard is tried again by itself
    text = source_table(file, wrong).replace(POLL, POLL.replace("0.5", "3600") + retry)
    with RunningDaemon(config_text=text) as daemon:
        wait_until(
            lambda: sum("down" in types for types in event_types(daemon).values()) == HALF,
            what="all shards down",
        )
        daemon.config_path.write_text(text.replace(str(wrong), str(secret)), encoding="utf-8")
        daemon.signal(signal.SIGHUP)
        wait_up(daemon, names("one"))
        found = event_types(daemon)
        assert {tuple(found[ident]) for ident in names("one")} == {("added", "down", "up")}
