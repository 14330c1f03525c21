"""The error of a command that gets no answer: what is at the endpoints instead of a daemon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zinfo.cli.endpoint_probe import probe_all
from zinfo.cli.peer_kinds import BUS, EITHER, QUERY, START, Finding
from zinfo.errors import NoAnswerError, ZinfoError

if TYPE_CHECKING:
    from zinfo.wire.curve_keys import ClientKeys

_SHOWN = 3  # endpoints in one line
_HELLO_SECONDS = 0.5  # a daemon that is not overloaded replies within milliseconds
_UNKNOWN = Finding("no reply", START)


def no_answer(endpoints: Sequence[str], keys: ClientKeys | None) -> NoAnswerError:
    """Return the error to print, after a look at the endpoints; blocks for some seconds at most.

    Args:
        endpoints: those of the daemons, as the user gave them.
        keys: CURVE keys of the client; None for none.
    """
    found = probe_all(endpoints, with_keys=keys is not None)
    if len(endpoints) == 1 and found.get(endpoints[0], _UNKNOWN).role in (QUERY, EITHER):
        about_bus = _why_no_bus(endpoints[0], keys)
        if about_bus:
            return NoAnswerError(about_bus)
    shown = {one: found.get(one, _UNKNOWN) for one in endpoints[:_SHOWN]}
    parts = [f"{endpoint}: {one.text}" for endpoint, one in shown.items()]
    if len(endpoints) > _SHOWN:
        parts.append(f"and {len(endpoints) - _SHOWN} more")
    advice = dict.fromkeys(one.advice for one in shown.values())
    return NoAnswerError(f"nothing answers at {'; '.join([*parts, *advice])}")


def _why_no_bus(endpoint: str, keys: ClientKeys | None) -> str:
    """Return the error if the query endpoint replies after all, so that it was the bus; else "".

    The bus of a daemon has another address, which the daemon sends to its clients.
    """
    from zinfo.client import Client
    from zinfo.client.endpoints import reachable

    try:
        with Client(endpoint, timeout=_HELLO_SECONDS, keys=keys) as client:
            addresses = client.hello().get("bus")
    except ZinfoError:
        return ""
    if not isinstance(addresses, list) or not addresses:
        return f"{endpoint} replies to queries, but has no bus for this client"
    bus = reachable(str(addresses[0]), endpoint)
    found = probe_all([bus], with_keys=keys is not None).get(bus, _UNKNOWN)
    if found.role in (BUS, EITHER):
        return f"{endpoint} replies, but too late, or not all of it: try a longer --timeout"
    return (
        f"{endpoint} replies to queries, but its bus at {bus} does not answer: {found.text}; "
        "bus.advertise in the daemon's configuration is its address for clients"
    )
