"""Recordings: what a daemon published, in a file, to be read or published again.

docs/recording.md has the format. `frames` and `taking` are pure: bytes, and what is recorded of
which message. `blocks`, `writing` and `reading` are the file, `recorder` the sockets of
`zinfo record`. `stage`, `pace` and `replay` are `zinfo replay`, and load gevent; nothing else here
does.
"""

from __future__ import annotations

from zinfo.recording.reader import Described, Moment, Recording, Span, Summary
from zinfo.recording.recorder import Recorder
from zinfo.recording.writer import RecordingWriter

__all__ = [
    "Described",
    "Moment",
    "Recorder",
    "Recording",
    "RecordingWriter",
    "Span",
    "Summary",
]
