"""Old names of configuration keys, which are accepted for one minor version.

To rename a key, change it in `models` and add a line to `RENAMED`. File, environment and flags then
accept the old name as well, with a warning. A source that sets both names is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from zinfo.config.section import Path

Table: TypeAlias = "dict[str, object]"

ANY = "*"
"""Part of a path in `RENAMED` that matches the name of any table."""

RENAMED: Mapping[Path, str] = MappingProxyType(
    {
        ("poll", "backoff_max"): "max_backoff",
        ("poll", "grace"): "log_after_failures",
        ("query", "refresh_floor"): "min_refresh_interval",
        ("clients", ANY, "withheld"): "hidden_fields",
    }
)
"""Old path of each renamed key, and the new name of its last part. Version 0.3 drops them."""


class OldKey(NamedTuple):
    """A key that a source sets under its old name.

    Attributes:
        path: with the old name.
        new: path with the current name.
        table: the table that holds the key.
    """

    path: Path
    new: Path
    table: Table


def current_path(path: Path) -> Path:
    """Return the current path of a key; `path` itself unless the key was renamed."""
    new = RENAMED.get(path)
    return path if new is None else (*path[:-1], new)


def old_keys(tree: Table) -> Iterator[OldKey]:
    """Yield the keys in a source's tree that have an old name."""
    for (*parents, old), new in RENAMED.items():
        for path, table in _tables(tree, parents):
            if str(old) in table:
                yield OldKey((*path, old), (*path, new), table)


def _tables(tree: object, names: Sequence[str | int]) -> Iterator[tuple[Path, Table]]:
    """Yield the tables at a path that may contain `ANY`, each with its own path."""
    if not isinstance(tree, dict):
        return
    if not names:
        yield (), tree
        return
    for name in tree if names[0] == ANY else [names[0]]:
        for path, table in _tables(tree.get(name), names[1:]):
            yield (name, *path), table
