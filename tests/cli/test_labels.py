"""The option --label of the commands that query a daemon."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Fleet
from tests.cli.running import following, invoke
from tests.waiting import wait_until
from zinfo.recording import Recording


def relabel(fleet: Fleet, role: str) -> None:
    """Give the second server another label, and wait until the daemon has it."""
    config = fleet.daemon.config_path
    lines = [
        f'labels = {{ role = "{role}" }}' if "labels" in line else line
        for line in config.read_text().splitlines()
    ]
    config.write_text("\n".join(lines))
    fleet.daemon.signal(signal.SIGHUP)
    wait_until(lambda: ids(fleet, role) == {fleet.second.ident}, what="the new label")


def ids(fleet: Fleet, role: str) -> set[str]:
    done = invoke("shards", "--label", f"role={role}", "--json", daemon=fleet.daemon)
    return {json.loads(line)["id"] for line in done.stdout.splitlines()}


def test_shards_can_be_limited_by_label(fleet: Fleet) -> None:
    assert ids(fleet, "cache") == {fleet.second.ident}


@pytest.mark.parametrize("command", ["shards", "get", "watch", "events", "top", "record x.zrec"])
def test_a_label_without_a_value_is_an_error(command: str) -> None:
    done = invoke(*command.split(), "--label", "role")
    assert done.exit_code == 2
    assert "found 'role', expected NAME=VALUE" in done.stderr


def test_a_label_with_two_values_is_an_error() -> None:
    done = invoke("shards", "--label", "role=a", "--label", "role=b")
    assert done.exit_code == 2
    assert "role cannot be both 'a' and 'b'" in done.stderr


def test_stored_events_can_be_limited_by_label(fleet: Fleet) -> None:
    done = invoke("events", "--label", "role=cache", "--json", daemon=fleet.daemon)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["shard"] for event in events} == {fleet.second.ident}
    assert events[0]["labels"] == {"role": "cache"}, "`added` has the labels"


def test_events_and_changes_are_followed_while_a_shard_has_the_label(
    fleet: Fleet, tmp_path: Path
) -> None:
    wanted = ("--label", "role=queue", "--json")
    watched = tmp_path / "watch"
    watched.mkdir()
    first, second = fleet.first.client(), fleet.second.client()
    with (
        following(
            *(watched, "watch", *wanted, "--key", "maxclients"),
            daemon=fleet.daemon,
            op="get_infos",
        ) as watch,
        following(
            tmp_path, "events", *wanted, "--follow", daemon=fleet.daemon, op="shards"
        ) as events,
    ):
        first.config_set("maxclients", 101)
        second.config_set("maxclients", 102)
        wait_until(
            lambda: "maxclients:102" in invoke("get", daemon=fleet.daemon).stdout, what="the poll"
        )
        relabel(fleet, "queue")
        for command in (watch, events):
            event = json.loads(command.wait_for("labels_changed"))
            assert (event["shard"], event["labels"]) == (fleet.second.ident, {"role": "queue"})
        second.config_set("maxclients", 103)
        change = json.loads(watch.wait_for("maxclients"))
        assert (change["shard"], change["new"]) == (fleet.second.ident, 103)
        relabel(fleet, "cache")
        for command in (watch, events):
            assert json.loads(command.wait_for('"cache"'))["shard"] == fleet.second.ident
        assert watch.interrupt() == 0
        assert events.interrupt() == 0


def test_a_recording_can_be_limited_by_label(fleet: Fleet, tmp_path: Path) -> None:
    file = tmp_path / "cache.zrec"
    wanted = ("record", str(file), "--seconds", "0.2")
    done = invoke(*wanted, "--label", "role=cache", "--json", daemon=fleet.daemon)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["shards"] == 1
    with Recording(file) as recording:
        assert next(iter(recording), None) is not None
    done = invoke(*wanted, "--label", "role=none", daemon=fleet.daemon)
    assert done.exit_code == 1
    assert done.stderr == "Error: no shard has the label role=none, known are: role=cache\n"
