"""Recordings: what a daemon published, in a file that can be read or published again.

docs/reference/recording.md has the format. Begin with `frames` (bytes) and `session` (what is
recorded), which are pure. `blocks`, `writer` and `reader` access the file, `segments` decodes it,
and `recorder` is `zinfo record`. `replay`, `replayed_daemon` and `replay_cache` are `zinfo replay`;
only they import gevent and the daemon's packages. Everything else imports `zinfo.client` and
`zinfo.wire`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from zinfo.recording.reader import Recording, Summary
from zinfo.recording.recorder import Recorder
from zinfo.recording.segments import LabelUpdate, Moment, Segment
from zinfo.recording.writer import RecordingWriter

__all__ = [
    "LabelUpdate",
    "Moment",
    "Recorder",
    "Recording",
    "RecordingWriter",
    "Segment",
    "Summary",
]

if TYPE_CHECKING:
    Span = Segment
    Described = LabelUpdate
else:
    _DEPRECATED = {"Span": Segment, "Described": LabelUpdate}

    def __getattr__(name: str) -> object:
        """Return a class by its name in zinfo 0.1."""
        if name not in _DEPRECATED:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        renamed = _DEPRECATED[name]
        warnings.warn(
            f"zinfo.recording.{name} is now called {renamed.__name__}",
            DeprecationWarning,
            stacklevel=2,
        )
        return renamed
