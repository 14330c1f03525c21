"""The options --key, --prefix and --section, and what commands print if no field matches them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import click

from zinfo.cli.completion import SECTIONS, complete_fields, complete_sections
from zinfo.cli.unmatched import Unmatched, hint
from zinfo.errors import RequestError

if TYPE_CHECKING:
    from zinfo.client import Client, Fleet

_CHECKED = 5  # unknown names of sections that are looked for
_SAMPLE = 20  # shards whose fields are looked at


class Fields(NamedTuple):
    """A selection of fields, as for `get_infos`.

    Attributes:
        keys: names; empty for all.
        prefix: whether these are prefixes of names.
        sections: names of sections; empty for all.
    """

    keys: Collection[str] = ()
    prefix: bool = False
    sections: Collection[str] = ()

    @property
    def unknown_sections(self) -> list[str]:
        """Those of the sections whose names are not in `SECTIONS`; they may exist nevertheless."""
        return [one for one in dict.fromkeys(self.sections) if one.lower() not in SECTIONS]

    def without(self, fields: Iterable[str]) -> set[str]:
        """Return the keys that none of these fields matches."""
        if not self.prefix:
            return set(self.keys).difference(fields)
        names = list(fields)
        return {key for key in self.keys if not any(name.startswith(key) for name in names)}


class Selection(NamedTuple):
    """Fields of shards.

    Attributes:
        fields: the fields.
        shard_ids: ids of the shards; empty for all.
        labels: that the shards have; empty for any.
    """

    fields: Fields
    shard_ids: Collection[str] = ()
    labels: Mapping[str, str] = MappingProxyType({})


def unmatched_fields(
    client: Client | Fleet, selection: Selection, missing: Collection[str]
) -> list[Unmatched]:
    """Return why some fields were not found.

    Args:
        client: requests INFO of some shards.
        selection: what was requested.
        missing: those of its keys that matched nothing.
    """
    fields = selection.fields

    def names(sections: Collection[str]) -> set[str]:
        try:
            pages = client.iter_infos(
                list(selection.shard_ids)[:_SAMPLE],
                sections=sections,
                labels=selection.labels,
                allow_partial=True,
                limit=_SAMPLE,
            )
            found = ({name for entry in page for name in entry} - {"meta"} for page in pages)
            return next(filter(None, found), set())  # the first page of a Fleet may be empty
        except RequestError:
            return set()

    unmatched = [
        Unmatched(f"no shard has a section {section}", hint(section.lower(), SECTIONS))
        for section in fields.unknown_sections[:_CHECKED]
        if not names([section])
    ]
    if unmatched and fields.keys:
        return unmatched  # so that it is unknown which keys would match
    known = names(()) if missing else set()
    absent = fields.without(known)
    of = "no shard has a field that starts with" if fields.prefix else "no shard has a field"
    for key in (one for one in dict.fromkeys(fields.keys) if one in missing):
        if key not in absent:
            section = " or ".join(fields.sections)
            text = f"{key} is not in section {section}" if section else f"{of} {key}"
            why = "and --key and --section must both match" if section else ""
            unmatched.append(Unmatched(text, why))
            continue
        candidates = {name[: len(key)] for name in known} if fields.prefix else known
        unmatched.append(Unmatched(f"{of} {key}", hint(key, candidates, lists=False)))
    if not unmatched:
        unmatched.append(
            Unmatched(f"no shard has fields in section {' or '.join(fields.sections)}")
        )
    return unmatched


def field_options(*, with_sections: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options --key and --prefix; the command gets them as `fields`.

    Args:
        with_sections: whether to add --section, too.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @click.option(
            "--key",
            "keys",
            metavar="NAME",
            multiple=True,
            shell_complete=complete_fields,
            help="Only this field. Repeatable.",
        )
        @click.option("--prefix", is_flag=True, help="Each --key is a prefix of field names.")
        @wraps(function)
        def command(
            *args: object,
            keys: tuple[str, ...],
            prefix: bool,
            sections: tuple[str, ...] = (),
            **kwargs: object,
        ) -> None:
            if prefix and not keys:
                raise click.UsageError("--prefix applies to --key, which is missing")
            function(*args, fields=Fields(keys, prefix, sections), **kwargs)

        if not with_sections:
            return command
        return click.option(
            "--section",
            "sections",
            metavar="NAME",
            shell_complete=complete_sections,
            multiple=True,
            help="Only this section of INFO (memory, commandstats, ...). Repeatable. With --key, "
            "only fields that match one of the keys and are in one of the sections.",
        )(command)

    return decorate
