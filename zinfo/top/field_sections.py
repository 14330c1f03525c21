"""Divides the fields of a shard's INFO among its sections. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

OTHER = "Other"
"""The section of fields whose section is unknown."""


def divided(
    fields: Iterable[str], sections: Mapping[str, Collection[str]]
) -> list[tuple[str, list[str]]]:
    """Return the fields of each section, without sections that have none.

    Args:
        fields: all fields of the INFO.
        sections: the fields that each section had when sections were read, in the server's order.
    """
    left = dict.fromkeys(fields)
    found = []
    for name, names in sections.items():
        here = [field for field in names if field in left]
        for field in here:
            del left[field]
        found.append((name, here))
    homes = {_family(field): here for _, here in found for field in here if _family(field)}
    for field in list(left):  # new since the sections were read
        if _family(field) in homes:
            homes[_family(field)].append(field)
            del left[field]
    if left:
        found.append((OTHER, list(left)))
    return [(name, here) for name, here in found if here]


def lacks_some(fields: Iterable[str], sections: Mapping[str, Collection[str]]) -> bool:
    """Return whether there are fields whose section is unknown; arguments as above."""
    known = {field for names in sections.values() for field in names}
    families = {_family(field) for field in known} - {""}
    return any(field not in known and _family(field) not in families for field in fields)


def _family(name: str) -> str:
    """Return the prefix shared by fields that are always in the same section; or ""."""
    if name[:2] == "db" and name[2:].isdigit():
        return "db"
    for prefix in ("cmdstat_", "errorstat_", "latency_percentiles_usec_"):
        if name.startswith(prefix):
            return prefix
    return ""
