"""Asks one Sentinel for the primaries that it monitors, their replicas, and other Sentinels."""

from __future__ import annotations

from collections.abc import Sequence

from zinfo.discovery.nested_reply import Reply
from zinfo.discovery.server_query import QueryLimits, ServerQuery, ServerQueryError
from zinfo.discovery.sources.sentinel_replies import MAX_NAME, Instance, read_instances, read_run_id
from zinfo.discovery.sources.sentinel_views import Group, MasterPatterns, SentinelView
from zinfo.errors import SourceError
from zinfo.loop.yielding import CooperativeYield
from zinfo.poll.errors import NOPERM
from zinfo.shards.connection_options import ConnectionOptions

MAX_PRIMARIES = 4000
"""Maximum number of primaries that one Sentinel may list."""

_TOGETHER = 100  # commands that are sent together
_NO_SUCH = "no such master"  # part of the error reply for a name that it does not know
_UNKNOWN = "unknown"  # part of the error reply for a subcommand that it does not know


def ask_sentinel(
    options: ConnectionOptions,
    patterns: MasterPatterns,
    *,
    others: bool,
    limits: QueryLimits | None = None,
) -> SentinelView:
    """Ask a Sentinel.

    Args:
        options: the Sentinel and its credentials.
        patterns: the names of primaries to ask for.
        others: whether to ask for other Sentinels, too.
        limits: the bounds of the connection.

    Raises:
        SourceError: it cannot be asked, or its replies cannot be used.
    """
    with ServerQuery(options, limits) as query:
        return SentinelQuery(query).view(patterns, others=others)


class SentinelQuery:
    """The commands to one Sentinel.

    Args:
        query: the connection.
    """

    def __init__(self, query: ServerQuery) -> None:
        self._query = query

    def view(self, patterns: MasterPatterns, *, others: bool) -> SentinelView:
        """Return what it monitors; see `ask_sentinel`."""
        primaries: dict[str, Instance] = {}
        yielder = CooperativeYield(background=True)
        for one in _read(self._query.run("SENTINEL", "MASTERS")):
            if _is_name(one.name) and patterns.match(one.name):
                primaries.setdefault(one.name, one)
            yielder.maybe_yield()
        if len(primaries) > MAX_PRIMARIES:
            raise SourceError(f"it monitors more than {MAX_PRIMARIES} primaries")
        replicas = self._replicas([one.name for one in primaries.values() if one.has_replicas])
        sentinels = self._of_each("SENTINELS", list(primaries)) if others else {}
        groups = {
            name: Group(one, replicas[name] if one.has_replicas else [])
            for name, one in primaries.items()
            if name in replicas or not one.has_replicas
        }
        known = [one for found in sentinels.values() for one in found] if others else None
        return SentinelView(groups, known, self._run_id(), self._query.peer_host)

    def _replicas(self, names: Sequence[str]) -> dict[str, list[Instance]]:
        try:
            return self._of_each("REPLICAS", names)
        except ServerQueryError as error:
            if _UNKNOWN not in str(error).lower():
                raise
        return self._of_each("SLAVES", names)  # before Redis 5.0

    def _of_each(self, command: str, names: Sequence[str]) -> dict[str, list[Instance]]:
        """Run a command for each primary; return the replies without those of unknown primaries.

        Raises:
            SourceError: the command failed for another reason.
        """
        found: dict[str, list[Instance]] = {}
        for start in range(0, len(names), _TOGETHER):
            some = names[start : start + _TOGETHER]
            commands = [("SENTINEL", command, name) for name in some]
            for name, reply in zip(some, self._query.run_together(commands), strict=True):
                if not isinstance(reply, ServerQueryError):
                    found[name] = _read(reply)
                elif _NO_SUCH not in str(reply).lower():  # it may be removed meanwhile
                    raise reply
        return found

    def _run_id(self) -> str:
        """Return its id; "" if it does not know the command, as before Redis 6.2, or refuses it."""
        try:
            return read_run_id(self._query.run("SENTINEL", "MYID"))
        except ServerQueryError as error:
            if error.reason == NOPERM or _UNKNOWN in str(error).lower():
                return ""
            raise


def _read(reply: Reply) -> list[Instance]:
    return read_instances(reply, CooperativeYield(background=True).maybe_yield)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= MAX_NAME and text.isprintable()
