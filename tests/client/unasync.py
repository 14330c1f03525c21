"""Generates the blocking Client's operations from those of the asyncio Client.

Run it with `python -m tests.client.unasync`. The two differ in `async` and `await` only, which are
removed line by line, as httpcore's scripts/unasync.py does.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "zinfo" / "aio" / "client_operations.py"
TARGET = ROOT / "zinfo" / "client" / "client_operations.py"

HEADER = '''\
# Generated from zinfo/aio/client_operations.py by `python -m tests.client.unasync`; do not edit.
"""The operations of the blocking Client."""
'''

REPLACEMENTS = [
    (r"\basync def\b", "def"),
    (r"\bawait ", ""),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"import Iterator, Collection, Mapping", "import Collection, Iterator, Mapping"),
]
"""Patterns and what they become; the last one sorts the import."""


def generated() -> str:
    """Return the text of the generated module."""
    _docstring, _, code = SOURCE.read_text(encoding="utf-8").partition('"""\n\nfrom __future__')
    for pattern, replacement in REPLACEMENTS:
        code = re.sub(pattern, replacement, code)
    return f"{HEADER}\nfrom __future__{code}"


if __name__ == "__main__":
    TARGET.write_text(generated(), encoding="utf-8")
