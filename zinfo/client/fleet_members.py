"""The daemons of a Fleet: where they are, and which slice each of them polls.

What both flavours of the Fleet share; each of them sends `hello` and looks names up in its own way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Generic, NamedTuple, TypeVar

from zinfo.client.fleet_coverage import NO_REPLY, MemberReport
from zinfo.client.fleet_endpoints import DnsName, given
from zinfo.client.requests import Map
from zinfo.wire.slices import SliceSpec, slice_from_map

_NOT_ASKED = "not asked yet"
_NO_ADDRESS = "the name has no address yet"

Client = TypeVar("Client")


class FleetMember(NamedTuple):
    """One daemon of a Fleet, as far as it is known.

    Attributes:
        endpoint: its query endpoint; `dns+tcp://...` for a name that has no address yet.
        node: its name; "" before its first answer.
        slice: the slice that it polls; None where it has none, or before its first answer.
        problem: why there is no answer from it; "" if nothing is wrong.
    """

    endpoint: str
    node: str
    slice: SliceSpec | None
    problem: str


class Member(Generic[Client]):
    """One daemon and the client for requests to it.

    Args:
        endpoint: its query endpoint.
        client: sends requests to it.

    Attributes:
        endpoint: the same.
        client: the same.
        node: name of the daemon; "" before its first answer.
        epoch: of the daemon when `slice` was learned; None before its first answer.
        slice: the slice that it polls, or None.
        waiting: number of its sources of shards that it had not read at its last answer.
        problem: why there is no answer from it; "" if nothing is wrong.
        gone: whether it is no longer part of the fleet, so that the client is or will be closed.
        lock: held by the thread that uses the client, where there are threads.
        late: calls whose result is no longer waited for.
    """

    def __init__(self, endpoint: str, client: Client) -> None:
        self.endpoint = endpoint
        self.client = client
        self.node = ""
        self.epoch: int | None = None
        self.slice: SliceSpec | None = None
        self.waiting = 0
        self.problem = _NOT_ASKED
        self.gone = False
        self.lock = threading.Lock()
        self.late: set[object] = set()

    @property
    def known(self) -> bool:
        """Whether it answered at least once."""
        return self.epoch is not None

    def on_hello(self, body: Map) -> None:
        """Take over the reply to `hello`."""
        epoch, waiting = body.get("epoch"), body.get("waiting")
        self.node, self.slice = str(body.get("node", "")), slice_from_map(body.get("slice"))
        self.epoch = epoch if isinstance(epoch, int) else 0
        self.waiting = waiting if isinstance(waiting, int) else 0
        self.problem = ""

    def on_error(self, error: Exception) -> None:
        """Note that there was no answer, and why."""
        self.problem = NO_REPLY if isinstance(error, TimeoutError) else str(error) or NO_REPLY

    def public(self) -> FleetMember:
        """Return what is known of it."""
        return FleetMember(self.endpoint, self.node, self.slice, self.problem)

    def report(self, *, answers: bool, problem: str = "") -> MemberReport:
        """Return its part in the coverage of the fleet.

        Args:
            answers: whether all of its shards are known.
            problem: why they are not.
        """
        return MemberReport(self.endpoint, self.slice, self.known, answers, problem)


class FleetMembers(Generic[Client]):
    """The daemons of a Fleet, in the order of the endpoints. Safe from any thread.

    Args:
        endpoints: one endpoint or several; `dns+tcp://NAME:PORT` stands for all addresses of a
            name.
        client: returns the client for an endpoint.

    Raises:
        ConfigError: an endpoint is invalid.
    """

    def __init__(self, endpoints: str | Collection[str], client: Callable[[str], Client]) -> None:
        self._given = given(endpoints)
        self._client = client
        self._lock = threading.Lock()
        self._addresses: dict[DnsName, tuple[str, ...]] = {}
        self._problems: dict[DnsName, str] = dict.fromkeys(self._given.names, _NO_ADDRESS)
        self._members: dict[str, Member[Client]] = {}
        self._update()

    @property
    def names(self) -> tuple[DnsName, ...]:
        """The names to be looked up."""
        return self._given.names

    @property
    def unresolved(self) -> dict[DnsName, str]:
        """The names that have no address so far, and why."""
        with self._lock:
            return {name: why for name, why in self._problems.items() if why}

    def current(self) -> list[Member[Client]]:
        """Return the daemons."""
        with self._lock:
            return list(self._members.values())

    def public(self) -> tuple[FleetMember, ...]:
        """Return the daemons, and the names that have no address so far."""
        names = [FleetMember(str(name), "", None, why) for name, why in self.unresolved.items()]
        return (*(member.public() for member in self.current()), *names)

    def reports_of_names(self) -> list[MemberReport]:
        """Return the part of the names without an address in the coverage of the fleet."""
        found = self.unresolved.items()
        return [MemberReport(str(name), None, False, False, why) for name, why in found]

    def on_addresses(
        self,
        name: DnsName,
        endpoints: Collection[str],
        answers: Callable[[Member[Client]], bool] = lambda member: not member.problem,
    ) -> list[Member[Client]]:
        """Take over the addresses of a name.

        A daemon that still answers stays though its address is gone, as some name servers return a
        part of a long list.

        Args:
            name: the name.
            endpoints: at its addresses.
            answers: whether a daemon still answers.

        Returns:
            The daemons that are no longer part of the fleet; the caller closes their clients.
        """
        answering = {member.endpoint for member in self.current() if answers(member)}
        with self._lock:
            stay = [one for one in self._addresses.get(name, ()) if one in answering]
            self._addresses[name] = tuple(dict.fromkeys((*endpoints, *stay)))
            self._problems[name] = ""
            return self._update()

    def on_lookup_error(self, name: DnsName, error: Exception) -> None:
        """Note that a name could not be looked up; its former addresses stay."""
        with self._lock:
            if not self._addresses.get(name):
                self._problems[name] = str(error)

    def _update(self) -> list[Member[Client]]:
        """Create and drop members as the endpoints are now; return those that were dropped."""
        former, self._members = self._members, {}
        for endpoint in self._given.current(self._addresses):
            member = former.pop(endpoint, None)
            self._members[endpoint] = member or Member(endpoint, self._client(endpoint))
        for member in former.values():
            member.gone = True
        return list(former.values())
