"""The stored INFO texts, and equality that also compares types and order."""

from __future__ import annotations

from pathlib import Path

import pytest

from zinfo.info import encoder
from zinfo.info.delta import Delta
from zinfo.info.parser import Info, Value
from zinfo.native.loader import native

FOLDER = Path(__file__).parent / "data" / "info"

TEXTS = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.txt"))}
"""Name of the file, without its ending, to what the server sent."""

SEQUENCES = [
    [TEXTS[f"{server}-{step}"] for step in ("idle", "primary-1", "primary-2", "primary-3")]
    for server in ("redis-6.2.14", "redis-7.0.15", "valkey-8.1.8", "valkey-9.1.2")
]
"""Replies of one server, one after the other."""


def handmade(name: str) -> bytes:
    """A text of the folder that was written by hand."""
    return TEXTS[f"handmade-{name}"]


def exact(value: object) -> str:
    """A form that differs where value, type or order differ: 1, 1.0, True and "1" are four."""
    return repr(value)


def form(info: Info) -> str:
    """All that an Info says but its raw bytes."""
    return exact((info.fields, info.sections, info.bad_lines))


def apply(delta: Delta, fields: dict[str, Value]) -> dict[str, Value]:
    """What a consumer makes of its copy when a delta arrives."""
    changed = {name: value for name, value in fields.items() if name not in delta.unset}
    return changed | delta.set


def choose_twin(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have encodings made by the native part, or by Python."""
    if name == "python":
        monkeypatch.setattr(encoder, "native", None)
    elif native is None:
        pytest.skip("no native part: no compiler when zinfo was installed, or ZINFO_PURE_PYTHON")
