"""Mirror: a live copy of a daemon's shards in this process, maintained by a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping

import zmq

from zinfo.client.closing import Closing
from zinfo.client.former_names import chosen_ids
from zinfo.client.mirror_base import FAILURE_PAUSE, Listener, MirrorBase
from zinfo.client.sockets import Context, clock
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT

_MAX_WAIT = 0.2  # seconds until a call of close() is noticed
_CLOSE_TIMEOUT = 5.0  # seconds to wait for the thread, which may be busy in a listener


class Mirror(MirrorBase, Closing):
    """A live copy of all or some shards of a daemon: a mapping from shard id to its INFO.

    It is a context manager: leaving it stops it. Use it like a dict, except that it is read-only:
    `mirror["db-1:6379"].get("used_memory")`. A shard that never replied has an empty INFO, and one
    that is down its last INFO: `state(id)` and `fresh(id)` say what it is worth.

    A thread joins the bus, requests a snapshot and applies each delta and event. It detects lost
    messages, a broken connection, a daemon that was restarted or stopped, and a stop of this very
    process, and then synchronises again by itself.

    A shard is *fresh* if its copy, labels included, is exactly what the daemon had at its revision,
    no sign of a lost message is unresolved, and a heartbeat came within the last three heartbeat
    intervals. The copy is then at most three heartbeat intervals behind the daemon, or six if the
    network delays messages, because a heartbeat may be up to three intervals late. Otherwise the
    shard is *stale*: it can still be read, but may be out of date. `stale` is about all shards, and
    about which shards exist; `stale_shards` and `view(id).fresh` are about single shards. A shard
    that the daemon cannot reach is fresh: its INFO is the newest one; its state is down and its age
    grows.

    With `shard_ids`, or if the rights of this client hide some shards, heartbeats cannot show that
    the last INFO of a shard was lost. The loss is then detected with the next INFO of the shard or,
    if none arrives, after three of its polling intervals (at least five seconds).

    With `labels`, the Mirror follows the shards that have all of these labels. A shard enters or
    leaves the Mirror when an event reports that its labels changed. One that enters is stale until
    its INFO and state have been requested, within a fraction of a second. The Mirror receives the
    messages of all shards, but stores only these, so that heartbeats show every loss.

    With `fields`, the Mirror holds only these fields of each INFO. The daemon then sends no others,
    unless the Mirror is limited to `shard_ids`.

    Reading returns copies, and is safe from any thread. A shard that was never polled has an empty
    INFO. An INFO and its changes are stored encoded, and decoded when they are read. A change that
    has a wrong form makes its shard stale when it arrives. A value that cannot be decoded makes its
    shard stale when it is first read, or reported to a listener; the shard has an empty INFO then,
    until a new one has been requested.

    Args:
        endpoint: the daemon's query endpoint.
        shard_ids: ids of the shards to mirror, which need not exist yet; None for all.
        labels: labels that a mirrored shard has; None for any.
        fields: names of the mirrored fields; None for all.
        bus: the bus endpoint, where it differs from the one that the daemon reports.
        context: creates the sockets; a `zmq.green.Context` in a process patched by gevent, where
            the thread is a greenlet. None for the process's default context.
        on_change: called as by `on_change()`, from the first change on.
        keys: CURVE keys (`ClientKeys.read`); None for a daemon without CURVE.
        shards: the former name of `shard_ids`.

    Raises:
        ConfigError: an endpoint is invalid.

    Attributes:
        callback_errors: number of exceptions that listeners raised.
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_QUERY_ENDPOINT,
        *,
        shard_ids: Collection[str] | None = None,
        labels: Mapping[str, str] | None = None,
        fields: Collection[str] | None = None,
        bus: str | None = None,
        context: Context | None = None,
        on_change: Listener | None = None,
        keys: ClientKeys | None = None,
        shards: Collection[str] | None = None,
    ) -> None:
        super().__init__(
            endpoint,
            shards=chosen_ids(shard_ids, shards, "shards"),
            labels=labels,
            fields=fields,
            bus=bus,
            context=context,
            on_change=on_change,
            keys=keys,
        )
        self._changed = threading.Condition(self._lock)
        self._thread = threading.Thread(target=self._run, name="zinfo-mirror", daemon=True)
        self._thread.start()

    def wait_ready(self, timeout: float = 10.0) -> None:
        """Wait until the Mirror holds all shards and none is stale.

        Args:
            timeout: seconds.

        Raises:
            NoAnswerError: the time has passed; the message has the reason, as far as it is known.
        """
        deadline = clock() + timeout
        with self._lock:
            while self._state.stale(clock()):
                left = deadline - clock()
                if left <= 0 or self._closing:
                    raise self._not_ready(timeout)
                self._changed.wait(left)

    def close(self) -> None:
        """Stop the thread and close its sockets. The shards stay readable, and are stale."""
        self._closing = True
        if self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_TIMEOUT)

    # --- the thread

    def _run(self) -> None:
        try:
            while not self._closing:
                try:
                    self._sockets.wait(min(self._begin_iteration(), _MAX_WAIT))
                    pause = self._end_iteration()
                    if pause:
                        time.sleep(pause)
                except zmq.ContextTerminated:
                    return
                except Exception as error:
                    self._on_failure(error)
                    time.sleep(FAILURE_PAUSE)
        finally:
            self._stop()

    def _notify(self) -> None:
        self._changed.notify_all()
