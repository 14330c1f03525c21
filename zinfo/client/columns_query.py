"""The requests of `Client.get_columns`, and the id lists that a Client remembers for them. Pure.

An id list has a revision, so that a daemon need not send a list that the client has. If it changes
between two pages of a reply, the columns of the first ones would not fit, and all are requested
again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from zinfo.client.columns import Columns, columns_of
from zinfo.client.requests import Call, list_of_texts
from zinfo.errors import ChangedError, ProtocolError, RequestError, UnknownOpError
from zinfo.wire.column_pages import page_from_body
from zinfo.wire.query_messages import Reply

Labels: TypeAlias = "tuple[tuple[str, str], ...]"

OPERATION: Final = "get_columns"

MAX_LISTS: Final = 8
"""Id lists that a Client remembers, each for other labels."""

MAX_TRIES: Final = 5
"""How often a call starts if the id list changes each time."""


class IdList(NamedTuple):
    """The ids of the shards with some labels.

    Attributes:
        epoch: of the daemon that sent it.
        revision: number of the list in this epoch.
        ids: sorted.
    """

    epoch: int
    revision: int
    ids: tuple[str, ...]


class IdLists:
    """The newest id list for each of the labels that were requested last."""

    def __init__(self) -> None:
        self._lists: dict[Labels, IdList] = {}  # the one that was used last is at the end

    def __len__(self) -> int:
        return len(self._lists)

    def find(self, labels: Labels) -> IdList | None:
        """Return the list for these labels; None where it is not known."""
        found = self._lists.pop(labels, None)
        if found is not None:
            self._lists[labels] = found
        return found

    def remember(self, labels: Labels, ids: IdList) -> None:
        """Store a list, instead of the one that was not used for longest if there are too many."""
        self._lists.pop(labels, None)
        self._lists[labels] = ids
        if len(self._lists) > MAX_LISTS:
            del self._lists[next(iter(self._lists))]

    def forget(self, labels: Labels) -> None:
        """Delete the list for these labels."""
        self._lists.pop(labels, None)


class ColumnsQuery:
    """One call of `get_columns`: a request, which is repeated while the id list changes.

    Args:
        keys: names of the fields.
        labels: labels that a shard must have; None for any.
        lists: the id lists of the Client, which this updates.
        with_revisions: whether to request the revision and time of each INFO.
    """

    def __init__(
        self,
        keys: Collection[str],
        labels: Mapping[str, str] | None,
        lists: IdLists,
        *,
        with_revisions: bool = False,
    ) -> None:
        self._names = list(dict.fromkeys(list_of_texts(keys, "keys")))
        self._labels: Labels = tuple(sorted((labels or {}).items()))
        self._lists = lists
        self._with_revisions = with_revisions
        self._known: IdList | None = None
        self._tries = 0

    def call(self) -> Call[Columns | None]:
        """Return the next request; None as its result says to repeat it."""
        self._tries += 1
        self._known = self._lists.find(self._labels)
        args: dict[str, object] = {"keys": self._names, "labels": dict(self._labels)}
        if self._known is not None:
            args["ids_revision"] = self._known.revision
        if self._with_revisions:
            args["with_revisions"] = True
        return Call(OPERATION, args, self._read)

    def on_error(self, error: RequestError) -> None:
        """Return if the request is to be repeated.

        Raises:
            UnknownOpError: the daemon is of a version without columns.
            RequestError: `error`, where it is another one, or came too often.
        """
        if isinstance(error, UnknownOpError):
            raise UnknownOpError(
                "this daemon is of a version without get_columns; get_infos has the same values"
            ) from error
        if not isinstance(error, ChangedError) or self._tries >= MAX_TRIES:
            raise error

    def _read(self, pages: Sequence[Reply]) -> Columns | None:
        known, epoch = self._known, pages[0].epoch
        parts = [page_from_body(page.body, len(self._names)) for page in pages]
        if known is not None and known.epoch != epoch and parts[0].ids is None:
            # Each run of a daemon counts revisions from its start: this is another list.
            self._lists.forget(self._labels)
            return self._read_again()
        if any(page.epoch != epoch for page in pages):
            return self._read_again()
        revision = parts[0].ids_revision
        ids = known.ids if known and known.revision == revision else None
        columns = columns_of(self._names, parts, ids, with_revisions=self._with_revisions)
        self._lists.remember(self._labels, IdList(epoch, revision, columns.ids))
        return columns

    def _read_again(self) -> Columns | None:
        if self._tries >= MAX_TRIES:
            raise ProtocolError("replies to get_columns came from several daemons")
        return None
