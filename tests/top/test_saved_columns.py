"""The file with the sets of columns that a user has saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from zinfo.top.saved_columns import MAX_BYTES, default_path, load_saved, store_saved, with_set
from zinfo.views.column_sets import MAX_SETS, ColumnSet, ColumnSetError

SETS = [ColumnSet("my memory", ("id", "used_memory_rss")), ColumnSet("b", ("id", "ops~"))]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file of the user is."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "zinfo" / "top.toml"


def test_what_was_saved_is_read_and_nothing_else_is_left(path: Path) -> None:
    assert default_path() == path
    assert load_saved() == []
    store_saved(SETS)
    assert load_saved() == SETS
    store_saved(SETS[:1])
    assert load_saved() == SETS[:1]
    assert list(path.parent.iterdir()) == [path]


def test_a_relative_folder_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "here")
    assert default_path() == Path.home() / ".config" / "zinfo" / "top.toml"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[columns", "not valid TOML"),
        (b"\xff", "is not UTF-8"),
        (b"#" * (MAX_BYTES + 1), "is larger than 256 KB"),
        (b"[colums]\n", "colums is unknown"),
    ],
)
def test_a_file_that_is_invalid_is_a_line_that_names_it(
    path: Path, content: bytes, problem: str
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ColumnSetError) as raised:
        load_saved()
    (line,) = str(raised.value).splitlines()
    assert line.startswith(str(path))
    assert problem in line


def test_what_cannot_be_saved_leaves_the_former_sets(path: Path) -> None:
    store_saved(SETS)
    for sets in ([ColumnSet("default", ("id",))], SETS * MAX_SETS, [ColumnSet("a", ("a b",))]):
        with pytest.raises(ColumnSetError):
            store_saved(sets)
    assert load_saved() == SETS
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_an_error_in_a_line(path: Path) -> None:
    path.parent.write_text("")
    for call in (load_saved, lambda: store_saved(SETS)):
        with pytest.raises(ColumnSetError, match=r"cannot be (read|written)"):
            call()


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    real = tmp_path / "real.toml"
    real.write_text("")
    path.symlink_to(real)
    store_saved(SETS)
    assert path.is_symlink()
    assert "my memory" in real.read_text()


def test_a_set_replaces_the_one_of_its_name() -> None:
    new = ColumnSet("my memory", ("id",))
    assert with_set(SETS, new) == [new, SETS[1]]
    assert with_set([], new) == [new]
