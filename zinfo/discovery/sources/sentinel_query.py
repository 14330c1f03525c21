"""Asks one Sentinel for the primaries that it monitors, their replicas, and other Sentinels."""

from __future__ import annotations

from zinfo.discovery.server_query import QueryLimits, ServerQuery, ServerQueryError
from zinfo.discovery.sources.sentinel_replies import MAX_NAME, Instance, read_instances, read_run_id
from zinfo.discovery.sources.sentinel_views import Group, MasterPatterns, SentinelView
from zinfo.errors import SourceError
from zinfo.loop.yielding import CooperativeYield
from zinfo.poll.errors import NOPERM
from zinfo.shards.connection_options import ConnectionOptions

MAX_PRIMARIES = 10_000
"""Maximum number of primaries that one Sentinel may list."""

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
        self._replicas_command = "REPLICAS"

    def view(self, patterns: MasterPatterns, *, others: bool) -> SentinelView:
        """Return what it monitors; see `ask_sentinel`."""
        groups: dict[str, Group] = {}
        sentinels: list[Instance] = []
        primaries = self._list("MASTERS")
        if len(primaries) > MAX_PRIMARIES:
            raise SourceError(f"it monitors more than {MAX_PRIMARIES} primaries")
        for primary in primaries:
            name = primary.name
            if not 0 < len(name) <= MAX_NAME or not name.isprintable() or not patterns.match(name):
                continue
            try:
                replicas = self._replicas(name) if primary.has_replicas else []
                sentinels += self._list("SENTINELS", name) if others else []
            except ServerQueryError as error:
                if _NO_SUCH not in str(error).lower():
                    raise
                continue  # removed from its configuration meanwhile
            groups[name] = Group(primary, replicas)
        known = sentinels if others else None
        return SentinelView(groups, known, self._run_id(), self._query.peer_host)

    def _replicas(self, name: str) -> list[Instance]:
        try:
            return self._list(self._replicas_command, name)
        except ServerQueryError as error:
            if self._replicas_command == "SLAVES" or _UNKNOWN not in str(error).lower():
                raise
        self._replicas_command = "SLAVES"  # before Redis 5.0
        return self._list(self._replicas_command, name)

    def _list(self, *arguments: str) -> list[Instance]:
        pause = CooperativeYield(low_priority=True).maybe_yield
        return read_instances(self._query.run("SENTINEL", *arguments), pause)

    def _run_id(self) -> str:
        """Return its id; "" if it does not know the command, as before Redis 6.2, or refuses it."""
        try:
            return read_run_id(self._query.run("SENTINEL", "MYID"))
        except ServerQueryError as error:
            if error.reason == NOPERM or _UNKNOWN in str(error).lower():
                return ""
            raise
