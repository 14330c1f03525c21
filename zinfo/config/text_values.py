"""Converts the text of a variable or flag to the type of its key."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from zinfo.config.models import Config
from zinfo.config.section import Path, section_of

_TRUTH = dict.fromkeys(("true", "yes", "on", "1"), True)
_TRUTH |= dict.fromkeys(("false", "no", "off", "0"), False)


def _type_of(path: Path) -> object:
    """Return the type of a key outside of arrays of tables; None for an unknown key."""
    fields = Config.model_fields
    for name in path[:-1]:
        section = section_of(fields[str(name)]) if str(name) in fields else None
        fields = section.model_fields if section else {}
    info = fields.get(str(path[-1]))
    return info.annotation if info else None


def _alternatives(kind: object) -> Iterator[object]:
    """Yield a type, and those that it is made of: of `Annotated[int, ...] | None` also int."""
    yield kind
    if get_origin(kind) in (Union, UnionType, Annotated):
        for part in get_args(kind):
            yield from _alternatives(part)


def from_text(path: Path, text: str) -> object:
    """Convert `text` to the type of the key at `path`; return `text` if that is not possible."""
    kinds = set(_alternatives(_type_of(path)))
    if bool in kinds:
        return _TRUTH.get(text.lower(), text)
    for number in (int, float):
        if number in kinds:
            try:
                return number(text)
            except ValueError:
                return text
    origins = {getattr(one, "__origin__", one) for one in kinds}
    if tuple in origins:
        return text.split()
    if dict in origins:
        pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
        if all(equals for _, equals, _ in pairs):
            return {name.strip(): value.strip() for name, _, value in pairs}
    return text
