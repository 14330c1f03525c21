"""`zinfo watch`: each change as it arrives."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Fleet
from tests.cli.running import QUICK, Following, following, invoke, request_count
from tests.cli.test_app import threads
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.cli.fields import Fields, Selection
from zinfo.cli.watch import _ChangePrinter
from zinfo.client import Client, Gap

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def test_a_change_has_time_shard_field_old_and_new_value(fleet: Fleet, tmp_path: Path) -> None:
    client = fleet.first.client()
    client.set("a", 1)
    ask = ("get", fleet.first.ident, "--key", "db0")
    wait_until(lambda: "\ndb0:" in invoke(*ask, daemon=fleet.daemon).stdout, what="the key")
    wanted = ("--key", "db0", "--key", "maxmemory")
    with following(tmp_path, "watch", *wanted, daemon=fleet.daemon, op="get_infos") as command:
        client.set("b", 1)
        line = command.wait_for("db0")
        assert re.fullmatch(rf"{STAMP} {fleet.first.ident} db0: keys=1 -> keys=2", line)
        client.config_set("maxmemory", 12345678)
        assert command.wait_for("maxmemory").endswith(" maxmemory: 0 -> 12345678")
        client.flushall()
        gone = r"db0: keys=2,expires=0,avg_ttl=0(,\w+=0)? -> -"  # one more from Redis 8 on
        assert re.search(rf" {gone}$", command.wait_for(" -> -"))
        assert command.interrupt() == 0
    assert len(command.lines) == 3
    assert command.errors == ""


def test_json_has_the_kind_of_each_update(fleet: Fleet, tmp_path: Path) -> None:
    with following(
        *(tmp_path, "watch", fleet.second.ident, "--key", "maxmem", "--prefix", "--json"),
        daemon=fleet.daemon,
        op="get_infos",
    ) as command:
        fleet.second.client().config_set("maxmemory", 2 << 20)
        change: dict[str, Any] = json.loads(command.wait_for('"maxmemory"'))
        assert isinstance(change.pop("time"), float)
        assert isinstance(change.pop("revision"), int)
        assert change == {
            "update": "change",
            "shard": fleet.second.ident,
            "field": "maxmemory",
            "old": 0,
            "new": 2 << 20,
        }
        human = json.loads(command.wait_for('"maxmemory_human"'))
        assert (human["old"], human["new"]) == ("0B", "2.00M")
        fleet.second.kill()
        event = json.loads(command.wait_for('"event"'))
        assert (event["update"], event["type"], event["reason"]) == ("event", "down", "refused")
        fleet.second.start()
        command.wait_for('"up"')


def test_watch_waits_for_a_shard_that_does_not_exist_yet(
    server: RealServer, tmp_path: Path
) -> None:
    with (
        RunningDaemon(config_text="[local]\nenabled = false\n", environ=QUICK) as daemon,
        following(
            *(tmp_path, "watch", server.ident, "--key", "role"), daemon=daemon, op="get_infos"
        ) as command,
    ):
        wait_until(
            lambda: command.errors == f"shard {server.ident} not found; waiting for it\n",
            what="the note",
        )
        daemon.config_path.write_text(f'[[shards]]\nurl = "{server.url}"\n')
        daemon.signal(signal.SIGHUP)
        assert command.wait_for("role: - -> master")
        assert "added" in command.lines[0]
        assert "up, was new" in command.lines[1]
        daemon.config_path.write_text("")
        daemon.signal(signal.SIGHUP)
        assert command.wait_for(" removed")


def test_silence_return_and_restart_of_the_daemon_are_reported(
    server: RealServer, tmp_path: Path
) -> None:
    with RunningDaemon([server.url], environ=QUICK) as daemon:
        daemon.wait_polled(1)
        with following(
            tmp_path, "watch", "--key", "maxmemory", daemon=daemon, op="get_infos"
        ) as command:
            daemon.suspend()
            assert command.wait_for(" - stale: no heartbeat for")
            daemon.resume()
            assert command.wait_for(" - again: the daemon responds again")
            daemon.restart()
            assert command.wait_for(" - restart: ")
            daemon.wait_polled(1)
            wait_until(
                lambda: request_count(daemon, "get_infos"), what="a request to the new daemon"
            )
            server.client().config_set("maxmemory", 1 << 20)
            assert command.wait_for(" maxmemory: 0 -> 1048576")
            assert command.interrupt() == 0


def test_after_a_gap_missed_changes_come_from_the_cache(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    redis = fleet.first.client()
    ids = (fleet.first.ident,)
    with Client(fleet.daemon.query) as client:
        printer = _ChangePrinter(client, Selection(Fields(("hz",)), ids))
        redis.config_set("hz", 10)
        wait_until(lambda: client.get_infos(ids, ("hz",))[0]["hz"] == 10, what="hz")
        printer.read_all()
        redis.config_set("hz", 42)
        wait_until(lambda: client.get_infos(ids, ("hz",))[0]["hz"] == 42, what="hz")
        printer.print(Gap(fleet.first.ident, "delta", 3, 5))
    output = capsys.readouterr().out.splitlines()
    assert output[0].endswith(
        f" {fleet.first.ident} gap: messages were lost; the changes in total follow"
    )
    assert output[1].endswith(f" {fleet.first.ident} hz: 10 -> 42")


def test_a_gap_while_the_daemon_is_silent_does_not_end_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Client("tcp://127.0.0.1:9", timeout=0.05) as client:
        printer = _ChangePrinter(client, Selection(Fields()), json=True)
        printer.print(Gap(None, "delta", None, None))
    output = capsys.readouterr()
    assert json.loads(output.out)["update"] == "gap"
    assert output.err.startswith("the daemon's cache could not be read: no answer from")


def test_a_prefix_needs_a_key() -> None:
    done = invoke("watch", "--prefix")
    assert done.exit_code == 2
    assert "--prefix applies to --key" in done.stderr


def test_ctrl_c_before_the_daemon_has_answered_is_a_normal_end(tmp_path: Path) -> None:
    with Following(tmp_path, "watch", "--connect", "tcp://127.0.0.1:9", daemon=None) as command:
        wait_until(lambda: threads(command.process.pid) > 1, what="it to wait for the daemon")
        assert command.interrupt() == 0
    assert (command.lines, command.errors) == ([], "")
