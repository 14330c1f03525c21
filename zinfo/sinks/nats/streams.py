"""The bucket and the stream of events: created if they are missing, and read."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from nats.aio.msg import Msg
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError

from zinfo.sinks.nats.names import SHARD_KEYS, Names
from zinfo.sinks.nats.values import Identity, identity_from

logger = logging.getLogger(__name__)

DUPLICATE_WINDOW: Final = 120.0
"""Seconds in which the server recognises an event that is sent again."""

READ_TIMEOUT: Final = 5.0
"""Seconds to wait for a message of the bucket."""

_DELETED: Final = "KV-Operation"  # header of a marker
_MARKER_REASON: Final = "Nats-Marker-Reason"  # header of a marker that the server made


@dataclass(frozen=True)
class Limits:
    """How bucket and stream are created; those that exist stay as they are.

    Attributes:
        replicas: copies of bucket and stream, on as many servers.
        memory: whether they are stored in memory instead of files.
        bucket_bytes: greatest size of the bucket; None for no limit.
        max_events: greatest number of events.
        max_event_bytes: greatest size of the stream of events.
        max_event_age: seconds after which an event is removed.
    """

    replicas: int = 1
    memory: bool = False
    bucket_bytes: int | None = None
    max_events: int = 1_000_000
    max_event_bytes: int = 1 << 30
    max_event_age: float = 30 * 86400.0


async def ensure(js: JetStreamContext, names: Names, limits: Limits) -> None:
    """Create the bucket and the stream of events if they are missing."""
    storage = api.StorageType.MEMORY if limits.memory else api.StorageType.FILE
    if not await _exists(js, names.bucket_stream, limits):
        await js.create_key_value(
            api.KeyValueConfig(
                bucket=names.bucket,
                description="zinfo: the newest INFO of each shard",
                replicas=limits.replicas,
                history=1,
                storage=storage,
                max_bytes=limits.bucket_bytes,
                direct=True,
            )
        )
        logger.info("created the bucket %s", names.bucket)
    if not await _exists(js, names.stream, limits):
        await js.add_stream(
            name=names.stream,
            description="zinfo: lifecycle events of shards",
            subjects=[names.event_subjects],
            num_replicas=limits.replicas,
            storage=storage,
            discard=api.DiscardPolicy.OLD,
            max_msgs=limits.max_events,
            max_bytes=limits.max_event_bytes,
            max_age=limits.max_event_age,
            duplicate_window=min(DUPLICATE_WINDOW, limits.max_event_age),
        )
        logger.info("created the stream %s", names.stream)


async def _exists(js: JetStreamContext, stream: str, limits: Limits) -> bool:
    try:
        info = await js.stream_info(stream)
    except NotFoundError:
        return False
    replicas = info.config.num_replicas or 1
    if replicas != limits.replicas:
        logger.warning("%s exists, with %d replicas, not %d", stream, replicas, limits.replicas)
    return True


class StoredValue(NamedTuple):
    """What the bucket has under the key of a shard.

    Attributes:
        shard: its id.
        identity: of the value; None if another program wrote it.
        deleted_at: when it was deleted; None if it was not.
    """

    shard: str
    identity: Identity | None
    deleted_at: datetime | None


async def stored_values(js: JetStreamContext, names: Names) -> AsyncIterator[StoredValue]:
    """Yield what the bucket has of each shard: headers only, so that this costs little.

    Raises:
        nats.errors.Error: the server does not reply.
    """
    subscription = await js.subscribe(
        names.subject_of_key(SHARD_KEYS + "*"),
        stream=names.bucket_stream,
        ordered_consumer=True,
        deliver_policy=api.DeliverPolicy.LAST_PER_SUBJECT,
        headers_only=True,
    )
    try:
        info = await subscription.consumer_info()
        delivered = info.delivered.consumer_seq if info.delivered else 0
        if not info.num_pending and not delivered:
            return
        while True:
            message = await subscription.next_msg(timeout=READ_TIMEOUT)
            value = _stored_value(message, names)
            if value is not None:
                yield value
            if not message.metadata.num_pending:
                return
    finally:
        await subscription.unsubscribe()


def _stored_value(message: Msg, names: Names) -> StoredValue | None:
    try:
        shard = names.shard_of(message.subject)
    except ValueError:  # a key of another program
        return None
    headers = message.headers or {}
    deleted = _DELETED in headers or _MARKER_REASON in headers
    at = message.metadata.timestamp if deleted else None
    return StoredValue(shard, None if deleted else identity_from(headers), at)
