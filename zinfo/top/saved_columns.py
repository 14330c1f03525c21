"""Reads and writes the file with the sets of columns that a user has saved.

It is `zinfo/top.toml` below `$XDG_CONFIG_HOME`, by default `~/.config`.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from zinfo.views.column_sets import ColumnSet, ColumnSetError, dump_column_sets, load_column_sets

MAX_BYTES = 256 * 1024
"""Maximum size of the file."""


def default_path() -> Path:
    """Return where the file is, whether it exists or not."""
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    # A relative path is to be ignored, says the XDG Base Directory Specification.
    folder = base if base.is_absolute() else Path.home() / ".config"
    return folder / "zinfo" / "top.toml"


def load_saved(path: Path | None = None) -> list[ColumnSet]:
    """Return the saved sets; none where the file does not exist.

    Args:
        path: of the file; None for the default.

    Raises:
        ColumnSetError: the file cannot be read, or is invalid; the message is one line.
    """
    try:
        path = path or default_path()
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return []
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        raise ColumnSetError(_problem("read", path, error)) from None
    if len(raw) > MAX_BYTES:
        raise ColumnSetError(f"{path} is larger than {MAX_BYTES // 1024} KB")
    try:
        return load_column_sets(raw.decode())
    except UnicodeDecodeError:
        raise ColumnSetError(f"{path} is not UTF-8") from None
    except ColumnSetError as error:
        raise ColumnSetError(f"{path}: {error}") from None


def store_saved(sets: Sequence[ColumnSet], path: Path | None = None) -> None:
    """Replace the saved sets: a reader finds either all former or all new ones.

    Args:
        sets: all sets, in their order.
        path: of the file; None for the default.

    Raises:
        ColumnSetError: a set is invalid, or the file cannot be written; the message is one line.
    """
    text = dump_column_sets(sets)
    if len(text.encode()) > MAX_BYTES:
        raise ColumnSetError("the sets are too large to be saved: delete one first")
    try:
        path = path or default_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        path = path.resolve()  # a link, to a file in a repository for example, stays a link
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", prefix=f".{path.name}.", dir=path.parent, delete=False
        ) as file:
            new = Path(file.name)
            try:
                file.write(text)
                file.flush()
                new.replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    new.unlink()
                raise
    except (OSError, RuntimeError) as error:
        raise ColumnSetError(_problem("written", path, error)) from None


def with_set(sets: Sequence[ColumnSet], new: ColumnSet) -> list[ColumnSet]:
    """Return sets with a new one, in the place of one with the same name, or at the end."""
    if any(one.name == new.name for one in sets):
        return [new if one.name == new.name else one for one in sets]
    return [*sets, new]


def _problem(done: str, path: Path | None, error: Exception) -> str:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{path or 'the file with saved columns'} cannot be {done}: {why}"
