"""The native part, where it could be compiled; without it Python does the same, slower.

`ZINFO_PURE_PYTHON`, set to anything in the environment, does without it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, cast

Encoded: TypeAlias = "tuple[int, list[bytes | tuple[int, bytes]]]"
"""Number of fields; msgpack and, in between, number of a line and what Python is to write of it."""


class Native(Protocol):
    """What `zinfo._native` has; its own docstrings say more."""

    def count_marks(self, raw: bytes) -> tuple[int, int]:
        """Count a reply's LF and its commas."""

    def encode_fields(self, raw: bytes, names: tuple[str, ...], kinds: bytes) -> Encoded | None:
        """Write the fields of a reply as msgpack."""

    def encode_changes(
        self, old: bytes, raw: bytes, names: tuple[str, ...], kinds: bytes
    ) -> Encoded | None:
        """Write the fields whose line is another than in an older reply."""

    def encode_entry(
        self, raw: bytes, names: tuple[bytes, ...], kinds: bytes, told: Mapping[str, object], /
    ) -> bytes | None:
        """Write a few fields, and what else is told of a shard, as one msgpack map."""

    def encode_entries(
        self,
        ids: list[str],
        shards: list[Any],
        names: tuple[bytes, ...],
        kinds: bytes,
        now: float,
        oldest: float,
        most: int,
        room: int,
    ) -> tuple[bytes, int, int]:
        """Write a few fields of many shards, each with its `meta`, as msgpack maps."""

    def find_fields(self, raw: bytes, names: tuple[bytes, ...]) -> list[bytes | None] | None:
        """Find what stands after the colon of some fields."""

    def discard_frames(
        self, functions: tuple[int, int, int, int], socket: int, seconds: float
    ) -> tuple[int, bool]:
        """Discard frames of a ZeroMQ message; returns how many, and whether it has more."""

    def count_containers(self, packed: bytes, /) -> int:
        """Count the arrays and maps of a msgpack document."""

    def fits(self, raw: bytes, names: tuple[str, ...], kinds: bytes) -> bool:
        """Say whether a reply has a layout."""


def _find() -> Native | None:
    if os.environ.get("ZINFO_PURE_PYTHON"):
        return None
    try:
        return cast("Native", importlib.import_module("zinfo._native"))
    except ImportError:  # there was no compiler when zinfo was installed
        return None


native = _find()  #: the native part, or None
