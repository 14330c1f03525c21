"""Content negotiation: which of several forms of a response a client prefers (RFC 9110, 12). Pure.

A response always has some form: a client that accepts none of them gets the default one, as from
Prometheus' own library.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

from zinfo.metrics.formats import OPEN_METRICS, OPEN_METRICS_0_0_1, TEXT, TextFormat

IDENTITY: Final = "identity"
"""The content coding of a body that is not compressed."""

_MAX_ITEMS: Final = 64  # of one header; a browser sends less than ten
_QUALITY: Final = re.compile(r"[01](?:\.[0-9]{0,9})?")
_FORMATS: Final = (TEXT, OPEN_METRICS, OPEN_METRICS_0_0_1)


class Item(NamedTuple):
    """One item of an Accept or Accept-Encoding header, in lower case.

    Attributes:
        value: a media range, or a content coding.
        parameters: those of a media range, without `q`.
        quality: the weight `q`, from 0 (not acceptable) to 1.
    """

    value: str
    parameters: Mapping[str, str]
    quality: float


def parse_items(header: str) -> Iterator[Item]:
    """Yield the items of an Accept or Accept-Encoding header.

    An item whose weight is malformed has the quality 0.
    """
    for text in header.lower().split(",", _MAX_ITEMS)[:_MAX_ITEMS]:
        value, *rest = (part.strip() for part in text.split(";"))
        parameters = {}
        for part in rest:
            name, _, argument = (piece.strip() for piece in part.partition("="))
            parameters[name] = argument.strip('"')
        weight = parameters.pop("q", "1")
        quality = min(float(weight), 1.0) if _QUALITY.fullmatch(weight) else 0.0
        if value:
            yield Item(value, parameters, quality)


def coding_of(accept_encoding: str, available: Collection[str]) -> str:
    """Return the content coding for a client.

    Args:
        accept_encoding: the header `Accept-Encoding`; "" if it is absent.
        available: the codings, the preferred ones first.

    Returns:
        The coding of the highest quality that the client names; `identity` if it names none, or
        prefers that. A `*` selects no coding, as few clients that send it can decode all.
    """
    named: dict[str, float] = {}
    for item in parse_items(accept_encoding):
        named.setdefault(item.value, item.quality)
    best, best_quality = IDENTITY, named.get(IDENTITY, 0.0)
    for coding in available:
        quality = named.get(coding, 0.0)
        if quality > best_quality or (quality == best_quality > 0.0 and best == IDENTITY):
            best, best_quality = coding, quality
    return best


def text_format_of(accept: str) -> TextFormat:
    """Return the format of metrics for a client.

    Of the media ranges that match a format, the most specific one decides its quality. Formats of
    the same quality are in the order in which the client names them.

    Args:
        accept: the header `Accept`; "" if it is absent.

    Returns:
        The format of the highest quality; the text format 0.0.4 if the client accepts any format,
        or none of these.
    """
    items = list(parse_items(accept))
    best, best_rank = TEXT, (0.0, 0, 0)
    for text_format in _FORMATS:
        matches = [
            (specificity, -place, item.quality)
            for place, item in enumerate(items)
            if (specificity := _specificity(item, text_format))
        ]
        if matches:
            specificity, place, quality = max(matches)
            rank = quality, min(specificity, 2), place
            if quality > 0.0 and (best_rank == (0.0, 0, 0) or rank > best_rank):
                best, best_rank = text_format, rank
    return best


def _specificity(item: Item, text_format: TextFormat) -> int:
    """Return how exactly a media range names a format; 0 if it does not match."""
    if item.value == "*/*":
        return 1
    if item.value == f"{text_format.media_type.partition('/')[0]}/*":
        return 2
    if item.value != text_format.media_type:
        return 0
    version = item.parameters.get("version")
    if version is None:
        return 3
    return 4 if version == text_format.version else 0
