"""The option --label, and the shards that have these labels while a command follows events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import click

from zinfo.cli.completion import complete_labels
from zinfo.wire.lifecycle import ADDED, LABELS_CHANGED, REMOVED

if TYPE_CHECKING:
    from zinfo.client import Client, Event, Fleet

_Function = TypeVar("_Function", bound=Callable[..., object])


def parse_labels(
    _ctx: click.Context, _param: click.Parameter, pairs: tuple[str, ...]
) -> dict[str, str]:
    """Return the labels of all --label options.

    Raises:
        click.BadParameter: a text has no `=`, or a label is given twice with different values.
    """
    labels: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"found {pair!r}, expected NAME=VALUE")
        if labels.setdefault(name, value) != value:
            raise click.BadParameter(f"{name} cannot be both {labels[name]!r} and {value!r}")
    return labels


def label_option(text: str = "Only shards with this label.") -> Callable[[_Function], _Function]:
    """Add the option --label; the command gets a dict as `labels`.

    Args:
        text: start of the help.
    """
    return click.option(
        "--label",
        "labels",
        metavar="NAME=VALUE",
        multiple=True,
        callback=parse_labels,
        shell_complete=complete_labels,
        help=f"{text} Repeatable: all must match.",
    )


class LabelledShards:
    """The ids of the shards with some labels, which events keep up to date.

    Args:
        client: requests the shards.
        labels: those that the shards have; empty for any.
    """

    def __init__(self, client: Client | Fleet, labels: Mapping[str, str]) -> None:
        self._client = client
        self._labels = dict(labels)
        self._ids: set[str] = set()

    def __contains__(self, shard: str) -> bool:
        return not self._labels or not shard or shard in self._ids

    def read(self) -> None:
        """Request the shards."""
        if self._labels:
            self._ids = {shard["id"] for shard in self._client.shards(labels=self._labels)}

    def accepts(self, event: Event) -> bool:
        """Apply an event; return whether it is about one of these shards, before it or after it.

        Events of the daemon itself are about no shard, and are accepted.

        Raises:
            ZinfoError: the event lacks the labels, which are too large, and a request for them
                failed.
        """
        if not self._labels or not event.shard:
            return True
        before = event.shard in self._ids
        if event.type == REMOVED:
            self._ids.discard(event.shard)
        elif event.type in (ADDED, LABELS_CHANGED):
            if self._has_labels(event):
                self._ids.add(event.shard)
            else:
                self._ids.discard(event.shard)
        return before or event.shard in self._ids

    def _has_labels(self, event: Event) -> bool:
        labels = event.labels
        if labels is None:  # too large for an event
            found = self._client.shards(labels=self._labels)
            return any(shard["id"] == event.shard for shard in found)
        return self._labels.items() <= labels.items()
