"""What the results of a Fleet say of its daemons: which answered, and which slices are missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from zinfo.cli.app import FAILED
from zinfo.cli.output import note

if TYPE_CHECKING:
    from zinfo.client import Client, Fleet, MissingSlice


class Origin(NamedTuple):
    """The daemon that sent a reply.

    Attributes:
        node: its name.
        endpoint: its query endpoint.
    """

    node: str
    endpoint: str


def replies_of(client: Client | Fleet, result: object) -> list[tuple[Origin | None, Any]]:
    """Return the reply of each daemon with its origin; None for that of a single daemon.

    Args:
        client: sent the request.
        result: the reply, or of a Fleet a `FleetDict`.
    """
    from zinfo.client import Fleet, FleetDict

    if not isinstance(client, Fleet) or not isinstance(result, FleetDict):
        return [(None, result)]
    nodes = {member.endpoint: member.node for member in client.members}
    return [(Origin(nodes.get(one, ""), one), reply) for one, reply in result.items()]


def missing_of(result: object) -> tuple[MissingSlice, ...]:
    """Return what is missing in a result of a Fleet; nothing in one of a Client."""
    missing: tuple[MissingSlice, ...] = getattr(result, "missing", ())
    return missing


def fail_if_missing(missing: Iterable[MissingSlice]) -> None:
    """Print a line on stderr for each slice that is missing, and end the command with exit code 1.

    Does nothing if none is missing.
    """
    from zinfo.client.fleet_coverage import NO_REPLY

    slices = dict.fromkeys(missing)
    for one in slices:
        note(f"missing: {one}")
    if slices:
        _note_reasons([one.endpoint for one in slices if one.problem == NO_REPLY])
        click.get_current_context().exit(FAILED)


def _note_reasons(endpoints: Sequence[str]) -> None:
    """Print what is at endpoints that do not reply, as far as that can be found out."""
    from zinfo.cli.endpoint_probe import probe_all  # loads ssl
    from zinfo.cli.peer_kinds import START

    with_keys = bool(click.get_current_context().params.get("server_key"))
    for endpoint, found in probe_all(endpoints, with_keys=with_keys).items():
        advice = "" if found.advice == START else f"; {found.advice}"
        note(f"{endpoint}: {found.text}{advice}")
