"""What is completed: commands and options by click, and names from the daemon."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from tests.cli.conftest import Fleet
from tests.cli.running import QUICK, zinfo
from tests.daemons import RunningDaemon
from tests.servers import free_port
from zinfo.cli import app, completion


@pytest.fixture(autouse=True)
def logs_again() -> Iterator[None]:
    """Undo what a completion does to the process, which otherwise ends after it."""
    yield
    logging.disable(logging.NOTSET)


def completed(daemon: RunningDaemon | None, *words: str) -> list[str]:
    """What is completed in place of the last word of a command line."""
    *before, incomplete = words
    if daemon is not None:
        before = [before[0], "--connect", daemon.query, *before[1:]]
    shell = ShellComplete(app.cli, {}, "zinfo", "_ZINFO_COMPLETE")
    return [item.value for item in shell.get_completions(before, incomplete)]


@pytest.mark.parametrize("command", ["get", "shards", "watch", "events"])
def test_ids_of_shards_are_completed(fleet: Fleet, command: str) -> None:
    ids = sorted((fleet.first.ident, fleet.second.ident, fleet.dead))
    assert completed(fleet.daemon, command, "") == ids
    assert completed(fleet.daemon, command, ids[0], ids[1]) == [ids[1]]
    assert completed(fleet.daemon, command, "nothing") == []


def test_values_of_options_are_completed(fleet: Fleet) -> None:
    ask = fleet.daemon
    assert completed(ask, "record", "x.zrec", "--shard", fleet.dead) == [fleet.dead]
    assert completed(ask, "get", "--key", "used_memory_r") == [
        *("used_memory_rss", "used_memory_rss_human")
    ]
    assert "used_memory" in completed(ask, "columns", "used_")
    assert completed(ask, "columns", "role", "--sort", "maxmemory_p") == ["maxmemory_policy"]
    assert completed(ask, "get", "--section", "Mem") == ["memory"]
    assert completed(ask, "get", "--state", "d") == ["down"]
    assert completed(ask, "sources", "accept", "") == ["static"]


@pytest.mark.parametrize("command", ["shards", "get", "columns", "events", "watch", "top"])
def test_labels_are_completed_name_by_name_and_then_value(fleet: Fleet, command: str) -> None:
    assert completed(fleet.daemon, command, "--label", "r") == ["role="]
    assert completed(fleet.daemon, command, "--label", "role=") == ["role=cache"]
    assert completed(fleet.daemon, command, "--label", "zone=") == []


def test_several_daemons_are_asked(fleet: Fleet) -> None:
    again = ["--connect", fleet.daemon.query.replace("127.0.0.1", "localhost")]
    assert completed(fleet.daemon, "get", *again, fleet.dead) == [fleet.dead]
    assert completed(fleet.daemon, "columns", *again, "used_memory_pe") == [
        *("used_memory_peak", "used_memory_peak_human", "used_memory_peak_perc")
    ]
    assert completed(fleet.daemon, "sources", *again, "accept", "st") == ["static"]


def test_without_a_daemon_nothing_is_completed_and_nothing_printed(tmp_path: Path) -> None:
    nowhere = f"tcp://127.0.0.1:{free_port()}"
    assert completed(None, "get", "--connect", nowhere, "") == []
    assert completed(None, "get", "--connect", "nonsense", "") == []
    assert completed(None, "get", "--server-key", f"{tmp_path}/none", "") == []
    done = zinfo(
        environ={
            "_ZINFO_COMPLETE": "bash_complete",
            "COMP_WORDS": f"zinfo get --connect {nowhere} x",
            "COMP_CWORD": "4",
        }
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_names_that_a_shell_could_execute_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = ["$(reboot)", "a`b`", "a;b", "a b", "a\nb", "a|b", "a&b", "~root", 'a"b', "é", ""]
    config = "".join(
        f'[[shards]]\nurl = "redis://127.0.0.1:1/"\nid = {one}\n'
        for one in ('"x;reboot"', '"x$(reboot)"', '"x-1:6379"')
    )
    with RunningDaemon(config_text=config, environ=QUICK) as daemon:
        assert completed(daemon, "get", "x") == ["x-1:6379"]
        monkeypatch.setattr(completion, "_MAX_ITEMS", 0)
        assert completed(daemon, "get", "x") == []
    assert [one for one in hostile if completion._SAFE.fullmatch(one)] == []
