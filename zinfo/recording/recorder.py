"""Recorder: writes a daemon's bus to a file until it is told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from zinfo.client.sockets import Sockets, clock
from zinfo.errors import NoAnswerError, NotAllowedError, ProtocolError
from zinfo.recording.session import Taking, counted_as
from zinfo.recording.writer import RecordingWriter
from zinfo.wire.curve_keys import ClientKeys

MAX_SHARDS = 200
"""Shards that can be recorded by name: their topics go into one request."""

_LONGEST_WAIT = 0.2  # seconds until `stop` is noticed
_BATCH = 200  # bus messages handled before replies get their turn


class Recorder:
    """Records the bus of a daemon.

    Like a Subscriber it belongs to one thread.

    Args:
        endpoint: the daemon's query endpoint.
        writer: takes the frames.
        shards: ids of the shards to record, whether they exist yet or not, at most `MAX_SHARDS`;
            empty for all.
        keys: by which client and daemon know each other; None where the daemon asks for none.

    Attributes:
        ended: why it stopped: "seconds", "max-size" or "stopped".
    """

    def __init__(
        self,
        endpoint: str,
        writer: RecordingWriter,
        *,
        shards: Collection[str] = (),
        keys: ClientKeys | None = None,
    ) -> None:
        if len(shards) > MAX_SHARDS:
            raise ValueError(f"at most {MAX_SHARDS} shards can be recorded by name")
        self.ended = ""
        self._endpoint = endpoint
        self._writer = writer
        self._taking = Taking(endpoint, shards=shards)
        self._sockets = Sockets(keys=keys)
        self._stopping = False
        self._first: float | None = None  # local clock at the first span
        self._ended_at: float | None = None

    @property
    def counts(self) -> dict[str, int]:
        """What was recorded: spans, messages, deltas, events, gaps, stales, restarts.

        What the writer left out for lack of room is not counted.
        """
        counts = dict(self._taking.counts)
        for frame in self._writer.left_out:
            for name in counted_as(frame):
                counts[name] -= 1
        return counts

    @property
    def shards(self) -> int:
        """How many shards are recorded now."""
        return self._taking.shards

    @property
    def seconds(self) -> float:
        """How long it has recorded; 0 before the first span."""
        if self._first is None:
            return 0.0
        return (self._ended_at or clock()) - self._first

    @property
    def problem(self) -> str:
        """Why nothing is recorded at this moment; "" while all is well."""
        if self._taking.in_span:
            return ""
        return self._taking.link.problem or "asking for a snapshot"

    def stop(self) -> None:
        """Have `run` return soon; may be called by what it tells."""
        self._stopping = True

    def run(
        self,
        timeout: float = 5.0,
        seconds: float | None = None,
        tell: Callable[[], object] = lambda: None,
    ) -> None:
        """Record.

        Args:
            timeout: seconds for the first span to begin.
            seconds: how long to record from then on; None for until `stop` is called.
            tell: called several times a second.

        Raises:
            NoAnswerError: the first span did not begin in time.
            NotAllowedError: the key may not ask for what a recording needs.
            RecordingError: the file could not be written.
        """
        begun = clock()
        try:
            while not self._stopping:
                self._round(seconds)
                tell()
                now = clock()
                if self._first is None and now - begun > timeout and not self._stopping:
                    raise NoAnswerError(
                        f"nothing to record from {self._endpoint} within {timeout:g} s "
                        f"({self.problem}): is `zinfo serve` running there?"
                    )
                if self._first is not None and seconds is not None and self.seconds >= seconds:
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
            self._sockets.close()
        self.ended = self.ended or "stopped"

    def _round(self, seconds: float | None) -> None:
        taking = self._taking
        taken = 0
        for frames in self._sockets.bus_messages(_BATCH):
            taken += 1
            taking.on_bus(frames, clock(), time.time())
            self._act()
        for frames in self._sockets.replies():
            taking.on_reply(frames, clock())
            self._act()
        if taken < _BATCH:  # only when nothing is left may silence be judged
            taking.tick(clock())
            self._act()
        self._write()
        if taken < _BATCH:
            left = [taking.deadline() - clock(), _LONGEST_WAIT]
            if seconds is not None and self._first is not None:
                left.append(seconds - self.seconds)
            self._sockets.wait(max(0.0, min(left)))

    def _act(self) -> None:
        link = self._taking.link
        while link.actions:
            try:
                self._sockets.perform(link.actions.pop(0))
            except ProtocolError as error:
                link.actions.clear()
                link.lose(clock(), str(error))
        if self._taking.refused:
            raise NotAllowedError(f"a recording needs the snapshot: {self._taking.refused}")

    def _write(self) -> None:
        if self._first is None and self._taking.counts["spans"]:
            self._first = clock()
            last, span = self._writer.last, self._writer.span
            if last is not None and span is not None:
                self._taking.interrupted(last - span, last, time.time() - last)
        frames, self._taking.frames = self._taking.frames, []
        for frame, wall in frames:
            self._writer.add(frame, wall)
        if not frames:
            self._writer.flush_old(time.time())
