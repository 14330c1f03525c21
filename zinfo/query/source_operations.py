"""The operations about sources of shards: `sources` and `accept_source`."""

from __future__ import annotations

import difflib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from zinfo.errors import BadRequestError
from zinfo.query.call import Call, OperationResult
from zinfo.query.paging import Block, ids_from
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.source_status import SOURCE_LABEL, SourceDirectory, SourceStatus
from zinfo.wire.codec import pack
from zinfo.wire.redact import redact_text

logger = logging.getLogger(__name__)

_MAX_NAME = 80  # characters of an unknown name that an error repeats
_MAX_NAMES = 10  # names of sources in an error


class SourceOperations:
    """Runs the operations about sources.

    Args:
        sources: the sources.
        publisher: the live shards.
        clock: returns the wall clock.
    """

    def __init__(
        self, sources: SourceDirectory, publisher: ShardPublisher, clock: Callable[[], float]
    ) -> None:
        self._sources = sources
        self._publisher = publisher
        self._clock = clock

    def sources(self, call: Call) -> OperationResult:
        """Return the state of each source.

        A client that cannot see all shards gets the sources of those that it can see, with their
        number. It gets no error, note or reason, as these may name other shards and their hosts.
        """
        args = call.args
        limit, cursor = args.count("limit"), args.text("cursor")
        args.reject_unknown()
        found = {str(entry["name"]): entry for entry in self._describe_all(call)}
        blocks = (
            Block((pack(found[name]),), after)
            for name, after in call.yielding(ids_from(list(found), (), cursor))
        )
        return call.page(blocks, limit)

    def accept_source(self, call: Call) -> OperationResult:
        """Follow the last answer of a source at once; return how many shards are removed.

        Raises:
            BadRequestError: no source has this name.
        """
        name = call.args.text("name")
        call.args.reject_unknown()
        if name is None:
            raise BadRequestError("name is missing: the name of a source")
        try:
            removed = self._sources.accept_source(name)
        except KeyError:
            names = [status.name for status in self._sources.source_statuses()]
            if name not in names:
                raise BadRequestError(_unknown_source(name, names)) from None
            removed = 0  # the list of shards in the configuration is always followed at once
        if removed:
            logger.info(
                "source %s: client %s accepted its last answer, which removes %d shards",
                name,
                call.rights.name,
                removed,
            )
        return OperationResult(pack(removed))

    def _describe_all(self, call: Call) -> Iterator[dict[str, object]]:
        statuses, now = self._sources.source_statuses(), self._clock()
        if call.rights.shards is None:
            for status in statuses:
                yield describe_source(status, now)
            return
        counts = self._count_visible(call)
        for status in statuses:
            if status.name in counts:
                yield _describe_in_part(status, now, counts[status.name])

    def _count_visible(self, call: Call) -> Counter[str]:
        """Return the number of shards that the client can see, by source."""
        counts: Counter[str] = Counter()
        visible = call.rights.visible_shards(self._publisher.sorted_shard_ids())
        for shard_id in call.yielding(visible):
            shard = self._publisher.find_shard(shard_id)
            if shard is not None and (name := shard.labels.get(SOURCE_LABEL)) is not None:
                counts[name] += 1
        return counts


def describe_source(status: SourceStatus, now: float) -> dict[str, object]:
    """Return the entry of a source in the reply of the `sources` operation.

    Args:
        status: its state.
        now: the wall clock, in seconds since the Unix epoch.
    """
    last = status.last_success
    return {
        "name": status.name,
        "type": status.kind,
        "state": status.state,
        "shards": status.shards,
        "owned": status.owned,
        "missing": status.missing,
        "held": status.held,
        "skipped": dict(status.skipped),
        "notes": list(status.notes),
        "error": status.error,
        "failures": status.failures,
        "last_success": last,
        "age": None if last is None else max(0.0, now - last),
        "last_duration": status.last_duration,
        "reads": status.reads,
        "failed_reads": status.failed_reads,
        "added": status.added,
        "removed": status.removed,
    }


_FOR_ALL = ("name", "type", "state", "last_success", "age")  # of these no shard can be inferred


def _describe_in_part(status: SourceStatus, now: float, visible: int) -> dict[str, object]:
    """Return the entry of a source for a client that sees `visible` of its shards."""
    described = describe_source(status, now)
    return {
        **{name: value if name in _FOR_ALL else None for name, value in described.items()},
        "shards": visible,
    }


def _unknown_source(name: str, names: Sequence[str]) -> str:
    text = f"no source has the name {redact_text(name)[:_MAX_NAME]!r}"
    if not names:
        return f"{text}: there are no sources"
    close = difflib.get_close_matches(name[:_MAX_NAME], names, n=1)
    if close:
        return f"{text}; did you mean {close[0]!r}?"
    listed = ", ".join(names[:_MAX_NAMES])
    return f"{text}; known are: {listed}{', ...' if len(names) > _MAX_NAMES else ''}"
