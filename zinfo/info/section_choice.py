"""The sections of INFO that are requested: the user's choice, validated and in a fixed order. Pure.

A choice is a tuple of names: one of `GROUPS` alone, or sections.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

GROUPS: Final = ("everything", "all", "default")
"""Names of groups of sections, the largest first; one of them is a whole choice."""

EVERYTHING: Final = ("everything",)
"""The default choice."""

REQUIRED: Final = ("server", "persistence", "stats", "replication")
"""Sections that are always requested: states, lifecycle events and intervals come from run_id,
uptime and version (`server`), loading (`persistence`), instantaneous_ops_per_sec (`stats`), and
role (`replication`)."""

MAX_SECTIONS: Final = 32
"""Maximum number of sections of a choice."""

MAX_NAME_LENGTH: Final = 64
"""Maximum number of characters of a section's name."""

# The order in which Redis and Valkey return the sections, whatever the order of the request. Those
# of modules come last.
_ORDER: Final = (
    *("server", "clients", "memory", "persistence", "threads", "stats", "replication", "cpu"),
    *("module_list", "modules", "commandstats", "errorstats", "latencystats", "cluster"),
    *("keyspace", "keysizes"),
)
_NAME: Final = re.compile(rf"[!-~]{{1,{MAX_NAME_LENGTH}}}")  # printable ASCII without blanks


def parse_choice(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return a choice in its one form: lower case, no name twice.

    Args:
        names: a group, or names of sections.

    Raises:
        ValueError: a name is not valid, there are none or too many, or a group has company.
    """
    given = [names] if isinstance(names, str) else list(names)
    for name in given:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(
                f"a section's name has 1 to {MAX_NAME_LENGTH} characters of ASCII without blanks"
            )
    choice = tuple(dict.fromkeys(name.lower() for name in given))
    if not choice:
        raise ValueError("there is no section in it")
    if len(choice) > MAX_SECTIONS:
        raise ValueError(f"there are more than {MAX_SECTIONS} sections in it")
    for group in GROUPS:
        if group in choice and len(choice) > 1:
            raise ValueError(f"{group} is a group of sections, and cannot be combined")
    return choice


def sections_of(choice: tuple[str, ...]) -> tuple[str, ...]:
    """Return all sections to request for a choice of sections, in the order of a reply."""
    wanted = dict.fromkeys((*REQUIRED, *choice))
    known = [name for name in _ORDER if name in wanted]
    return (*known, *(name for name in choice if name not in _ORDER))


def join_sections(replies: Iterable[bytes]) -> bytes:
    """Return the replies to INFO of one section each as one INFO of all of them returns them.

    Args:
        replies: in the order of `sections_of`; empty ones are left out.
    """
    parts = [reply if reply.endswith(b"\n") else reply + b"\r\n" for reply in replies if reply]
    return b"\r\n".join(parts)
