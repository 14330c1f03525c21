"""Talking to a daemon: ask (`Client`), follow (`Subscriber`), hold a live copy (`Mirror`).

None of this loads gevent, redis or psutil. `context=` takes a `zmq.Context`, or in a process
patched by gevent a `zmq.green.Context`.

Inside, what is decided is apart from what is done: `link`, `mirror_state` and `stream_state` (with
`copies`, `resync`, `tally`, `kept`) are told what arrives and what time it is, and say what to do;
`calls` says what to ask and what replies mean. `holding`, `stream` and `sockets` do what needs no
waiting; `mirror`, `subscriber` and `query` wait, as `zinfo.aio` does in its own way.
"""

from __future__ import annotations

from zinfo.client.mirror import Mirror
from zinfo.client.mirror_state import View
from zinfo.client.query import Client
from zinfo.client.requests import RecentEvents
from zinfo.client.subscriber import Subscriber
from zinfo.client.updates import Delta, Gap, Heartbeat, Restart, Snapshot, Stale, Update
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.lifecycle import Event

__all__ = [
    "Client",
    "ClientKeys",
    "Delta",
    "Event",
    "Gap",
    "Heartbeat",
    "Mirror",
    "RecentEvents",
    "Restart",
    "Snapshot",
    "Stale",
    "Subscriber",
    "Update",
    "View",
]
