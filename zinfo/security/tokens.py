"""Clients of the HTTP server: by the token that they show, or by the name in their certificate.

Fail-closed: where the file cannot be read, no token is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from zinfo.errors import ConfigError
from zinfo.security.rights import Rights
from zinfo.wire.secret_files import permission_problem

_SHORTEST = 16  # characters of a token: shorter ones can be guessed


class Tokens:
    """The clients that are let in over HTTP.

    Args:
        file: with a line `NAME TOKEN` for each client; blank lines and those that begin with `#`
            are none. None where clients show certificates only.
        rights: what clients may, by name. A name that is not in it may do nothing, unless it is
            empty: then all may do everything.

    Raises:
        ConfigError: the file is broken, or open to others.
    """

    def __init__(self, file: Path | None, rights: Mapping[str, Rights]) -> None:
        self._file = file
        self._rights: Mapping[str, Rights] = {}
        # By hash: how long a look takes tells nothing about how much of a token was right.
        self._names: dict[bytes, str] = {}
        self.reload(rights)

    def reload(self, rights: Mapping[str, Rights] | None) -> None:
        """Read the file anew.

        Args:
            rights: as at construction; None for those of before.

        Raises:
            ConfigError: the file is broken, or open to others; no token is known now.
        """
        if rights is not None:
            self._rights = dict(rights)
        self._names = {}
        if self._file is not None:
            self._names = _read(self._file)

    def rights_of_token(self, token: str) -> Rights | None:
        """Return what whoever shows this token may; None where nobody has it."""
        name = self._names.get(_digest(token))
        return None if name is None else self.rights_of_name(name)

    def rights_of_name(self, name: str) -> Rights | None:
        """Return what the client of this name may; None for an empty name."""
        if not name:
            return None
        if not self._rights:
            return Rights(name)
        return self._rights.get(name) or Rights(name, operations=frozenset(), shards=())


def _read(file: Path) -> dict[bytes, str]:
    problem = permission_problem(file)
    if problem:
        raise ConfigError([problem])
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{file}: cannot be read: {error}"]) from None
    names: dict[bytes, str] = {}
    problems = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = line.split()
        if len(parts) != 2:
            problems.append(
                f"{file}: line {number}: expected a name and a token, with a space between"
            )
        elif len(parts[1]) < _SHORTEST:
            problems.append(
                f"{file}: line {number}: expected a token of {_SHORTEST} characters or more"
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
