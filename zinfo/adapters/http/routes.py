"""The query operations that HTTP serves, and the syntax of their arguments in a URL.

One table, `ROUTES`, defines both the parser and the OpenAPI document. Only the syntax is handled
here; `query.arguments` validates the values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from zinfo.errors import BadRequestError
from zinfo.wire.lifecycle import ORDERED_STATES

TEXTS, TEXT, FLAG, SECONDS, COUNT, LABELS = "texts", "text", "flag", "seconds", "count", "labels"

MAX_COUNT: Final = 10**15 - 1
"""Largest value of a COUNT; a longer number is not converted."""

_MAX_ARGUMENTS = 2000  # in one URL, whose length the server limits as well
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
_COUNT: Final = re.compile("[0-9]{1,15}")


class Argument(NamedTuple):
    """One argument of a route.

    Attributes:
        kind: how its text is converted: one of the kinds above.
        help: what it does, for the OpenAPI document.
        required: whether it has to be given.
    """

    kind: str
    help: str
    required: bool = False


class Route(NamedTuple):
    """One query operation as HTTP serves it.

    Attributes:
        operation: name of the operation.
        summary: what it returns, in one line.
        arguments: by name.
        extra: JSON schemas of the members of the response in addition to `data`, by name.
        method: GET, or POST for an operation that changes something.
    """

    operation: str
    summary: str
    arguments: Mapping[str, Argument]
    extra: Mapping[str, object]
    method: str = "GET"


_PAGE: Final = {
    "limit": Argument(COUNT, "maximum number of entries in a response; 0 for as many as fit"),
    "cursor": Argument(TEXT, "where to continue: the `cursor` of the previous response"),
}
_CURSOR: Final = {
    "cursor": {
        "type": "string",
        "description": "present if there are more entries: repeat the request with this cursor",
    }
}
SHARD_LABELS: Final = Argument(LABELS, "only shards with these labels: `labels[site]=fra`")
"""The argument that selects shards by their labels."""

_FORMER_IDS: Final = Argument(TEXTS, "the former name of `shard_ids`")
_STATE: Final = Argument(TEXTS, f"only shards in one of these states: {', '.join(ORDERED_STATES)}")

ROUTES: Final = {
    "/api/v1/infos": Route(
        "get_infos",
        "The newest INFO of shards",
        {
            "shard_ids": Argument(TEXTS, "only these shards; default: all that have been polled"),
            "keys": Argument(TEXTS, "only these fields"),
            "prefix_matching": Argument(FLAG, "treat `keys` as prefixes of field names"),
            "sections": Argument(TEXTS, "only fields of these sections"),
            "labels": SHARD_LABELS,
            "state": _STATE,
            "with_labels": Argument(FLAG, "return the labels of each shard in `meta`"),
            "max_age": Argument(SECONDS, "skip INFO that is older, in seconds; 0 for no limit"),
            "allow_partial": Argument(
                FLAG, "return an entry with an error for a shard without INFO"
            ),
            "refresh": Argument(FLAG, "first poll the shards whose INFO is older than `max_age`"),
            **_PAGE,
        },
        _CURSOR,
    ),
    "/api/v1/columns": Route(
        "get_columns",
        "Some fields of all live shards, one array for each field",
        {
            "keys": Argument(TEXTS, "the fields, 1 to 64", required=True),
            "labels": SHARD_LABELS,
            **_PAGE,
        },
        _CURSOR,
    ),
    "/api/v1/history": Route(
        "history",
        "The last minutes of shards: some numbers at regular times",
        {
            "shard_ids": Argument(TEXTS, "only these shards; default: all"),
            "ids": _FORMER_IDS,
            "fields": Argument(TEXTS, "only these series; default: all"),
            "labels": SHARD_LABELS,
            "since": Argument(SECONDS, "only values after this time, in seconds since the epoch"),
            **_PAGE,
        },
        _CURSOR,
    ),
    "/api/v1/shards": Route(
        "shards",
        "The live shards: state, role, version, interval, age",
        {
            "shard_ids": Argument(TEXTS, "only these shards; default: all"),
            "ids": _FORMER_IDS,
            "labels": SHARD_LABELS,
            "state": _STATE,
            **_PAGE,
        },
        _CURSOR,
    ),
    "/api/v1/events": Route(
        "events",
        "Lifecycle events of shards: up, down, restarted, ...",
        {
            "since": Argument(COUNT, "only events with a higher number"),
            "shard_ids": Argument(TEXTS, "only events of these shards; default: all"),
            "ids": _FORMER_IDS,
            **_PAGE,
        },
        {
            **_CURSOR,
            "oldest": {"type": "integer", "description": "number of the oldest stored event"},
            "newest": {"type": "integer", "description": "number of the newest event"},
        },
    ),
    "/api/v1/sources": Route(
        "sources", "The sources of shards: state, shards, error, ...", {**_PAGE}, _CURSOR
    ),
    "/api/v1/sources/accept": Route(
        "accept_source",
        "Remove at once the shards that the last answer of a source does not list",
        {"name": Argument(TEXT, "name of the source", required=True)},
        {},
        "POST",
    ),
    "/api/v1/stats": Route("stats", "zinfo's own counters", {}, {}),
}
"""The route at each path."""


def parse_arguments(query: str, known: Mapping[str, Argument]) -> dict[str, object]:
    """Return the arguments in the query of a URL, converted to the type of their kind.

    A value that cannot be converted stays text, which `query.arguments` then rejects.

    Args:
        query: the text after the `?`. A name is repeated for a list: `keys=role&keys=os`.
        known: the arguments of the route.

    Raises:
        BadRequestError: an argument is unknown or given twice.
    """
    try:
        pairs = parse_qsl(
            query,
            keep_blank_values=True,
            max_num_fields=_MAX_ARGUMENTS,
            errors="strict",
        )
    except ValueError as error:
        raise BadRequestError(f"the query of the URL cannot be parsed: {error}") from None
    given: dict[str, object] = {}
    for name, text in pairs:
        stem, _, rest = name.partition("[")
        argument = known.get(stem)
        if argument is None or rest.endswith("]") != (argument.kind == LABELS):
            raise BadRequestError(f"unknown argument {name[:80]!r}; known are: {_names(known)}")
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
            given[name] = _converted(argument.kind, text)
    return given


def _list(given: dict[str, object], name: str) -> list[object]:
    values = given.setdefault(name, [])
    assert isinstance(values, list)
    return values


def _converted(kind: str, text: str) -> object:
    if kind == FLAG:
        return _FLAGS.get(text.lower(), text)
    if kind == SECONDS:
        try:
            return float(text)
        except ValueError:
            return text
    if kind == COUNT and _COUNT.fullmatch(text):
        return int(text)
    return text


def _names(known: Mapping[str, Argument]) -> str:
    names: Sequence[str] = [
        f"{name}[NAME]" if argument.kind == LABELS else name for name, argument in known.items()
    ]
    return ", ".join(names) or "none"
