"""`zinfo events`: lifecycle events."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Fleet
from tests.cli.running import QUICK, following, invoke
from tests.cli.test_watch import STAMP
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.cli.events import _EventPrinter
from zinfo.client import Client, Gap


def test_an_event_has_time_shard_number_and_text(fleet: Fleet) -> None:
    done = invoke("events", daemon=fleet.daemon)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert [int(line.split("#")[1].split()[0]) for line in lines] == list(range(1, len(lines) + 1))
    assert re.fullmatch(rf"{STAMP} \S+ #1 added", lines[0])
    assert any(line.endswith(" up, was new") for line in lines)
    assert any(f"{fleet.dead} " in line and "down (refused), was new: " in line for line in lines)


def test_events_can_be_limited_by_shard_and_number(fleet: Fleet) -> None:
    done = invoke("events", fleet.first.ident, "--json", daemon=fleet.daemon)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["shard"] for event in events} == {fleet.first.ident}
    assert [event["type"] for event in events][:2] == ["added", "up"]
    assert events[0]["update"] == "event"
    since = str(events[0]["number"])
    later = invoke("events", fleet.first.ident, "--since", since, "--json", daemon=fleet.daemon)
    assert [json.loads(line)["number"] for line in later.stdout.splitlines()] == [
        event["number"] for event in events[1:]
    ]


def test_events_that_are_no_longer_stored_are_reported(server: RealServer) -> None:
    with RunningDaemon([server.url], environ={**QUICK, "ZINFO_QUERY_EVENTS_KEPT": "1"}) as daemon:
        daemon.wait_polled(1)
        done = invoke("events", daemon=daemon)
        assert "up, was new" in done.stdout
        assert done.stderr == "events 1 to 1 are no longer stored\n"


def test_a_number_greater_than_the_daemons_means_that_it_was_restarted(fleet: Fleet) -> None:
    done = invoke("events", "--since", "999999", daemon=fleet.daemon)
    assert "it was restarted, and counts from 1 again" in done.stderr
    assert "#1 added" in done.stdout


def test_follow_prints_stored_and_then_new_events_each_once(
    server: RealServer, tmp_path: Path
) -> None:
    with RunningDaemon([server.url], environ=QUICK) as daemon:
        daemon.wait_polled(1)
        with following(tmp_path, "events", "--follow", daemon=daemon, op="events") as command:
            command.wait_for("#2 up, was new")
            server.kill()
            command.wait_for("#3 down (refused), was up: ")
            server.start()
            command.wait_for("up, was down")
            restarted = command.wait_for(" restarted: ")
            assert re.search(
                r"restarted: [0-9a-f]{40} -> [0-9a-f]{40}: the process was started", restarted
            )
            assert command.interrupt() == 0
    numbers = [int(line.split("#")[1].split()[0]) for line in command.lines]
    assert numbers == list(range(1, len(numbers) + 1))


def test_follow_continues_after_a_restart_of_the_daemon(server: RealServer, tmp_path: Path) -> None:
    with RunningDaemon([server.url], environ=QUICK) as daemon:
        daemon.wait_polled(1)
        with following(
            tmp_path, "events", "--follow", "--json", daemon=daemon, op="events"
        ) as command:
            command.wait_for('"up"')
            daemon.kill()
            command.wait_for('"stale"')
            daemon.start()
            command.wait_for('"restart"')

            def ups() -> int:
                return sum('"type": "up"' in line for line in command.lines)

            wait_until(lambda: ups() == 2, what="the new daemon's events")


def test_follow_reports_a_silent_daemon_and_prints_missed_events(
    server: RealServer, tmp_path: Path
) -> None:
    with RunningDaemon([server.url], environ=QUICK) as daemon:
        daemon.wait_polled(1)
        with following(
            tmp_path, "events", "-f", server.ident, daemon=daemon, op="events"
        ) as command:
            daemon.suspend()
            command.wait_for("stale: ")
            server.kill()
            daemon.resume()
            command.wait_for("again: ")
            command.wait_for("down (refused), was up")
            assert command.interrupt() == 0


def test_events_lost_on_the_bus_are_fetched_once(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = (fleet.first.ident,)
    with Client(fleet.daemon.query) as client:
        stored = client.events(shard_ids=ids).events
        printer = _EventPrinter(client, ids, stored[0].number, json=True)
        printer.print(Gap(None, "event", stored[0].number + 1, stored[-1].number))
        printer.print(stored[-1])
        assert len(stored) > 1
    output = [json.loads(line)["number"] for line in capsys.readouterr().out.splitlines()]
    assert output == [event.number for event in stored[1:]]


def test_events_from_the_bus_are_not_printed_again_after_a_loss(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = (fleet.first.ident,)
    with Client(fleet.daemon.query) as client:
        *_, last = client.events(shard_ids=ids).events
        printer = _EventPrinter(client, ids, last.number - 1, json=True)
        printer.print(last)
        printer.print(Gap(None, "event", None, None))
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_events_that_cannot_be_fetched_are_reported_as_a_gap(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Client("tcp://127.0.0.1:9", timeout=0.05) as client:
        _EventPrinter(client, (), 3, json=False).print(Gap(None, "event", 4, 6))
    output = capsys.readouterr().out
    assert (
        " - gap: events were lost, and cannot be fetched: no answer from tcp://127.0.0.1:9"
        in output
    )
