"""The lines of `zinfo get --value`: values without names, for scripts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from zinfo.cli.output import emit, note, text_or_nothing, value_text
from zinfo.views.formatting import NOTHING

if TYPE_CHECKING:
    from zinfo.client.updates import Info


def echo_values(entries: Iterable[Info], keys: Collection[str], *, with_id: bool) -> None:
    """Print a line for each shard: its values, separated by tabs.

    Tabs and line ends within a value are escaped, so that each line has the same number of cells.

    Args:
        entries: of `get_infos`. The error of one is printed on stderr.
        keys: the fields, in the order of the cells.
        with_id: whether the id of the shard is the first cell.
    """
    names = list(dict.fromkeys(keys))
    for entry in entries:
        meta = entry["meta"]
        assert isinstance(meta, Mapping)
        if "error" in meta:
            note(str(meta["error"]))
        cells = [text_or_nothing(meta["shard_identifier"])] if with_id else []
        emit("\t".join([*cells, *(_text(entry.get(name)) for name in names)]))


def _text(value: object) -> str:
    """Return a value as INFO writes it; those of a repeated field are separated by spaces."""
    if value is None:
        return NOTHING
    return " ".join(map(value_text, value if isinstance(value, list) else [value]))
