"""Takes passwords out of URLs and of texts that may hold URLs, before anybody prints them."""

from __future__ import annotations

import re

MASK = "***"

# Schemes whose URLs never carry a user or a password: a wrong port there may be shown.
_OPEN_SCHEMES = frozenset({"tcp", "ipc", "inproc"})

# The scheme's length is bounded so that a long text without a URL is searched in linear time.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://\S*")

# May follow a URL in a sentence.
_PUNCTUATION = ".,;:!?)}>'\""

_PORT = re.compile(r"\d{0,5}", re.ASCII)


def redact_url(url: str) -> str:
    """Return `url` without what may be secret: user, password, query and fragment.

    The URL need not be valid. A password that was not percent-encoded may hold any of `@ : / ? #`;
    in doubt more is hidden than was secret.
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
    """Hide a "port" that is none: `redis://:hunter2` is a password that lost its host."""
    authority, slash, path = place.partition("/")
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]") or (host and _PORT.fullmatch(port)):
        return place
    return f"{host}:{MASK}" + (f"{slash}{MASK}" if path else slash)
