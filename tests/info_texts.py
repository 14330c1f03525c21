"""The stored INFO texts, and equality that also compares types and order."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from zinfo.info import encoder
from zinfo.info.delta import Delta
from zinfo.info.parser import Info, Layout, Value
from zinfo.info.selections import Selections
from zinfo.native.loader import native
from zinfo.wire.codec import unpack

FOLDER = Path(__file__).parent / "data" / "info"

TEXTS = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.txt"))}
"""Name of the file, without its suffix, to the reply of the server."""

SEQUENCES = [
    [TEXTS[f"{server}-{step}"] for step in ("idle", "primary-1", "primary-2", "primary-3")]
    for server in ("redis-6.2.14", "redis-7.0.15", "valkey-8.1.8", "valkey-9.1.2")
]
"""Successive replies of one server."""


def handmade(name: str) -> bytes:
    """Return a stored text that was written by hand."""
    return TEXTS[f"handmade-{name}"]


def exact(value: object) -> str:
    """Return a text that differs if value, type or order differ, as of 1, 1.0, True and "1"."""
    return repr(value)


def form(info: Info) -> str:
    """Return an Info without its raw bytes, in a form to compare."""
    return exact((info.fields, info.sections, info.bad_lines))


def apply(delta: Delta, fields: dict[str, Value]) -> dict[str, Value]:
    """Apply a delta, as a client does to its copy."""
    changed = {name: value for name, value in fields.items() if name not in delta.unset}
    return changed | delta.set


def whole_delta(old: bytes, new: bytes, layout: Layout) -> tuple[Delta, Layout]:
    """Return the delta of all fields as it is published, decoded, and the layout of the new one."""
    (body,), layout = encoder.encode_deltas(old, new, layout, Selections(), 1, 7)
    assert body is not None
    value = cast("dict[str, Any]", unpack(body))
    assert list(value) == ["set", "unset", "base"]
    assert value["base"] == 7
    return Delta(value["set"], value["unset"]), layout


def select_implementation(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Encode with the native part, or with Python."""
    if name == "python":
        monkeypatch.setattr(encoder, "native", None)
    elif native is None:
        pytest.skip("no native part: no compiler when zinfo was installed, or ZINFO_PURE_PYTHON")
