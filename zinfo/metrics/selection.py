"""What of the metrics is told, as the user's configuration says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from zinfo.metrics.samples import OWN_LABELS, OWN_PREFIXES

_FOREIGN = re.compile(r"[^a-zA-Z0-9_]")
_RESERVED = OWN_LABELS | {"instance", "job", "le", "state", "reason"}
_PASSING = frozenset(("pid",))
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Selection:
    """Which metrics are told, and with which labels.

    Attributes:
        include: patterns (`*`, `?`, `[...]`) of metrics' names; only what one of them fits.
        exclude: patterns of names that are left out of that.
        labels: names of the shards' labels that are told; None for all but `pid`, which the local
            watcher gives and which would make new series at each restart of a server.
        max_samples: samples of one shard; more are cut, and counted.
    """

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    max_samples: int = 5000

    def takes(self, name: str) -> bool:
        """Return whether a metric of this name is told."""
        return any(fnmatchcase(name, pattern) for pattern in self.include) and not any(
            fnmatchcase(name, pattern) for pattern in self.exclude
        )

    def labels_of(self, labels: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return a shard's labels as they are told.

        A name that Prometheus does not allow gets `_` for each character that is in the way; one
        that metrics have themselves (`cmd`, `db`, `os`, `instance`, ...), that begins with a digit
        or is empty is told as `label_...`. Prometheus refuses a whole scrape for one label that
        is there twice.
        """
        told: dict[str, str] = {}
        for name, value in labels.items():
            if name in self.labels if self.labels is not None else name not in _PASSING:
                plain = _FOREIGN.sub("_", name)
                if (
                    not plain
                    or plain in _RESERVED
                    or plain[0].isdigit()
                    or plain.startswith(("__", *OWN_PREFIXES))
                ):
                    plain = f"label_{plain}"
                told.setdefault(plain, value)
        return list(told.items())


def label_text(labels: Sequence[tuple[str, str]]) -> str:
    """Return labels as they stand between the braces of the text format."""
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels)
