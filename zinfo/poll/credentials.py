"""Keeps a shard's user and password out of what its server says. Pure.

A server's words are not to be trusted: where AUTH is renamed, Redis answers with an error that
repeats the arguments of the command, and a hostile server may repeat them whenever it likes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote, unquote, unquote_plus

from zinfo.wire.redact import MASK, redact_text

WITHHELD = f"{MASK} (the server's words are not shown: they hold the password)"
"""Stands for an error's text that holds a password."""

CODES = frozenset(
    ("BUSY", "DENIED", "ERR", "LOADING", "MASTERDOWN", "MISCONF", "NOAUTH", "NOPERM", "WRONGPASS")
)
"""First words of error replies that are shown although the rest is withheld."""

_TELLING = 6  # characters: a text with so many of a password's first ones is taken to hold it
_LONGEST = 4096  # characters of a text that are looked at, and passed on
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_CONTROLS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}
_ENDS_OF_LINES = b"\r\n"


class Credentials:
    """The user and the passwords that one connection shows its server.

    Attributes:
        refused: whether AUTH was sent and has not succeeded so far: until then no word of the
            server is passed on.
    """

    def __init__(self) -> None:
        self.refused = False
        self._beginnings: set[str] = set()
        self._user: re.Pattern[str] | None = None

    @property
    def any(self) -> bool:
        """Whether there is a user or a password."""
        return bool(self._beginnings) or self._user is not None

    def learn(self, user: object, password: object) -> None:
        """Take a user and a password that the server is going to see; None where there is none."""
        if isinstance(password, (str, bytes)) and (plain := _plain(_text(password))):
            self._beginnings.add(plain[:_TELLING])
        if isinstance(user, (str, bytes)) and (name := _text(user).strip()):
            escaped = repr(name.encode())[2:-1]
            forms = "|".join(map(re.escape, {name, quote(name, safe=""), quote(name), escaped}))
            self._user = re.compile(rf"(?<!\w)(?:{forms})(?!\w)", re.IGNORECASE)

    def sent(self, data: bytes) -> None:
        """Look at a command on its way to the server, in RESP; AUTH and HELLO are noted."""
        words = list(_words(data)) if b"AUTH" in data[:64].upper() else []
        names = [word.upper() for word in words]
        if names[:1] == [b"AUTH"]:
            shown = words[1:]
        elif names[:1] == [b"HELLO"] and b"AUTH" in names[2:]:
            shown = words[names.index(b"AUTH", 2) + 1 :][:2]
        else:
            return
        self.refused = True
        if shown:
            self.learn(shown[0] if len(shown) > 1 else None, shown[-1])

    def answered(self, head: bytes) -> None:
        """Look at the first bytes of the reply to the command that was sent last."""
        self.refused = self.refused and head[:1] == b"-"

    def safe(self, text: str) -> str:
        """Return what of a server's words may be passed on.

        A text that holds a password, or the beginning of one, is withheld: to mask only the
        password would tell it wherever the words around it are known. The user is masked.
        """
        text = text[:_LONGEST]
        if any(beginning in form for form in _forms(text) for beginning in self._beginnings):
            code = text.partition(" ")[0]
            return f"{code} {WITHHELD}" if code in CODES else WITHHELD
        return redact_text(text if self._user is None else self._user.sub(MASK, text))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _plain(text: str) -> str:
    """Return a text without what servers change in it: case, ends of lines, runs of white space."""
    return " ".join(text.casefold().split())


def _forms(text: str) -> set[str]:
    """Return a text as it is, and with what may be URL-encoded or escaped in it decoded."""
    decoded = {text, unquote(text), unquote_plus(text)}
    return {_plain(form) for one in decoded for form in (one, _unescaped(one))}


def _unescaped(text: str) -> str:
    """Undo the escapes that Redis, Python and JSON put into quoted texts."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(_meant, text.encode("utf-8", "replace")).decode("utf-8", "replace")


def _meant(found: re.Match[bytes]) -> bytes:
    byte, character, other = found.groups()
    if byte is not None:
        return bytes.fromhex(byte.decode("ascii"))
    if character is not None:
        return chr(int(character, 16)).encode("utf-8", "replace")
    return _CONTROLS.get(other, other)


def _words(data: bytes) -> Iterator[bytes]:
    """Yield the words of a command in RESP; of the last one what there is of it."""
    at = data.find(_ENDS_OF_LINES) + 2
    while 1 < at < len(data):
        end = data.find(_ENDS_OF_LINES, at)
        if end < 0 or not data[at + 1 : end].isdigit():
            return
        start = end + 2
        length = int(data[at + 1 : end])
        yield data[start : start + length]
        at = start + length + 2
