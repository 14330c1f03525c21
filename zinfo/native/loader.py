"""Loads the native part if it was compiled; without it Python does the same, slower.

If the environment variable `ZINFO_PURE_PYTHON` is set, the native part is not loaded.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar, cast

EncodeField: TypeAlias = "Callable[[str, bytes], bytes]"
"""Returns the name and the value of a field as msgpack, from its name and its text."""

Part: TypeAlias = "tuple[bytes, int, bytes]"
"""The text before the samples of a metric, its number, and its name."""


Missing: TypeAlias = "tuple[()] | tuple[bytes, bytes, bytes, bytes, bool, int]"
"""What is missing of a reply in a scrape; `Lines.write` describes it."""

ReplyT = TypeVar("ReplyT", bound="tuple[Any, ...]")


class NativePlan(Protocol):
    """What each field becomes in a scrape."""

    def add_field(
        self,
        name: bytes,
        op: int,
        is_visible: int,
        out: tuple[int, int],
        claims: tuple[int, int],
        shift: int,
        flags: int,
        slot: int,
        item: int,
    ) -> bool:
        """Add a field; return whether there was room."""

    def add_part(self, kind: int, name: bytes, family: int, extra: bytes, shift: int) -> bool:
        """Add a part of maps; return whether there was room."""

    def add_fact(self, label: bytes, slot: int, other: int, is_optional: int) -> None:
        """Add a label of the sample that describes the server."""


class NativeLines(Protocol):
    """The samples of one scrape by metric."""

    @property
    def written(self) -> int:
        """Number of lines of the last shard."""

    def start_shard(self, labels: bytes) -> None:
        """Start a shard that has these labels."""

    def write(
        self,
        plan: NativePlan,
        replies: list[ReplyT],
        place: int,
        on_map: Callable[[bytes, int], None],
        most: int,
        is_plain: bool,
        is_started: bool,
    ) -> tuple[int, Missing | None]:
        """Write the samples of some replies."""

    def add_text(self, family: int, text: bytes) -> None:
        """Add lines of the shard."""

    def add_sample(self, family: int, labels: bytes, number: str) -> None:
        """Add a sample of the shard, with labels of its own in the text format."""

    def undo(self) -> None:
        """Remove the samples of the last shard."""

    def clear(self) -> int:
        """Remove all shards; return the bytes of the memory, which is used again."""

    def size(self, family: int) -> int:
        """Return the bytes that the samples of a metric take here."""

    def piece(
        self, parts: tuple[Part, ...], index: int, at: int, shard: int, room: int
    ) -> tuple[bytes, int, int, int]:
        """Return a piece of the text of metrics, and where the next one begins."""


class Native(Protocol):
    """The functions of `zinfo._native`; its docstrings have the details."""

    def Plan(  # noqa: N802 # a class
        self,
        shown: tuple[int, ...],
        totals: tuple[int, int],
        start_family: int,
        info_family: int,
        state_families: tuple[int, ...],
        replication_families: tuple[int, ...],
    ) -> NativePlan:
        """Make a plan without fields."""

    def Lines(self) -> NativeLines:  # noqa: N802 # a class
        """Make an object without samples."""

    def count_marks(self, raw: bytes) -> tuple[int, int]:
        """Count the LF and the commas of a reply."""

    def count_bad_lines(self, raw: bytes) -> int:
        """Count the lines that are neither a field nor a header, a comment or blank."""

    def encode_fields(
        self, raw: bytes, names: tuple[str, ...], kinds: bytes, encode: EncodeField
    ) -> tuple[int, bytes] | None:
        """Encode the fields of a reply as msgpack."""

    def encode_deltas(
        self,
        old: bytes,
        raw: bytes,
        names: tuple[str, ...],
        kinds: bytes,
        masks: bytes | None,
        wanted: int,
        number: int,
        base: int,
        encode: EncodeField,
    ) -> list[bytes | None] | None:
        """Encode the fields whose line differs from that of an older reply, as deltas."""

    def encode_entry(
        self, raw: bytes, names: tuple[bytes, ...], kinds: bytes, more: Mapping[str, object], /
    ) -> bytes | None:
        """Encode a few fields, and more values, as one msgpack map."""

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
        """Encode a few fields of many shards, each with its `meta`, as msgpack maps."""

    def find_fields(self, raw: bytes, names: tuple[bytes, ...]) -> list[bytes | None] | None:
        """Find the text after the colon of some fields."""

    def discard_frames(
        self, functions: tuple[int, int, int, int], socket: int, seconds: float
    ) -> tuple[int, bool]:
        """Discard frames of a ZeroMQ message; return their number, and whether it has more."""

    def count_containers(self, packed: bytes, /) -> int:
        """Count the arrays and maps of a msgpack document."""

    def write_row(
        self,
        rows: bytearray,
        position: int,
        raw: bytes,
        names: tuple[bytes, ...],
        kinds: bytes,
        at: float,
        /,
    ) -> None:
        """Write the numbers of some fields of a reply to a row."""

    def write_point(
        self,
        ring: bytearray,
        size: int,
        position: int,
        raw: bytes,
        names: tuple[bytes, ...],
        kinds: bytes,
        seconds: float,
        /,
    ) -> None:
        """Write the values of a reply to a step of the ring of a history."""

    def gather_rows(
        self,
        rows: bytearray,
        states: bytearray,
        fields: int,
        positions: bytes,
        places: bytes,
        now: float,
    ) -> tuple[bytearray, bytearray, list[tuple[bytearray, bytearray]]] | None:
        """Copy some fields of some rows to columns."""

    def fill_columns(
        self,
        shards: list[Any],
        fields: tuple[Any, ...],
        arrays: tuple[Any, ...],
        states: tuple[Any, ...],
        now: float,
        first: int,
    ) -> list[Any]:
        """Fill arrays with the ages, states and fields of some shards."""

    def merge_deltas(self, info: bytes, bodies: tuple[bytes, ...]) -> bytes | None:
        """Apply deltas to an INFO, all of them msgpack, without decoding them."""

    def read_deltas(
        self, batch: bytes, epoch: int, shards: Mapping[bytes, str]
    ) -> list[tuple[str, int, int, float, bytes]] | None:
        """Read the deltas of a batch; their fields are checked, not decoded."""

    def pack_batched(
        self, head: bytes, start: bytes, seq: int, time: float, body: bytes, /
    ) -> bytes | None:
        """Pack a delta as it is in the body of a batch."""

    def fold_delta(self, old: bytes, body: bytes) -> bytes | None:
        """Return a delta with the changes of an earlier delta and of a later one."""

    def apply_deltas(  # noqa: PLR0913, PLR0917 # what a Mirror has is in several objects
        self,
        batch: bytes,
        epoch: int,
        shards: Mapping[bytes, str],
        records: dict[str, Any],
        last: dict[str, int],
        suspects: set[str],
        offset: float,
        now: float,
        most: int,
        names: tuple[bytes, ...],
        found: list[tuple[str, int, int, float, bytes]],
    ) -> tuple[int, int] | None:
        """Apply the deltas of a batch to the shards of a Mirror, up to the first not plain."""

    def untrack(self, value: object, /) -> None:
        """Have the garbage collector never visit an object, which is part of no cycle."""

    def fits(self, raw: bytes, names: tuple[str, ...], kinds: bytes) -> bool:
        """Return whether a reply has a layout."""


def _load() -> Native | None:
    if os.environ.get("ZINFO_PURE_PYTHON"):
        return None
    try:
        return cast("Native", importlib.import_module("zinfo._native"))
    except ImportError:  # zinfo was installed without a compiler
        return None


native = _load()  #: the native part, or None
