"""Clients of the HTTP server, identified by a bearer token or by the name in their certificate.

Fail-closed: while the file of tokens cannot be read, no token is valid.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from zinfo.errors import ConfigError
from zinfo.security.rights import Rights, client_rights
from zinfo.wire.secret_lines import SecretFileError, read_secret_lines

_MIN_LENGTH = 16  # characters; shorter tokens can be guessed
_SPACES = re.compile(r"[ \t]+")
_TOKEN = re.compile(r"[!-~]+")


class Tokens:
    """The clients of the HTTP server, with their rights.

    Args:
        file: a file with a line `NAME TOKEN` for each client, with spaces or tabs between; blank
            lines and lines that start with `#` are ignored. None if clients have certificates only.
        rights: each client's rights, by name. A client without an entry has no rights, unless
            `rights` is empty: then every client has all rights.

    Raises:
        ConfigError: the file is not valid, or other users can read it.
    """

    def __init__(self, file: Path | None, rights: Mapping[str, Rights]) -> None:
        self._file = file
        self._rights: Mapping[str, Rights] = {}
        # By hash, so that the time of a lookup does not depend on how much of a token is correct.
        self._names: dict[bytes, str] = {}
        self.reload(rights)

    def reload(self, rights: Mapping[str, Rights] | None) -> None:
        """Read the file again.

        Args:
            rights: as for the constructor; None keeps the current ones.

        Raises:
            ConfigError: the file is not valid, or other users can read it; no token is valid now.
        """
        if rights is not None:
            self._rights = dict(rights)
        self._names = {}
        if self._file is not None:
            self._names = _read(self._file)

    def rights_of_token(self, token: str) -> Rights | None:
        """Return the rights of the client with this token; None if the token is not valid."""
        name = self._names.get(_digest(token))
        return None if name is None else self.rights_of_name(name)

    def rights_of_name(self, name: str) -> Rights | None:
        """Return the rights of the client of this name; None for an empty name."""
        return client_rights(name, self._rights) if name else None


def _read(file: Path) -> dict[bytes, str]:
    try:
        lines = read_secret_lines(file)
    except SecretFileError as error:
        raise ConfigError([str(error)]) from None
    names: dict[bytes, str] = {}
    problems = []
    for number, line in enumerate(lines, 1):
        parts = _SPACES.split(line.strip(" \t"))
        if parts[0].startswith("#") or parts == [""]:
            continue
        if len(parts) != 2:
            problems.append(
                f"{file}: line {number}: expected a name and a token, with a space between"
            )
        elif len(parts[1]) < _MIN_LENGTH:
            problems.append(
                f"{file}: line {number}: expected a token of {_MIN_LENGTH} characters or more"
            )
        elif not _TOKEN.fullmatch(parts[1]):
            problems.append(
                f"{file}: line {number}: expected a token of visible ASCII characters, as an HTTP "
                "header can have no others"
            )
        elif _digest(parts[1]) in names:
            problems.append(f"{file}: line {number}: another line has the same token")
        else:
            names[_digest(parts[1])] = parts[0]
    if not names and not problems:
        problems.append(f"{file}: found no token, expected lines of a name and a token")
    if problems:
        raise ConfigError(problems)
    return names


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
