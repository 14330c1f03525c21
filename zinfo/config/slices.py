"""The `[slice]` section: which part of all shards this daemon polls."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

import zinfo.config.types as kinds
from zinfo.config.section import Conflict, Section
from zinfo.errors import ConfigError
from zinfo.wire.slices import BY_ID, MAX_COPIES, MAX_SLICES, SliceSpec

_NUMBER = re.compile(r"(?<![0-9])[0-9]{1,9}\Z")  # more digits are no number of a slice
_MAX_NUMBER = 10**9
_MAX_NAME = 255  # characters of a text with a number at its end, as of a host name


def number_at_end(name: str) -> int | None:
    """Return the number at the end of a name; None if it does not end in one."""
    found = _NUMBER.search(name)
    return int(found[0]) if found else None


def _number(value: object) -> int:
    if isinstance(value, str):
        number = number_at_end(value) if len(value) <= _MAX_NAME else None
        if number is None:
            raise ValueError("it does not end in a number")
        return number
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MAX_NUMBER:
        raise ValueError("it is not a number of a slice")
    return value


def _label(name: str) -> str:
    if name.startswith("__"):
        raise ValueError("shards have no labels whose names begin with __")
    return name


SliceNumber = Annotated[
    int | str,
    BeforeValidator(_number),
    kinds.Expected('a whole number from 0, or a text that ends in one, as in "zinfo-1"'),
]
SliceCount = Annotated[
    int,
    Field(strict=True, ge=1, le=MAX_SLICES),
    kinds.Expected(f"a whole number from 1 to {MAX_SLICES}", "slices"),
]
SliceCopies = Annotated[
    int,
    Field(strict=True, ge=1, le=MAX_COPIES),
    kinds.Expected(f"a whole number from 1 to {MAX_COPIES}", "slices"),
]
SliceKey = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=128),
    AfterValidator(kinds.printable),
    AfterValidator(_label),
    kinds.Expected('"id" or the name of a label, as in "cluster"'),
]


class SliceConfig(Section):
    """The `[slice]` section. Without `count` the daemon polls all shards."""

    number: SliceNumber | None = None
    count: SliceCount | None = None
    copies: SliceCopies = 1
    by: SliceKey = BY_ID

    def conflicts(self) -> Iterator[Conflict]:
        """Yield keys without `count`, and numbers that are too large for it."""
        if self.count is None:
            for key in sorted(self.model_fields_set - {"count"}):
                yield Conflict(((key,),), "found without slice.count, the number of slices")
            return
        if isinstance(self.number, int) and self.number >= self.count:
            text = f"found {self.number}, expected 0 to {self.count - 1}: {{1}} is {self.count}"
            yield Conflict((("number",), ("count",)), text)
        if self.copies > self.count:
            text = f"found {self.copies}, expected at most {{1}}, which is {self.count}"
            yield Conflict((("copies",), ("count",)), text)


def slice_of(section: SliceConfig, host: str | None = None) -> SliceSpec | None:
    """Return the slice of a daemon; None if it polls all shards.

    Args:
        section: the section.
        host: name of this machine, whose digits at the end are the number if the section has none;
            what follows a dot does not count. None to ask the system.

    Raises:
        ConfigError: the section has no number, and that of the machine cannot be used.
    """
    if section.count is None:
        return None
    number = section.number
    if number is None:
        number = _number_of_host(socket.gethostname() if host is None else host, section.count)
    assert isinstance(number, int)  # the validator makes a number of a text
    return SliceSpec(number, section.count, section.copies, section.by)


def _number_of_host(host: str, count: int) -> int:
    name = host.partition(".")[0]
    number = number_at_end(name)
    expected = (
        f"expected number = 0 to {count - 1} in [slice], or ZINFO_SLICE_NUMBER in the environment"
    )
    if number is None:
        found = f"the host name {name!r} does not end in a number"
        raise ConfigError([f"slice.number: missing, and {found}: {expected}"])
    if number >= count:
        found = f"the host name {name!r} ends in {number}"
        raise ConfigError([f"slice.number: missing, and {found}: {expected}"])
    return number
