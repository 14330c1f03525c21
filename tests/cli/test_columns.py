"""`zinfo columns`: some fields of all shards as a table, JSON lines or CSV."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import pytest

from tests.cli.conftest import Fleet
from tests.cli.running import invoke
from tests.client.column_pages import page_of
from tests.daemons import RunningDaemon
from zinfo.cli.client_options import Daemon
from zinfo.client.columns import Columns, columns_of
from zinfo.wire.column_pages import page_from_body


def test_a_table_has_all_shards_with_state_age_and_fields(fleet: Fleet) -> None:
    done = invoke("columns", "tcp_port", "role", daemon=fleet.daemon)
    assert (done.exit_code, done.stderr) == (0, "")
    heading, *lines = done.stdout.splitlines()
    assert heading.split() == ["SHARD", "STATE", "AGE", "tcp_port", "role"]
    cells = {line.split()[0]: line.split() for line in lines}
    assert list(cells) == sorted((fleet.first.ident, fleet.second.ident, fleet.dead))
    assert cells[fleet.first.ident][-2:] == [str(fleet.first.port), "master"]
    assert cells[fleet.dead][1:] == ["down", "-", "-", "-"]


def test_labels_select_shards(fleet: Fleet) -> None:
    done = invoke("columns", "role", "--label", "role=cache", "--json", daemon=fleet.daemon)
    (entry,) = map(json.loads, done.stdout.splitlines())
    meta = entry.pop("meta")
    assert entry == {"role": "master"}
    assert 0 <= meta.pop("info_age") < 60
    ident = fleet.second.ident
    assert meta == {"shard_identifier": ident, "id": ident, "state": "up"}


def test_a_shard_without_info_has_null_in_json_and_empty_cells_in_csv(fleet: Fleet) -> None:
    done = invoke("columns", "role", "--json", daemon=fleet.daemon)
    dead = [json.loads(line) for line in done.stdout.splitlines() if fleet.dead in line]
    named = {"shard_identifier": fleet.dead, "id": fleet.dead}
    meta = {**named, "info_age": None, "state": "down"}
    assert dead == [{"role": None, "meta": meta}]
    done = invoke("columns", "role", "--csv", daemon=fleet.daemon)
    heading, *rows = csv.reader(done.stdout.splitlines())
    assert heading == ["shard", "state", "age", "role"]
    assert [fleet.dead, "down", "", ""] in rows
    assert len(rows) == 3


def test_a_field_that_no_shard_has_is_named(fleet: Fleet) -> None:
    done = invoke("columns", "used_memroy", "role", daemon=fleet.daemon)
    assert done.stderr == "no shard has a field used_memroy, did you mean used_memory?\n"
    done = invoke("columns", "role", "--label", "role=none", daemon=fleet.daemon)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: no shard has the label role=none, known are: role=cache\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "Missing argument 'FIELD...'"),
        (("role", "--sort", "hz"), "--sort needs one of the fields: role"),
        (("role", "--csv", "--json"), "--csv and --json cannot be combined"),
    ],
)
def test_wrong_usage_is_explained(arguments: tuple[str, ...], problem: str) -> None:
    done = invoke("columns", *arguments)
    assert done.exit_code == 2
    assert problem in done.stderr


MADE: dict[str, list[object]] = {
    "n": [5, None, 40, -3],
    "text": ["=1+1", "a,b", None, "\x1b[2J"],
    "db0": [{"keys": 1, "expires": 0}, None, None, None],
    "ratio": [1.5, 2, None, None],
}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Columns:
    """Columns that no server has at will; the command gets them instead of a daemon's."""
    body = page_of(MADE, ids=list("abcd"), ages=[0.25, 1, 2, 300.5], states=["up"] * 4)
    found = columns_of(list(MADE), [page_from_body(body, len(MADE))], None)
    client = SimpleNamespace(get_columns=lambda fields, labels: found)

    class Manager:
        def __enter__(self) -> SimpleNamespace:
            return client

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(Daemon, "client", lambda self: Manager())
    return found


def first_cells(text: str) -> list[str]:
    """Return the first cell of each line but the heading."""
    return [line.split()[0] for line in text.splitlines()[1:]]


def test_sort_orders_by_a_field_and_shards_without_it_are_last(made: Columns) -> None:
    assert first_cells(invoke("columns", *MADE).stdout) == ["a", "b", "c", "d"]
    assert first_cells(invoke("columns", *MADE, "--sort", "n").stdout) == ["d", "a", "c", "b"]
    assert first_cells(invoke("columns", *MADE, "--sort", "-n").stdout) == ["c", "a", "d", "b"]
    assert first_cells(invoke("columns", *MADE, "--sort=text").stdout)[-1] == "c"


def test_numbers_are_aligned_at_the_right_and_text_is_safe_to_print(made: Columns) -> None:
    heading, first, *_, last = invoke("columns", *MADE).stdout.splitlines()
    assert heading.split() == ["SHARD", "STATE", "AGE", *MADE]
    assert first.split() == ["a", "up", "0.2", "s", "5", "=1+1", "keys=1,expires=0", "1.5"]
    at = heading.index("n  ")
    assert (first[at], last[at - 1 : at + 1]) == ("5", "-3")
    assert r"\x1b[2J" in last


def test_csv_has_exact_numbers_and_no_formulas(made: Columns) -> None:
    heading, *rows = csv.reader(invoke("columns", *MADE, "--csv").stdout.splitlines())
    assert heading == ["shard", "state", "age", *MADE]
    assert rows[0] == ["a", "up", "0.25", "5", "'=1+1", "keys=1,expires=0", "1.5"]
    assert rows[1][3:] == ["", "a,b", "", "2.0"]
    assert rows[3][2:5] == ["300.5", "-3", r"\x1b[2J"]


def test_without_shards_the_reason_is_printed() -> None:
    with RunningDaemon(config_text="[local]\nenabled = false\n") as daemon:
        done = invoke("columns", "role", daemon=daemon)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "the daemon polls no shards\n"
