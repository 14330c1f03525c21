"""The native part, where it could be compiled; without it Python does the same, slower.

`ZINFO_PURE_PYTHON=1` in the environment does without it.
"""

from __future__ import annotations

import os
from types import ModuleType

native: ModuleType | None = None  #: zinfo._native

if not os.environ.get("ZINFO_PURE_PYTHON"):
    try:
        from zinfo import _native as native
    except ImportError:  # no compiler when zinfo was installed
        native = None
