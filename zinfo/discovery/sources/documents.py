"""Parses JSON and YAML from outside into plain values, as Go's decoders read them. Pure.

Prometheus decodes with encoding/json and go.yaml.in/yaml/v2. Repeated keys are therefore preserved,
and each YAML scalar is text except for null: 6379, true and 2026-01-01 stay as they are written.

No input raises another error than `SourceError`, and the work is bounded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from zinfo.errors import SourceError

MAX_ITEMS = 5_000_000
"""Maximum number of values in one document, those that YAML aliases repeat included."""

MAX_DEPTH = 100
"""Maximum nesting of a YAML document; that of JSON is bounded by Python's limit of recursion."""

Pause = Callable[[], object]
"""Called every few values, so that the work can yield to an event loop."""

_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # with libyaml if it is there
_NULL = frozenset({"", "~", "null", "Null", "NULL"})


class Pairs(list[tuple[object, object]]):
    """A mapping: keys and values in order, with repeated keys."""


class Number(str):
    """A number in JSON, as it is written."""

    __slots__ = ()


class MergeKey(str):
    """The key `<<` of YAML, without quotes."""

    __slots__ = ()


def parse_json(data: bytes) -> object:
    """Return the value of a JSON text: list, Pairs, str, Number, bool or None.

    Bytes that are not UTF-8 become U+FFFD, as in Go.

    Raises:
        SourceError: it is not JSON, or nested too deeply.
    """
    try:
        text = data.decode("utf-8-sig", "replace")
        return json.loads(
            text,
            object_pairs_hook=Pairs,
            parse_int=Number,
            parse_float=Number,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        raise SourceError(f"it is not JSON: {error.msg} (line {error.lineno})") from None
    except RecursionError:
        raise SourceError("it is nested too deeply") from None
    except MemoryError:
        raise SourceError("it needs too much memory") from None


def parse_yaml(data: bytes, pause: Pause) -> object:
    """Return the value of the first YAML document: list, Pairs, str or None.

    Raises:
        SourceError: it is not YAML, nested too deeply, or too large.
    """
    try:
        loader = _LOADER(data)
        try:
            return _Builder(pause).build(iter(loader.get_event, None))
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise SourceError(f"it is not YAML: {_problem_of(error)}") from None
    except (
        ValueError,
        ArithmeticError,
        LookupError,
    ):  # PyYAML without libyaml, for instance of "\\UFFFFFFFF"
        raise SourceError("it is not YAML: bad text") from None
    except MemoryError:
        raise SourceError("it needs too much memory") from None


class _Builder:
    """Builds the value of a document from its events, without recursion."""

    def __init__(self, pause: Pause) -> None:
        self._pause = pause
        self._items = 0
        self._anchors: dict[str, object] = {}
        self._open: list[list[object]] = []  # collections, a mapping as keys and values in turn

    def build(self, events: Iterator[yaml.Event]) -> object:
        anchors: list[str | None] = []  # of the open collections
        for event in events:
            self._count(1)
            if isinstance(event, yaml.ScalarEvent):
                value = self._anchored(event.anchor, _scalar(event))
            elif isinstance(event, yaml.AliasEvent):
                if event.anchor not in self._anchors:
                    raise SourceError("it is not YAML: an alias has no anchor before it")
                value = self._anchors[event.anchor]
            elif isinstance(event, yaml.CollectionStartEvent):
                if len(self._open) >= MAX_DEPTH:
                    raise SourceError("it is nested too deeply")
                self._open.append([])
                anchors.append(event.anchor)
                continue
            elif isinstance(event, yaml.CollectionEndEvent):
                items: object = self._open.pop()
                if isinstance(event, yaml.MappingEndEvent):
                    items = self._mapping(items)
                # Only now, so that no collection contains itself.
                value = self._anchored(anchors.pop(), items)
            else:
                continue
            if not self._open:
                return value
            self._open[-1].append(value)
        return None  # no document

    def _count(self, items: int) -> None:
        self._items += items
        if self._items > MAX_ITEMS:
            raise SourceError(f"it has more than {MAX_ITEMS} values")
        self._pause()

    def _anchored(self, anchor: str | None, value: object) -> object:
        if anchor is not None:
            self._anchors[anchor] = value
        return value

    def _mapping(self, items: Any) -> Pairs:
        pairs = Pairs(zip(items[::2], items[1::2], strict=True))
        if not any(isinstance(key, MergeKey) for key, _ in pairs):
            return pairs
        merged: dict[object, tuple[object, object]] = {}  # by key: of several the first counts
        for key, value in pairs:
            if not isinstance(key, MergeKey):
                continue
            for mapping in value if type(value) is list else [value]:
                if not isinstance(mapping, Pairs):
                    raise SourceError("it is not YAML: << expects a mapping")
                self._count(len(mapping))
                for pair in mapping:
                    if isinstance(pair[0], str):
                        merged.setdefault(pair[0], pair)
        own = [pair for pair in pairs if not isinstance(pair[0], MergeKey)]
        return Pairs([*merged.values(), *own])  # of repeated keys the last one counts


def _scalar(event: yaml.ScalarEvent) -> str | None:
    text: str = event.value
    if event.implicit[0] and event.tag is None:  # plain, without quotes
        if text in _NULL:
            return None
        if text == "<<":
            return MergeKey(text)
    return text


def _problem_of(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "bad text"
    mark = getattr(error, "problem_mark", None)
    return f"{problem} (line {mark.line + 1})" if mark is not None else f"{problem}"


def _refuse_constant(_: str) -> object:
    raise json.JSONDecodeError("NaN and Infinity are not JSON", "", 0)
