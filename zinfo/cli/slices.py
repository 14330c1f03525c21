"""How many shards are in the slice of a configuration, for `zinfo check`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from zinfo.config import Config
from zinfo.config.slices import slice_of
from zinfo.errors import ConfigError
from zinfo.wire.slices import SliceSpec

if TYPE_CHECKING:
    from zinfo.daemon.read_once import Reading


class CheckedSlice(NamedTuple):
    """The slice of a configuration on this machine.

    Attributes:
        spec: the slice; None if the configuration has none, or its number is not known.
        problem: why the number is not known on this machine; "" if it is.
    """

    spec: SliceSpec | None
    problem: str = ""


def checked_slice(config: Config) -> CheckedSlice:
    """Return the slice of a configuration.

    A file may be for other machines, whose host names have the number: that this machine has none
    is no error.
    """
    try:
        return CheckedSlice(slice_of(config.slice))
    except ConfigError as error:
        return CheckedSlice(None, error.problems[0])


def slice_line(
    found: CheckedSlice, config: Config, readings: Iterable[Reading] | None = None
) -> str | None:
    """Return the last line of the check; None without a slice.

    Args:
        found: the slice.
        config: the configuration.
        readings: what its sources list; None if they were not asked.
    """
    if found.problem:
        return found.problem
    if found.spec is None:
        return None
    labels: dict[str, Mapping[str, str]] = {one.id: one.labels for one in config.shards}
    for reading in readings or ():
        for ident, target in reading.answer.targets.items() if reading.answer else ():
            labels.setdefault(ident, target.labels)  # the first source that lists it owns it
    mine = sum(found.spec.includes(ident, values) for ident, values in labels.items())
    only = " in [[shards]]" if readings is None and config.sources else ""
    return f"{found.spec}: {mine} of {len(labels)}{only}"
