"""Shards, labels and fields that do not exist: each command says so, and what is similar."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Fleet
from tests.cli.running import Following, invoke
from tests.waiting import wait_until

TYPO = "shard 172.0.0.1:PORT not found"
MEANT = "did you mean FIRST?"
NO_VALUE = "no shard has the label role=cahce"
MEANT_VALUE = "did you mean role=cache?"
NO_FIELD = "no shard has a field used_memroy"
MEANT_FIELD = "did you mean used_memory?"
NO_PREFIX = "no shard has a field that starts with usde"
MEANT_PREFIX = "did you mean used?"
NO_SECTION = "no shard has a section memroy"
MEANT_SECTION = "did you mean memory?"
BOTH = "and --key and --section must both match"

ONE_SHOT = [
    ("shards --label role=cahce", NO_VALUE, MEANT_VALUE),
    ("shards --label role=none", "no shard has the label role=none", "known are: role=cache"),
    ("shards --label rol=cache", "no shard has a label rol", "did you mean role?"),
    ("shards --label zone=a", "no shard has a label zone", "known are: role"),
    ("shards FIRST --label role=cache", "none of these shards has a label role", ""),
    ("shards FIRST nowhere:1", "shard nowhere:1 not found", ""),
    ("shards 172.0.0.1:PORT", TYPO, MEANT),
    ("shards PORT", "shard PORT not found", MEANT),
    ("get --label role=cahce", NO_VALUE, MEANT_VALUE),
    ("get FIRST --label role=cache", "none of these shards has a label role", ""),
    ("get 172.0.0.1:PORT", TYPO, MEANT),
    ("get --key used_memroy", NO_FIELD, MEANT_FIELD),
    ("get --key used_memroy --json", NO_FIELD, MEANT_FIELD),
    ("get FIRST --key used_memroy --value", NO_FIELD, MEANT_FIELD),
    ("get --key usde --prefix", NO_PREFIX, MEANT_PREFIX),
    ("get --section memroy", NO_SECTION, MEANT_SECTION),
    ("get --section memroy --key hz", NO_SECTION, MEANT_SECTION),
    ("get --section memory --key role", "role is not in section memory", BOTH),
    ("columns used_memroy", NO_FIELD, MEANT_FIELD),
    ("columns hz --label role=cahce", NO_VALUE, MEANT_VALUE),
    ("events --label role=cahce", NO_VALUE, MEANT_VALUE),
    ("events FIRST --label role=cache", "none of these shards has a label role", ""),
    ("events 172.0.0.1:PORT", TYPO, MEANT),
    ("record FILE --label role=cahce", NO_VALUE, MEANT_VALUE),
    ("record FILE --shard nowhere:1 --label role=cache", "shard nowhere:1 not found", ""),
]
"""Command lines that end, and their errors: what is wrong, and a hint."""

PARTLY = [
    ("get --key hz --key used_memroy", f"{NO_FIELD}, {MEANT_FIELD}"),
    ("get --section server --section memroy", f"{NO_SECTION}, {MEANT_SECTION}"),
    ("columns hz used_memroy", f"{NO_FIELD}, {MEANT_FIELD}"),
]
"""Command lines of which a part matches something, and what they print on stderr."""

FOLLOWING = [
    ("watch 172.0.0.1:PORT", TYPO, MEANT),
    ("watch --key used_memroy", NO_FIELD, MEANT_FIELD),
    ("watch --key usde --prefix --label role=cahce", NO_VALUE, MEANT_VALUE),
    ("events --follow --label role=cahce", NO_VALUE, MEANT_VALUE),
    ("events --follow 172.0.0.1:PORT", TYPO, MEANT),
    ("record FILE --shard 172.0.0.1:PORT", TYPO, MEANT),
    ("top --web 127.0.0.1:0 --label role=cahce", NO_VALUE, MEANT_VALUE),
]
"""Command lines that go on, what they wait for, and a hint."""


def filled(fleet: Fleet, text: str, folder: Path) -> str:
    """Return a text with the values of this run."""
    port = fleet.first.ident.rpartition(":")[2]
    file = str(folder / "x.zrec")
    return text.replace("FIRST", fleet.first.ident).replace("PORT", port).replace("FILE", file)


@pytest.mark.parametrize(("line", "what", "hint"), ONE_SHOT)
def test_a_command_ends_with_1_and_one_line_if_nothing_matches(
    fleet: Fleet, tmp_path: Path, line: str, what: str, hint: str
) -> None:
    done = invoke(*filled(fleet, line, tmp_path).split(), daemon=fleet.daemon)
    expected = f"Error: {what}, {hint}\n" if hint else f"Error: {what}\n"
    assert (done.exit_code, done.stderr) == (1, filled(fleet, expected, tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("line", "expected"), PARTLY)
def test_a_part_that_matches_nothing_is_reported_beside_the_rest(
    fleet: Fleet, line: str, expected: str
) -> None:
    done = invoke(*line.split(), daemon=fleet.daemon)
    assert (done.exit_code, done.stderr.splitlines()[0]) == (0, expected)
    assert "hz" in done.stdout


@pytest.mark.parametrize(("line", "what", "hint"), FOLLOWING)
def test_a_command_that_goes_on_says_what_it_waits_for(
    fleet: Fleet, tmp_path: Path, line: str, what: str, hint: str
) -> None:
    expected = filled(fleet, f"{what}; waiting for it ({hint})", tmp_path)
    arguments = filled(fleet, line, tmp_path).split()
    with Following(tmp_path, *arguments, daemon=fleet.daemon) as command:
        wait_until(lambda: expected in command.errors.splitlines(), what=expected)
        command.process.kill()
        command.process.wait()


def test_many_unknown_shards_are_one_line(fleet: Fleet) -> None:
    done = invoke("get", *(f"no-{number}" for number in range(7)), daemon=fleet.daemon)
    assert done.exit_code == 1
    assert done.stderr == (
        f"Error: {'; '.join(f'shard no-{number} not found' for number in range(5))} and 2 more\n"
    )


def test_events_of_a_shard_that_was_removed_are_no_error(fleet: Fleet) -> None:
    def is_live() -> bool:
        return "gone" in invoke("shards", daemon=fleet.daemon).stdout

    config = fleet.daemon.config_path
    before = config.read_text()
    config.write_text(before + '\n[[shards]]\nurl = "redis://127.0.0.1:1"\nid = "gone"\n')
    fleet.daemon.signal(signal.SIGHUP)
    wait_until(is_live, what="the shard to be added")
    config.write_text(before)
    fleet.daemon.signal(signal.SIGHUP)
    wait_until(lambda: not is_live(), what="the shard to be removed")
    done = invoke("events", "gone", daemon=fleet.daemon)
    assert (done.exit_code, done.stderr) == (0, "")
    assert " gone #" in done.stdout
    done = invoke("get", "gone", daemon=fleet.daemon)
    assert (done.exit_code, done.stderr) == (1, "Error: shard gone not found\n")
