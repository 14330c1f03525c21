"""Completes names in a filter. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from zinfo.views.quantities import QUANTITIES

_TEXTS = ("state", "role", "version", "link", "reason")
"""Columns of texts, which are completed with a `=`."""


def common_prefix(words: Sequence[str]) -> str:
    """Return the longest text that all words begin with."""
    if not words:
        return ""
    first, last = min(words), max(words)
    same = next((at for at, one in enumerate(first) if last[at : at + 1] != one), len(first))
    return first[:same]


def completions(
    word: str, fields: Collection[str], values: Mapping[str, Collection[str]]
) -> list[str]:
    """Return what the last word of a filter may become, sorted.

    Args:
        word: as typed so far, without a `!` before it.
        fields: names of fields of INFO.
        values: the known values of labels, by `label:NAME`, and of columns of texts, by name.
    """
    name, equals, _ = word.partition("=")
    if equals:
        found = values.get(name) or values.get(f"label:{name}") or ()
        candidates = [f"{name}={_quoted(value)}" for value in found]
    else:
        candidates = list(_names(fields, values))
    wanted = word.casefold()
    return sorted({one for one in candidates if one.casefold().startswith(wanted)})


def _names(fields: Collection[str], values: Mapping[str, Collection[str]]) -> Iterator[str]:
    for name in QUANTITIES:
        yield f"{name}=" if name in _TEXTS else name
    for name in values:
        yield f"{name}="
        if name.startswith("label:"):
            yield f"{name.removeprefix('label:')}="
    yield from fields


def _quoted(value: str) -> str:
    return f'"{value}"' if any(one.isspace() for one in value) else value
