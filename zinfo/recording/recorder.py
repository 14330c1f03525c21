"""Recorder: writes a daemon's bus to a file until it is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from zinfo.client.former_names import chosen_ids
from zinfo.client.session_driver import BATCH, SessionDriver
from zinfo.client.sockets import Sockets, clock
from zinfo.errors import NoAnswerError, NotAllowedError
from zinfo.recording.session import RecordingSession, counts_of
from zinfo.recording.writer import RecordingWriter
from zinfo.wire.curve_keys import ClientKeys

MAX_SHARDS = 200
"""Shards that can be recorded by name; their topics have to fit into one request."""

_MAX_WAIT = 0.2  # seconds until a call of `stop` is noticed


class Recorder:
    """Records what a daemon publishes. Like a Subscriber it belongs to one thread.

    Args:
        endpoint: the daemon's query endpoint.
        writer: writes the frames.
        shard_ids: ids of the shards to record, at most 200; they need not exist yet. Empty for all.
        keys: CURVE keys (`zinfo.client.ClientKeys.read`); None for a daemon without CURVE.
        shards: the former name of `shard_ids`.

    Raises:
        ValueError: there are too many ids.

    Attributes:
        ended: why it stopped: "seconds", "max-size" or "stopped".
    """

    def __init__(
        self,
        endpoint: str,
        writer: RecordingWriter,
        *,
        shard_ids: Collection[str] = (),
        keys: ClientKeys | None = None,
        shards: Collection[str] | None = None,
    ) -> None:
        shard_ids = chosen_ids(shard_ids, shards, "shards")
        if len(shard_ids) > MAX_SHARDS:
            raise ValueError(f"at most {MAX_SHARDS} shards can be recorded by name")
        self.ended = ""
        self._endpoint = endpoint
        self._writer = writer
        self._state = RecordingSession(endpoint, shards=shard_ids)
        self._driver = SessionDriver(
            self._state.session,
            Sockets(keys=keys),
            lambda frames, now: self._state.on_bus(frames, now, time.time()),
            self._state.on_reply,
            after=self._check_allowed,
        )
        self._stopping = False
        self._started_at: float | None = None  # local clock at the first segment
        self._ended_at: float | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of what was recorded, by name.

        The names are spans (segments), messages, deltas, events, gaps, stales and restarts. Frames
        that the writer left out for lack of space are not counted.
        """
        counts = dict(self._state.counts)
        for frame in self._writer.left_out:
            for name in counts_of(frame):
                counts[name] -= 1
        return counts

    @property
    def shards(self) -> int:
        """Number of shards recorded at present."""
        return self._state.shards

    @property
    def seconds(self) -> float:
        """Length of the recording so far; 0 before the first segment."""
        if self._started_at is None:
            return 0.0
        return (self._ended_at or clock()) - self._started_at

    @property
    def problem(self) -> str:
        """Why nothing is recorded at this moment; "" while messages are recorded."""
        if self._state.in_segment:
            return ""
        return self._state.session.problem or "requesting a snapshot"

    def stop(self) -> None:
        """Make `run` return soon; may be called from its `tell` callback."""
        self._stopping = True

    def run(
        self,
        timeout: float = 5.0,
        seconds: float | None = None,
        tell: Callable[[], object] = lambda: None,
    ) -> None:
        """Record until the time has passed, the file is full, or `stop` is called.

        Args:
            timeout: seconds in which the first segment has to start.
            seconds: how long to record from then on; None for no limit.
            tell: called several times a second, for example to show the progress.

        Raises:
            NoAnswerError: the first segment did not start in time.
            NotAllowedError: the key may not request what a recording needs.
            RecordingError: the file could not be written.
        """
        started = clock()
        try:
            while not self._stopping:
                self._iterate(seconds)
                tell()
                now = clock()
                if self._started_at is None and now - started > timeout and not self._stopping:
                    raise NoAnswerError(
                        f"nothing to record from {self._endpoint} within {timeout:g} s "
                        f"({self.problem}): is `zinfo serve` running there?"
                    )
                if self._started_at is not None and seconds is not None and self.seconds >= seconds:
                    self.ended = "seconds"
                    break
                if self._writer.full:
                    self.ended = "max-size"
                    break
            self._writer.flush()
            if self._writer.full:
                self.ended = "max-size"
        finally:
            self._ended_at = clock()
            self._driver.sockets.close()
        self.ended = self.ended or "stopped"

    def _iterate(self, seconds: float | None) -> None:
        received = self._driver.receive()
        if received < BATCH:  # silence can be judged only when no message is left in the socket
            self._state.tick(clock())
            self._driver.perform_actions()
        self._write()
        if received < BATCH:
            waits = [self._state.deadline() - clock(), _MAX_WAIT]
            if seconds is not None and self._started_at is not None:
                waits.append(seconds - self.seconds)
            self._driver.sockets.wait(max(0.0, min(waits)))

    def _check_allowed(self) -> None:
        if self._state.refused:
            raise NotAllowedError(f"a recording needs the snapshot: {self._state.refused}")

    def _write(self) -> None:
        if self._started_at is None and self._state.counts["spans"]:
            self._started_at = clock()
            last, segment_start = self._writer.last, self._writer.segment_start
            if last is not None and segment_start is not None:
                self._state.on_interruption(last - segment_start, last, time.time() - last)
        frames, self._state.frames = self._state.frames, []
        for frame, wall in frames:
            self._writer.add(frame, wall)
        if not frames:
            self._writer.flush_old(time.time())
