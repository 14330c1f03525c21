"""Clients of a daemon: `Client` (requests), `Subscriber` (updates), `Mirror` (a live copy).

`Fleet` is for several daemons that share the shards: `fleet_members` knows these, `fleet_coverage`
decides whether shards may be missing, and `fleet_copies` which copy of a shard counts. For requests
`fleet_requests` and `fleet_owners` decide which daemons to ask, and `fleet_merge`, `fleet_columns`,
`fleet_pages`, `fleet_events` and `fleet_history` merge the replies.

Imports only `zinfo.wire`, `zinfo.native` and `zinfo.errors`; neither gevent nor redis nor psutil is
loaded. `context=` takes a `zmq.Context`, or a `zmq.green.Context` in a process patched by gevent.

State machines are separate from I/O, and get messages and the time as arguments. Begin reading with
`bus_session` (joining the bus), then `mirror_state` (with `batches`, `shard_store`, `stored_info`,
`resync` and `gap_detection`) and `subscriber_state`; `requests` is the Client's counterpart, and
`columns_query` that for `columns`; `history` has its own. `sockets` and `session_driver` run them
on ZeroMQ. `mirror_base` and `subscriber_base` are shared with `zinfo.aio`; `client`, `mirror` and
`subscriber` add the waiting.
"""

from __future__ import annotations

from zinfo.client.client import Client
from zinfo.client.columns import Column, Columns
from zinfo.client.fleet import Fleet
from zinfo.client.fleet_coverage import MissingSlice
from zinfo.client.fleet_members import FleetMember
from zinfo.client.fleet_results import (
    FleetColumns,
    FleetDict,
    FleetEvent,
    FleetHistory,
    FleetList,
)
from zinfo.client.fleet_subscriber import FleetSubscriber
from zinfo.client.fleet_updates import Changeover, FleetUpdate, MissingSlices, StaleShards
from zinfo.client.history import History, HistorySeries
from zinfo.client.mirror import Mirror
from zinfo.client.mirror_state import View
from zinfo.client.requests import RecentEvents
from zinfo.client.subscriber import Subscriber
from zinfo.client.updates import Delta, Gap, Heartbeat, Restart, Snapshot, Stale, Update
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.info_meta import InfoMeta
from zinfo.wire.lifecycle import Event
from zinfo.wire.slices import SliceSpec

__all__ = [
    "Changeover",
    "Client",
    "ClientKeys",
    "Column",
    "Columns",
    "Delta",
    "Event",
    "Fleet",
    "FleetColumns",
    "FleetDict",
    "FleetEvent",
    "FleetHistory",
    "FleetList",
    "FleetMember",
    "FleetSubscriber",
    "FleetUpdate",
    "Gap",
    "Heartbeat",
    "History",
    "HistorySeries",
    "InfoMeta",
    "Mirror",
    "MissingSlice",
    "MissingSlices",
    "RecentEvents",
    "Restart",
    "SliceSpec",
    "Snapshot",
    "Stale",
    "StaleShards",
    "Subscriber",
    "Update",
    "View",
]
