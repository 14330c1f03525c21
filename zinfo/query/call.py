"""One call of an operation: its arguments and rights, its limits, its result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from zinfo.errors import NotAllowedError
from zinfo.query.arguments import Arguments
from zinfo.query.paging import Block, build_page
from zinfo.security.rights import Rights
from zinfo.wire.redact import redact_text

Item = TypeVar("Item")

_PAGE_BYTES = 1 << 20
"""Target size of a page. Its body is copied twice without a yield, which takes 2 ms."""


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Limits of the query endpoint.

    Attributes:
        max_request_bytes: maximum size of a request.
        max_reply_bytes: maximum size of the body of a reply. Only a single large entry reaches it.
        min_refresh_interval: minimum time between two polls of a shard on demand, in seconds.
        refresh_timeout: maximum time that a query waits for polls on demand, in seconds.
        page_bytes: target size of a page; `max_reply_bytes` where that is less.
    """

    max_request_bytes: int = 65536
    max_reply_bytes: int = 4 * 1024 * 1024
    min_refresh_interval: float = 0.1
    refresh_timeout: float = 6.0
    page_bytes: int = _PAGE_BYTES

    def __post_init__(self) -> None:
        """Limit `page_bytes`, which each request needs twice."""
        object.__setattr__(self, "page_bytes", min(self.page_bytes, self.max_reply_bytes))


class OperationResult(NamedTuple):
    """The result of an operation.

    Attributes:
        body: msgpack.
        extra: additional keys of the reply header.
    """

    body: bytes
    extra: Mapping[str, object] = MappingProxyType({})


class Call(NamedTuple):
    """One call of an operation.

    Attributes:
        args: its arguments.
        wait: maximum time that it may wait for polls, in seconds.
        rights: of the client.
        yield_point: to be called repeatedly during long work; may yield to the event loop.
        limits: of the query endpoint.
    """

    args: Arguments
    wait: float
    rights: Rights
    yield_point: Callable[[], None]
    limits: QueryLimits

    def yielding(self, items: Iterable[Item]) -> Iterator[Item]:
        """Iterate over the items, with a yield point before each."""
        for item in items:
            self.yield_point()
            yield item

    def require_visible(self, shard_ids: Iterable[str]) -> None:
        """Check that the client can see the shards.

        Raises:
            NotAllowedError: the client is not allowed to see one of them.
        """
        if self.rights.shards is None:
            return
        for shard_id in self.yielding(shard_ids):
            if not self.rights.can_see(shard_id):
                raise NotAllowedError(
                    f"this key is not allowed to see shard {redact_text(shard_id)[:80]}"
                )

    def page(self, blocks: Iterator[Block], limit: int) -> OperationResult:
        """Return the first page of the entries in some blocks.

        Args:
            blocks: the entries from the start of the page on.
            limit: maximum number of entries in the page; 0 for no limit.
        """
        self.yield_point()  # other replies may have used up this iteration of the event loop
        page = build_page(
            blocks,
            limit=limit,
            target_bytes=self.limits.page_bytes,
            max_bytes=self.limits.max_reply_bytes,
            yield_point=self.yield_point,
        )
        return OperationResult(page.body, {} if page.cursor is None else {"cursor": page.cursor})
