"""Former names of arguments, which are accepted with a DeprecationWarning. Pure."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import TypeVar

_Ids = TypeVar("_Ids", bound="Collection[str] | None")


def chosen_ids(shard_ids: _Ids, former: _Ids | None, former_name: str) -> _Ids:
    """Return the ids of shards that a caller gives as `shard_ids`, or under a former name.

    The function that has the arguments calls this itself, so that the warning names its caller.

    Args:
        shard_ids: the argument.
        former: the argument under its former name; None where it is not given.
        former_name: that name.

    Raises:
        TypeError: both are given.
    """
    if former is None:
        return shard_ids
    if shard_ids:
        raise TypeError(f"{former_name} is the former name of shard_ids: give only shard_ids")
    warnings.warn(f"{former_name} is now called shard_ids", DeprecationWarning, stacklevel=3)
    return former
