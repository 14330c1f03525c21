"""Generates the operations of the blocking clients from those of the asyncio clients.

Run it with `python -m tests.client.unasync`. The two differ in `async` and `await` only, which are
removed line by line, as httpcore's scripts/unasync.py does.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = {
    "client_operations.py": "The operations of the blocking Client.",
    "fleet_base.py": "How the blocking Fleet asks its daemons.",
    "fleet_operations.py": "The requests of the blocking Fleet.",
}
"""Names of the modules, and the docstrings of the generated ones."""

HEADER = '''\
# Generated from zinfo/aio/{name} by `python -m tests.client.unasync`; do not edit.
"""{docstring}"""
'''

REPLACEMENTS = [
    (r"\basync (def|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\bAwaitable\[(\w+)\]", r"\1"),
    (r"\bzinfo\.aio\.(client|fleet_calls|fleet_base)\b", r"zinfo.client.\1"),
    (r"import Iterator, Collection, Mapping", "import Collection, Iterator, Mapping"),
    (r"import Awaitable, ", "import "),
]
"""Patterns and what they become."""


def target(name: str) -> Path:
    """Return the path of a generated module."""
    return ROOT / "zinfo" / "client" / name


def generated(name: str) -> str:
    """Return the text of a generated module."""
    source = (ROOT / "zinfo" / "aio" / name).read_text(encoding="utf-8")
    _docstring, _, code = source.partition('"""\n\nfrom __future__')
    for pattern, replacement in REPLACEMENTS:
        code = re.sub(pattern, replacement, code)
    return f"{HEADER.format(name=name, docstring=MODULES[name])}\nfrom __future__{code}"


if __name__ == "__main__":
    for module in MODULES:
        target(module).write_text(generated(module), encoding="utf-8")
