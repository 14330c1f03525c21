"""The `meta` of an INFO in the result of `get_infos`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

NOT_AVAILABLE_AGE = 1e38
"""info_age of an entry that has no INFO; finite, for XML-RPC and clients that read a number."""


class _Always(TypedDict):
    shard_identifier: str
    id: str
    info_age: float


class InfoMeta(_Always, total=False):
    """What `get_infos` and `GetInfos` say of an INFO, under its key `meta`: a dict.

    `shard_identifier`, `id` and `info_age` are always there, the other keys where they apply:
    `meta: InfoMeta = info["meta"]`.

    Attributes:
        shard_identifier: id of the shard.
        id: the same; the name that all results have.
        info_age: seconds since the INFO arrived; 1e38 if there is none. JSON has null then.
        state: new, up, loading, busy or down; missing if the shard is unknown.
        revision: number of the INFO; missing if there is none.
        time: wall clock when it arrived, seconds since the Unix epoch; missing if there is none.
        labels: those of the shard, with `with_labels`; missing if the shard is unknown.
        error: why there is no INFO, with `allow_partial`; missing if there is one.
    """

    state: str
    revision: int
    time: float
    labels: dict[str, str]
    error: str


def clear_unknown_ages(entries: Iterable[Mapping[str, Any]]) -> None:
    """Make the age None in the `meta` of each entry without INFO, as JSON has it."""
    for entry in entries:
        meta = entry["meta"]
        if "error" in meta:
            meta["info_age"] = None
