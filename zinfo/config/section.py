"""Section, the base class of the configuration's tables, and conflicts between their keys.

The type of a key limits its own value (`types`). A `Conflict` is a rule between keys that does not
hold. A configuration made in Python is checked for both at once. The loader checks conflicts after
it has merged all sources (`PARTIAL`), because a later source may resolve a conflict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator
from pydantic.fields import FieldInfo

if TYPE_CHECKING:
    from typing_extensions import Self

Path = tuple[str | int, ...]
"""Path of a key, such as `("shards", 2, "timeout")`."""

PARTIAL: Final[Mapping[str, bool]] = MappingProxyType({"partial": True})
"""Validation context of a single source: values are checked, conflicts are not."""


class Conflict(NamedTuple):
    """Two or more keys whose values cannot be combined.

    Attributes:
        keys: paths of the keys; the error is reported for the first.
        template: what is wrong, a format string where `{0}`, `{1}`, ... are the keys' names.
    """

    keys: tuple[Path, ...]
    template: str

    def under(self, *prefix: str | int) -> Conflict:
        """Return the same conflict with `prefix` before the paths."""
        return self._replace(keys=tuple((*prefix, *key) for key in self.keys))

    def __str__(self) -> str:
        """Return the error for a configuration made in Python."""
        names = [".".join(map(str, key)) for key in self.keys]
        return f"{names[0]}: {self.template.format(*names)}"


class Section(BaseModel):
    """A table of the configuration: frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def conflicts(self) -> Iterator[Conflict]:
        """Yield the conflicts between the keys of this section."""
        yield from ()

    @model_validator(mode="after")
    def _check_conflicts(self, info: ValidationInfo) -> Self:
        if info.context is not PARTIAL and (found := [str(one) for one in self.conflicts()]):
            raise ValueError("; ".join(found))
        return self


def section_of(info: FieldInfo) -> type[Section] | None:
    """Return the model of a field that is a table; None for a plain key, and for `[[shards]]`."""
    kind = info.annotation
    # On Python 3.10 tuple[...] is an instance of type, too, but issubclass() rejects it.
    return kind if isinstance(kind, type(Section)) and issubclass(kind, Section) else None
