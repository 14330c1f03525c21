"""Selects the fields of a parsed reply by section. Pure."""

from __future__ import annotations

from collections.abc import Collection, Container
from itertools import chain

from zinfo.info.parser import ALWAYS_LISTS, Info, Value


def section_fields(info: Info, wanted: Collection[str]) -> list[str]:
    """Return the names of the fields in some sections.

    Args:
        info: A parsed reply.
        wanted: Section names in any case. `replication` includes `Replication(MASTER)`.

    Returns:
        The fields' names, in the reply's order, each once.
    """
    chosen = _chosen_sections(info, wanted)
    return list(dict.fromkeys(chain.from_iterable(map(info.sections.__getitem__, chosen))))


def select_sections(info: Info, wanted: Collection[str]) -> dict[str, Value]:
    """Return the fields in some sections.

    Args:
        info: A parsed reply.
        wanted: Section names as for `section_fields`.

    Returns:
        The fields, in the reply's order. Of a field that is repeated in several sections, only the
        values in the wanted ones; a single one is not in a list, except for `module`.
    """
    fields = {name: info.fields[name] for name in section_fields(info, wanted)}
    if info.repeated:
        chosen = frozenset(_chosen_sections(info, wanted))
        for name in fields.keys() & info.repeated.keys():
            fields[name] = _values_in(info, name, chosen)
    return fields


def _chosen_sections(info: Info, wanted: Collection[str]) -> list[str]:
    titles = {name.lower() for name in wanted}
    return [
        section
        for section in info.sections
        if (title := section.lower()) in titles or title.partition("(")[0] in titles
    ]


def _values_in(info: Info, name: str, chosen: Container[str]) -> Value:
    """Return the values that a repeated field has in some sections."""
    items = info.fields[name]
    assert isinstance(items, list)
    found = [
        item for item, section in zip(items, info.repeated[name], strict=True) if section in chosen
    ]
    return found[0] if len(found) == 1 and name not in ALWAYS_LISTS else found
