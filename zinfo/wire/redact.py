"""Removes passwords from URLs, and from texts that may contain URLs, before they are printed."""

from __future__ import annotations

import re

MASK = "***"

# Schemes whose URLs never contain a user or a password: a port that is not valid may be shown.
_OPEN_SCHEMES = frozenset({"tcp", "ipc", "inproc"})

# The scheme's length is bounded so that a long text without a URL is searched in linear time.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://\S*")

# May follow a URL in a sentence.
_PUNCTUATION = ".,;:!?)}>'\""

_PORT = re.compile(r"\d{0,5}", re.ASCII)


def redact_url(url: str) -> str:
    """Return `url` without user, password, query and fragment, which may be secret.

    The URL need not be valid. A password that was not percent-encoded may contain `@ : / ? #`; if
    the URL is ambiguous, all parts that may be secret are removed.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    before, at, after = rest.rpartition("@")
    if at and before:
        if "?" in before or "#" in before:  # a query with an "@", or a password with a "?"
            return f"{scheme}{separator}{MASK}"
        rest = f"{MASK}@{after}"
    place, *hidden = re.split(r"(?=[?#])", rest, maxsplit=1)
    if scheme.lower() not in _OPEN_SCHEMES:
        place = _without_odd_port(place)
    return f"{scheme}{separator}{place}" + (f"{hidden[0][0]}{MASK}" if hidden else "")


def redact_text(text: str) -> str:
    """Return `text` with every URL in it redacted as `redact_url` does."""
    return _URL.sub(_redact_match, text)


def _redact_match(found: re.Match[str]) -> str:
    url = found.group().rstrip(_PUNCTUATION)
    return redact_url(url) + found.group()[len(url) :]


def _without_odd_port(place: str) -> str:
    """Remove a port that is not a number: in `redis://:hunter2` it is a password."""
    authority, slash, path = place.partition("/")
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]") or (host and _PORT.fullmatch(port)):
        return place
    return f"{host}:{MASK}" + (f"{slash}{MASK}" if path else slash)
