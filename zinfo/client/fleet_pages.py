"""The pages of `get_infos` of several daemons, merged while they arrive. Pure.

Each daemon sends its shards sorted by id. Once a page of each is there, all shards up to the
smallest of their last ids can be given. So no more than a page of each daemon is held.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping
from itertools import pairwise

from zinfo.client.fleet_merge import INFO_ENTRIES, EntryMerge
from zinfo.client.requests import Map, Paging
from zinfo.errors import ProtocolError
from zinfo.wire.query_messages import Reply


class PagesOfMember:
    """The pages of one daemon.

    Args:
        args: arguments of the request.
    """

    def __init__(self, args: Mapping[str, object]) -> None:
        self.paging = Paging(args)
        self._ids: list[str] = []
        self._entries: list[Map] = []
        self._received_at = 0.0

    @property
    def needs_page(self) -> bool:
        """Whether the next page has to be requested."""
        return not self._entries and not self.paging.done

    @property
    def last(self) -> str | None:
        """The last id of the held page; None if further pages cannot have smaller ids."""
        return None if self.paging.done or not self._ids else self._ids[-1]

    def on_page(self, reply: Reply, now: float) -> None:
        """Take a page.

        Raises:
            ProtocolError: it is not an array of entries, or not sorted.
        """
        body = reply.body
        if not isinstance(body, list):
            raise ProtocolError("the reply is not an array of maps")
        try:
            ids = [INFO_ENTRIES.shard(entry) for entry in body]
            in_order = all(one < other for one, other in pairwise(ids))
        except (KeyError, TypeError):
            raise ProtocolError("an entry of the reply has no id") from None
        if not in_order:
            raise ProtocolError("the shards of the reply are not sorted")
        self._ids, self._entries, self._received_at = ids, body, now
        self.paging.on_page(reply)

    def move(self, merge: EntryMerge, bound: str | None) -> None:
        """Move the entries up to an id, or all, to a merge."""
        end = len(self._ids) if bound is None else bisect_right(self._ids, bound)
        merge.add(self._entries[:end], self._received_at)
        del self._ids[:end], self._entries[:end]


def merged_page(members: Collection[PagesOfMember]) -> list[Map]:
    """Return the shards of which all copies have arrived, of each the newest, sorted by id.

    Args:
        members: the daemons. While one of them needs a page, no shard is complete.
    """
    if any(member.needs_page for member in members):
        return []
    bounds = [last for last in (member.last for member in members) if last is not None]
    bound = min(bounds) if bounds else None
    merge = EntryMerge(INFO_ENTRIES)
    for member in members:
        member.move(merge, bound)
    return merge.take()
