"""Removes a shard's user and password from the error texts of its server. Pure.

The texts are not to be trusted: if AUTH is renamed, Redis replies with an error that repeats the
arguments of the command, and a hostile server may repeat them in any reply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote, unquote, unquote_plus

from zinfo.wire.redact import MASK, redact_text

HIDDEN_TEXT = f"{MASK} (the server's text is not shown: it contains the password)"
"""Replaces the text of an error that contains a password."""

CODES = frozenset(
    ("BUSY", "DENIED", "ERR", "LOADING", "MASTERDOWN", "MISCONF", "NOAUTH", "NOPERM", "WRONGPASS")
)
"""First words of error replies that are shown although the rest of the text is hidden."""

_PREFIX = 6  # characters: a text that contains this prefix of a password is hidden
_MAX_TEXT = 4096  # characters of a text that are searched and shown
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_CONTROLS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}
_CRLF = b"\r\n"


class Credentials:
    """The user and the passwords that one connection sends to its server.

    Attributes:
        unconfirmed: whether AUTH was sent and has not succeeded so far; until then no text of the
            server is shown.
        repeated: whether AUTH is sent again after a failure. redis-py does so without the user, if
            the server knows no users.
    """

    def __init__(self) -> None:
        self.unconfirmed = self.repeated = False
        self._prefixes: set[str] = set()
        self._user: re.Pattern[str] | None = None

    @property
    def present(self) -> bool:
        """Whether there is a user or a password."""
        return bool(self._prefixes) or self._user is not None

    def add(self, user: object, password: object) -> None:
        """Register a user and a password that will be sent to the server; None if there is none."""
        if isinstance(password, (str, bytes)) and (plain := _plain(_text(password))):
            self._prefixes.add(plain[:_PREFIX])
        if isinstance(user, (str, bytes)) and (name := _text(user).strip()):
            escaped = repr(name.encode())[2:-1]
            forms = "|".join(map(re.escape, {name, quote(name, safe=""), quote(name), escaped}))
            self._user = re.compile(rf"(?<!\w)(?:{forms})(?!\w)", re.IGNORECASE)

    def on_send(self, data: bytes) -> None:
        """Inspect a command that is sent to the server, in RESP, for AUTH and HELLO."""
        words = list(_words(data)) if b"AUTH" in data[:64].upper() else []
        names = [word.upper() for word in words]
        if names[:1] == [b"AUTH"]:
            shown = words[1:]
        elif names[:1] == [b"HELLO"] and b"AUTH" in names[2:]:
            shown = words[names.index(b"AUTH", 2) + 1 :][:2]
        else:
            return
        self.repeated = self.unconfirmed
        self.unconfirmed = True
        if shown:
            self.add(shown[0] if len(shown) > 1 else None, shown[-1])

    def on_reply(self, head: bytes) -> None:
        """Inspect the first bytes of the reply to the last command."""
        self.unconfirmed = self.unconfirmed and head[:1] == b"-"

    def redact(self, text: str) -> str:
        """Return a server's text without user and password.

        A text that contains a password, or a prefix of one, is hidden as a whole: to mask only the
        password would reveal it to a reader who knows the rest of the text. The user is masked.
        """
        text = text[:_MAX_TEXT]
        if any(prefix in form for form in _forms(text) for prefix in self._prefixes):
            code = text.partition(" ")[0]
            return f"{code} {HIDDEN_TEXT}" if code in CODES else HIDDEN_TEXT
        return redact_text(text if self._user is None else self._user.sub(MASK, text))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _plain(text: str) -> str:
    """Return a text without what servers change in it: case, line ends, runs of white space."""
    return " ".join(text.casefold().split())


def _forms(text: str) -> set[str]:
    """Return a text as it is, and with its URL encoding and its escapes decoded."""
    decoded = {text, unquote(text), unquote_plus(text)}
    return {_plain(form) for one in decoded for form in (one, _unescaped(one))}


def _unescaped(text: str) -> str:
    """Undo the escapes that Redis, Python and JSON put into quoted texts."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(_unescape, text.encode("utf-8", "replace")).decode("utf-8", "replace")


def _unescape(found: re.Match[bytes]) -> bytes:
    byte, character, other = found.groups()
    if byte is not None:
        return bytes.fromhex(byte.decode("ascii"))
    if character is not None:
        return chr(int(character, 16)).encode("utf-8", "replace")
    return _CONTROLS.get(other, other)


def _words(data: bytes) -> Iterator[bytes]:
    """Yield the words of a command in RESP; the last one may be incomplete."""
    at = data.find(_CRLF) + 2
    while 1 < at < len(data):
        end = data.find(_CRLF, at)
        if end < 0 or not data[at + 1 : end].isdigit():
            return
        start = end + 2
        length = int(data[at + 1 : end])
        yield data[start : start + length]
        at = start + length + 2
