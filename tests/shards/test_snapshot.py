"""Deltas between snapshots."""

from __future__ import annotations

import gc

import pytest

from tests.info_texts import select_implementation
from zinfo.shards.snapshot import Snapshot


@pytest.fixture(params=["native", "python"], autouse=True)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test with the native part and without it."""
    select_implementation(request.param, monkeypatch)


def after(previous: Snapshot | None, raw: bytes) -> Snapshot:
    """Return the next snapshot of the same shard."""
    return Snapshot(raw, previous.revision + 1 if previous else 1, 0.0, 0.0, previous)


@pytest.mark.parametrize(
    ("between", "changed", "gone"),
    [(b"x:1\r\nz:1\r\n", {"y": 3}, ["x"]), (b"y:1\r\ny:2\r\n", {"y": 3, "z": 1}, [])],
    ids=["another field", "a field twice"],
)
def test_a_delta_is_right_after_replies_that_were_never_parsed(
    between: bytes, changed: dict[str, int], gone: list[str]
) -> None:
    first = after(None, b"y:1\r\nz:1\r\n")
    second = after(first, b"y:2\r\nz:1\r\n")
    second.changes_from(first)
    third = after(second, between)
    fourth = after(third, b"y:3\r\nz:1\r\n")
    assert fourth.changes_from(third) == (changed, gone)


def test_the_text_of_a_field_that_a_client_library_gives_as_a_list_is_one_of_its_values() -> None:
    snapshot = Snapshot.from_fields({"role": ["slave", "master"], "run_id": []}, 1, 0.0, 0.0)
    assert snapshot.text(b"role") == "slave"
    assert snapshot.text(b"run_id") is None


def test_the_garbage_collector_does_not_visit_snapshots(request: pytest.FixtureRequest) -> None:
    if request.node.callspec.params["implementation"] == "python":
        pytest.skip("only the native part can have the collector ignore an object")
    snapshot = after(after(None, b"x:1\r\n"), b"x:2\r\n")
    assert snapshot.info.fields == {"x": 2}
    assert not gc.is_tracked(snapshot)
