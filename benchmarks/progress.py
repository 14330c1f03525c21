"""What a long run says on stderr while it runs."""

from __future__ import annotations

import sys
import time

_began = time.monotonic()


def log_progress(text: str) -> None:
    """Tell one step, with the seconds since the start."""
    print(f"{time.monotonic() - _began:7.1f} s  {text}", file=sys.stderr, flush=True)
