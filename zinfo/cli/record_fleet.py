"""`zinfo record` of several daemons: a file for each of them, all at the same time."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zinfo.cli.app import FAILED, INTERRUPTED
from zinfo.cli.client_options import DEFAULT_TIMEOUT, Daemon
from zinfo.cli.output import note
from zinfo.cli.record_report import Progress, check_size, report
from zinfo.errors import NoAnswerError, ZinfoError

if TYPE_CHECKING:
    from zinfo.client import FleetMember
    from zinfo.recording import Recorder, RecordingWriter

_NAME_LENGTH = 100  # characters of a node name in the name of a file
_CHECK_SECONDS = 0.1  # between two looks whether all recorders have ended


class _Part:
    """The recording of one daemon, in a thread.

    Attributes:
        error: why it failed; None if it did not.
    """

    def __init__(
        self, member: FleetMember, file: str, recorder: Recorder, writer: RecordingWriter
    ) -> None:
        self.file = file
        self.error: Exception | None = None
        self._member = member
        self._recorder = recorder
        self._writer = writer
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def recorded(self) -> bool:
        """Whether anything was recorded."""
        return self._recorder.counts["spans"] > 0 or self._recorder.ended == "max-size"

    def start(self, timeout: float, seconds: float | None) -> None:
        """Start to record; arguments as for `Recorder.run`."""
        progress = Progress(self.file, self._recorder, self._writer, alone=False)

        def run() -> None:
            try:
                self._recorder.run(timeout, seconds, progress.show)
            except Exception as error:
                self.error = error

        self._thread = threading.Thread(target=run, name="zinfo-record")
        self._thread.start()

    def stop(self) -> None:
        """Make it end soon."""
        self._recorder.stop()

    def finish(self, *, json: bool) -> None:
        """Print what was recorded, once the file is closed.

        Raises:
            ZinfoError: it failed.
        """
        if self.error is not None:
            raise self.error
        check_size(self.file, self._recorder, self._writer)
        origin = {"node": self._member.node, "endpoint": self._member.endpoint}
        report(self.file, self._recorder, self._writer, json=json, origin=origin)


def record_fleet(
    daemon: Daemon,
    file: str,
    seconds: float | None,
    shards: Sequence[str],
    max_size: int | None,
    signals: Sequence[int],
) -> None:
    """Record all daemons that answer, until the time has passed or a signal has come.

    Args:
        daemon: the daemons.
        file: the name of the node is added to its name, for each of them.
        seconds: how long to record; None for no limit.
        shards: ids of the shards; empty for all.
        max_size: bound of each file in bytes.
        signals: not empty when the command has to end.

    Raises:
        NoAnswerError: no daemon answers.
        RecordingError: a file cannot be written.
    """
    from zinfo.recording import Recorder, RecordingWriter

    timeout = daemon.timeout or DEFAULT_TIMEOUT
    members = _members(daemon, timeout)
    answering = [member for member in members if not member.problem]
    if not answering:
        raise NoAnswerError("; ".join(f"{one.endpoint}: {one.problem}" for one in members))
    parts: list[_Part] = []
    with ExitStack() as writers:
        for member, path in zip(answering, files_of(file, answering), strict=True):
            writer = writers.enter_context(RecordingWriter(path, max_size=max_size))
            if writer.truncated:
                note(f"{path}: {writer.truncated} bytes of an incomplete block were removed")
            recorder = Recorder(member.endpoint, writer, shard_ids=set(shards), keys=daemon.keys)
            parts.append(_Part(member, path, recorder, writer))
        for part in parts:
            part.start(timeout, seconds)
        _wait(parts, signals)
    failed = _finish(parts, json=daemon.json)
    for member in members:
        if member.problem:
            note(f"missing: {member.endpoint}: {member.problem}")
    if failed or len(answering) < len(members):
        click.get_current_context().exit(FAILED)
    if not any(part.recorded for part in parts):
        click.get_current_context().exit(INTERRUPTED)


def files_of(file: str, members: Sequence[FleetMember]) -> list[str]:
    """Return a file for each daemon: `file` with the name of its node, all different."""
    path, found = Path(file), list[str]()
    for member in members:
        node = re.sub(r"[^A-Za-z0-9._-]", "_", member.node)[:_NAME_LENGTH]
        names = [node, *(f"{node}-{number}" for number in range(2, len(members) + 1))]
        paths = (str(path.with_name(f"{path.stem}-{name}{path.suffix}")) for name in names)
        found.append(next(one for one in paths if one not in found))
    return found


def _members(daemon: Daemon, timeout: float) -> tuple[FleetMember, ...]:
    from zinfo.client import Fleet

    with Fleet(daemon.endpoints, timeout=timeout, keys=daemon.keys) as fleet:
        return fleet.find_members()


def _wait(parts: Sequence[_Part], signals: Sequence[int]) -> None:
    pause = threading.Event()
    while any(part.running for part in parts):
        if signals:
            for part in parts:
                part.stop()
        pause.wait(_CHECK_SECONDS)


def _finish(parts: Sequence[_Part], *, json: bool) -> bool:
    """Print what was recorded; return whether a part failed."""
    failed = False
    for part in parts:
        try:
            if part.error is not None or part.recorded:
                part.finish(json=json)
        except ZinfoError as error:
            note(f"{part.file}: {error}")
            failed = True
    return failed
