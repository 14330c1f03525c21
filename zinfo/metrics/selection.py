"""Selection: which metrics and labels are exposed, according to the configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from zinfo.metrics.samples import SAMPLE_LABEL_PREFIXES, SAMPLE_LABELS

_INVALID = re.compile(r"[^a-zA-Z0-9_]")
_PLAIN = re.compile(r"[a-zA-Z0-9_]{1,64}")
_RESERVED = SAMPLE_LABELS | {"instance", "job", "le", "state", "reason"}
_VOLATILE = frozenset(("pid",))
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Selection:
    """Which metrics are exposed, and with which labels.

    Attributes:
        include: patterns (`*`, `?`, `[...]`) of names of metrics; others are not exposed.
        exclude: patterns of names that are not exposed although `include` matches.
        labels: names of the shard labels that are exposed; None for all but `pid`, a label of the
            local watcher that would start new time series at each restart of a server.
        max_samples: maximum number of samples of one shard; further ones are only counted.
    """

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    max_samples: int = 5000

    def includes(self, name: str) -> bool:
        """Return whether a metric of this name is exposed."""
        return any(fnmatchcase(name, pattern) for pattern in self.include) and not any(
            fnmatchcase(name, pattern) for pattern in self.exclude
        )

    def labels_of(self, labels: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the labels of a shard as they are exposed.

        Characters that Prometheus does not allow in a name become `_`. A name that is empty, begins
        with a digit, or is a label of samples (`cmd`, `db`, `os`, `instance`, ...) gets the prefix
        `label_`. If two names become equal, the first is exposed: Prometheus rejects a whole scrape
        with a duplicate label.
        """
        exposed: dict[str, str] = {}
        for name, value in labels.items():
            if name in self.labels if self.labels is not None else name not in _VOLATILE:
                exposed.setdefault(_exposed_name(name), value)
        return list(exposed.items())

    def text_of_labels(self, labels: Mapping[str, str], ident: str | None) -> str:
        """Return the labels of a shard in the text format.

        Args:
            labels: all labels of the shard.
            ident: its id, for the label `instance`; None without that label.
        """
        text, quotes = "", 0
        if labels:
            template, quotes = _template(self.labels, tuple(labels))
            text = template % labels
        if ident is not None:
            text = f'instance="{ident}",{text}' if text else f'instance="{ident}"'
            quotes += 2
        # Otherwise a value needs an escape, or a name is not plain.
        if text.isascii() and text.count('"') == quotes and "\\" not in text and "\n" not in text:
            return text
        exposed = self.labels_of(labels)
        return label_text(exposed if ident is None else [("instance", ident), *exposed])


@lru_cache(maxsize=1024)
def _template(shown: tuple[str, ...] | None, names: tuple[str, ...]) -> tuple[str, int]:
    """Return a template (`%`) of the labels of a shard with these names, and the quotes in it.

    Where a name is not plain, the number of quotes is one that no text has.
    """
    found = Selection(labels=shown).labels_of({name: name for name in names})
    template = ",".join([f'{exposed}="%({name})s"' for exposed, name in found])
    is_plain = all(_PLAIN.fullmatch(name) for name in names)
    return (template, 2 * len(found)) if is_plain else ("", -3)


def label_text(labels: Sequence[tuple[str, str]]) -> str:
    """Return labels in the text format, without the braces; what UTF-8 does not have is escaped."""
    return ",".join([f'{name}="{_escaped(value)}"' for name, value in labels])


def _escaped(value: str) -> str:
    if not value.isascii():
        value = value.encode("utf-8", "backslashreplace").decode()
    if '"' in value or "\\" in value or "\n" in value:  # rare, and `translate` takes 2 us
        return value.translate(_ESCAPES)
    return value


@lru_cache(maxsize=1024)
def _exposed_name(name: str) -> str:
    """Return the name of a label as it is exposed; all shards have the same few names."""
    plain = _INVALID.sub("_", name)
    if (
        not plain
        or plain in _RESERVED
        or plain[0].isdigit()
        or plain.startswith(("__", *SAMPLE_LABEL_PREFIXES))
    ):
        plain = f"label_{plain}"
    return plain
