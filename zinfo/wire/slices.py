"""Which daemons of a fleet poll a shard: slices of all shards, by a consistent hash. Pure.

Each shard is assigned to `copies` different slices of `count`. The hash is jump consistent hash
(Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014,
https://arxiv.org/abs/1406.2294) of a BLAKE2b digest of the key and a salt. When a fleet grows from
N to N+1 slices, one in N+1 of the copies moves, nearly always to the new slice, and both copies of
a shard rarely move together. docs/reference/protocol.md has test vectors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

MAX_SLICES = 1024
"""Greatest number of slices."""

MAX_COPIES = 8
"""Greatest number of copies of a shard. Choosing them takes a few hashes for each."""

BY_ID = "id"
"""Value of `SliceSpec.by` for the id of the shard; any other is the name of a label."""

_JUMP_MULTIPLIER = 2862933555777941757  # of the linear congruential generator in the paper


@dataclass(frozen=True, slots=True)
class SliceSpec:
    """How a fleet is divided, and which slice one daemon polls.

    Attributes:
        number: of this daemon's slice, from 0 to `count` - 1.
        count: number of slices; 1 to `MAX_SLICES`.
        copies: number of slices that poll each shard; 1 to `count`, and at most `MAX_COPIES`.
        by: `BY_ID`, or the name of the label whose shards stay together.

    Raises:
        ValueError: a number is out of its range.
    """

    number: int
    count: int
    copies: int = 1
    by: str = BY_ID

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_SLICES:
            raise ValueError(f"count is {self.count}, expected 1 to {MAX_SLICES}")
        if not 0 <= self.number < self.count:
            raise ValueError(f"number is {self.number}, expected 0 to {self.count - 1}")
        most = min(self.count, MAX_COPIES)
        if not 1 <= self.copies <= most:
            raise ValueError(f"copies is {self.copies}, expected 1 to {most}")

    def __str__(self) -> str:
        """Return a text such as `slice 1 of 3, copies 2`, and `by` if it is a label."""
        by = "" if self.by == BY_ID else f", by {self.by}"
        return f"slice {self.number} of {self.count}, copies {self.copies}{by}"

    def as_map(self) -> dict[str, object]:
        """Return the map that the replies to `hello` and `stats` have."""
        return {
            "number": self.number,
            "count": self.count,
            "copies": self.copies,
            "by": self.by,
        }

    def key(self, shard_id: str, labels: Mapping[str, str]) -> str:
        """Return the key that decides the slices of a shard.

        Args:
            shard_id: its id.
            labels: its labels.
        """
        return shard_id if self.by == BY_ID else labels.get(self.by, shard_id)

    def includes(self, shard_id: str, labels: Mapping[str, str]) -> bool:
        """Return whether this daemon polls a shard; arguments as for `key`."""
        if self.copies == self.count:
            return True  # each slice has all shards
        return self.number in slices_of(self.key(shard_id, labels), self.count, self.copies)


def slice_from_map(value: object) -> SliceSpec | None:
    """Return the slice in a daemon's reply to `hello`; None where it has none.

    Args:
        value: of the key `slice`. What is not a valid slice counts as none: the daemon then has to
            answer for all of its shards, so that none is overlooked.
    """
    if not isinstance(value, dict):
        return None
    number, count, copies = value.get("number"), value.get("count"), value.get("copies")
    by = value.get("by")
    if not (type(number) is int and type(count) is int and type(copies) is int):
        return None
    if not isinstance(by, str):
        return None
    try:
        return SliceSpec(number, count, copies, by)
    except ValueError:
        return None


def slices_of(key: str, count: int, copies: int = 1) -> tuple[int, ...]:
    """Return the numbers of the slices that poll the shards with a key; the first copy's first.

    The candidates are jump hashes of the key with salt 0, 1, 2 and so on. A candidate that was
    chosen before is skipped.

    Args:
        key: the id of a shard, or the value of a label.
        count: number of slices, at least 1.
        copies: number of different slices wanted; 1 to `count`.
    """
    chosen: list[int] = []
    salt = 0
    while len(chosen) < copies:
        number = jump_hash(key_hash(key, salt), count)
        if number not in chosen:
            chosen.append(number)
        salt += 1
    return tuple(chosen)


def key_hash(key: str, salt: int) -> int:
    """Return a 64-bit hash: the first 8 bytes, little-endian, of BLAKE2b-512 of `SALT:KEY`.

    Args:
        key: text, encoded as UTF-8; lone surrogates are encoded as if they were characters.
        salt: not negative; written in decimal.
    """
    text = f"{salt}:{key}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text).digest()[:8], "little")


def jump_hash(key: int, buckets: int) -> int:
    """Return the bucket of a key, 0 to `buckets` - 1, by jump consistent hash.

    Args:
        key: 64-bit unsigned integer.
        buckets: at least 1.
    """
    bucket, jump = -1, 0
    while jump < buckets:
        bucket = jump
        key = (key * _JUMP_MULTIPLIER + 1) & (2**64 - 1)
        jump = int((bucket + 1) * ((1 << 31) / ((key >> 33) + 1)))
    return bucket
