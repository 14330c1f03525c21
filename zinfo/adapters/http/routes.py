"""The query operations that HTTP serves, and the form of their arguments in a URL.

One table says it for both the parser and the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from zinfo.errors import BadRequestError

TEXTS, TEXT, FLAG, SECONDS, COUNT, LABELS = "texts", "text", "flag", "seconds", "count", "labels"

MAX_SECONDS: Final = 1e9
MAX_COUNT: Final = 10**15

_MOST_ARGUMENTS = 2000  # in one URL, whose length the server bounds, too
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}


class Argument(NamedTuple):
    """One argument of a question.

    Attributes:
        kind: how its text is read.
        help: what it does.
    """

    kind: str
    help: str


class Question(NamedTuple):
    """One operation, as HTTP has it.

    Attributes:
        operation: of the query endpoint.
        summary: what it gives, in a line.
        arguments: by name.
        extra: what else there is in the answer, by name: JSON schema.
    """

    operation: str
    summary: str
    arguments: Mapping[str, Argument]
    extra: Mapping[str, object]


_PAGE: Final = {
    "limit": Argument(COUNT, "entries of an answer at most; 0 for as many as fit"),
    "cursor": Argument(TEXT, "where to go on: the `cursor` of the answer before"),
}
_CURSOR: Final = {
    "cursor": {"type": "string", "description": "there is more: ask again with this cursor"}
}
_LABELS: Final = Argument(LABELS, "only shards with these labels: `labels[site]=fra`")

QUESTIONS: Final = {
    "/api/v1/infos": Question(
        "get_infos",
        "The newest INFO of shards",
        {
            "shard_ids": Argument(TEXTS, "of these shards; none for all that have been polled"),
            "keys": Argument(TEXTS, "only these fields"),
            "prefix_matching": Argument(FLAG, "take `keys` as beginnings of names"),
            "sections": Argument(TEXTS, "only fields of these sections"),
            "labels": _LABELS,
            "max_age": Argument(SECONDS, "leave out what is older; 0 takes all"),
            "allow_partial": Argument(FLAG, "give an entry with an error for a shard without INFO"),
            "refresh": Argument(FLAG, "poll what is older than `max_age` first"),
            **_PAGE,
        },
        _CURSOR,
    ),
    "/api/v1/shards": Question(
        "shards",
        "The live shards: state, role, version, interval, age",
        {"ids": Argument(TEXTS, "only these; none for all"), "labels": _LABELS, **_PAGE},
        _CURSOR,
    ),
    "/api/v1/events": Question(
        "events",
        "What happened to shards: up, down, restarted, ...",
        {
            "since": Argument(COUNT, "only events with a higher number"),
            "ids": Argument(TEXTS, "only of these shards; none for all"),
            **_PAGE,
        },
        {
            **_CURSOR,
            "oldest": {"type": "integer", "description": "number of the oldest event still held"},
            "newest": {"type": "integer", "description": "number of the newest event"},
        },
    ),
    "/api/v1/stats": Question("stats", "zinfo's own counters", {}, {}),
}
"""Path to question."""


def arguments_of(query: str, known: Mapping[str, Argument]) -> dict[str, object]:
    """Return the arguments that a URL's query holds.

    Args:
        query: what follows the `?`. A list is a name that is repeated: `keys=role&keys=os`.
        known: the arguments that there are.

    Raises:
        BadRequestError: one is unknown, given twice, or not of its kind.
    """
    try:
        pairs = parse_qsl(
            query,
            keep_blank_values=True,
            max_num_fields=_MOST_ARGUMENTS,
            errors="strict",
        )
    except ValueError as error:
        raise BadRequestError(f"the URL's query cannot be read: {error}") from None
    given: dict[str, object] = {}
    for name, text in pairs:
        stem, _, rest = name.partition("[")
        argument = known.get(stem)
        if argument is None or rest.endswith("]") != (argument.kind == LABELS):
            raise BadRequestError(f"unknown argument {name[:80]!r}; there are {_named(known)}")
        if argument.kind == TEXTS:
            _list(given, name).append(text)
        elif argument.kind == LABELS:
            labels = given.setdefault(stem, {})
            assert isinstance(labels, dict)
            if labels.setdefault(rest.removesuffix("]"), text) is not text:
                raise BadRequestError(f"{name[:80]} is given twice")
        elif name in given:
            raise BadRequestError(f"{name} is given twice")
        else:
            given[name] = _value(name, argument.kind, text)
    return given


def _list(given: dict[str, object], name: str) -> list[object]:
    values = given.setdefault(name, [])
    assert isinstance(values, list)
    return values


def _value(name: str, kind: str, text: str) -> object:
    if kind == FLAG:
        if text.lower() not in _FLAGS:
            raise BadRequestError(f"{name} must be true or false")
        return _FLAGS[text.lower()]
    if kind == SECONDS:
        try:
            seconds = float(text)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= MAX_SECONDS:
            raise BadRequestError(f"{name} must be a number of seconds, 0 to {MAX_SECONDS:g}")
        return seconds
    if kind == COUNT:
        if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) <= MAX_COUNT):
            raise BadRequestError(f"{name} must be a whole number, 0 to {MAX_COUNT}")
        return int(text)
    return text


def _named(known: Mapping[str, Argument]) -> str:
    names: Sequence[str] = [
        f"{name}[NAME]" if argument.kind == LABELS else name for name, argument in known.items()
    ]
    return ", ".join(names) or "none"
