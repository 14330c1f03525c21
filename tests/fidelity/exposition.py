"""Reads Prometheus' text format line by line, to count what its library may merge."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.metrics.texts import Labels

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\"n])*)"(?:,|$)')
_ESCAPE = re.compile(r"\\(.)")


class Series(NamedTuple):
    """One line with a sample."""

    name: str
    labels: Labels
    value: float


def series(text: str) -> list[Series]:
    """Return every sample of a text, in order, also those that occur twice.

    Raises:
        AssertionError: a line is neither a sample nor a comment.
    """
    found = []
    for line in text.split("\n"):
        if not line or line.startswith("#"):
            continue
        sample = _SAMPLE.fullmatch(line)
        assert sample, line
        name, labels, value = sample.groups()
        found.append(Series(name, _labels(labels or ""), float(value)))
    return found


def _labels(text: str) -> Labels:
    pairs, place = [], 0
    while place < len(text):
        label = _LABEL.match(text, place)
        assert label, text
        pairs.append((label[1], _ESCAPE.sub(lambda e: "\n" if e[1] == "n" else e[1], label[2])))
        place = label.end()
    assert len({name for name, _ in pairs}) == len(pairs), f"a label is there twice: {text}"
    return frozenset(pairs)
