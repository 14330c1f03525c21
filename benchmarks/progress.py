"""Progress lines on stderr."""

from __future__ import annotations

import sys
import time

_began = time.monotonic()


def log_progress(text: str) -> None:
    """Print one line, with the seconds since the start."""
    print(f"{time.monotonic() - _began:7.1f} s  {text}", file=sys.stderr, flush=True)
