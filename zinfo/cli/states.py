"""The option --state, which selects shards by their state."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from zinfo.wire.lifecycle import ORDERED_STATES

_Function = TypeVar("_Function", bound=Callable[..., object])


def state_option() -> Callable[[_Function], _Function]:
    """Add the option --state; the command gets a tuple as `states`, empty for any state."""
    return click.option(
        "--state",
        "states",
        metavar="STATE",
        multiple=True,
        type=click.Choice(ORDERED_STATES),
        help=f"Only shards in this state: {', '.join(ORDERED_STATES)}. Repeatable: one must match.",
    )
