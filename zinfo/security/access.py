"""Which client a CURVE key is, and what it may: read from files, anew at each reload.

Fail-closed: where the files cannot be read, nobody is known.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from zinfo.curve import PUBLIC_SUFFIX, read_key_pair, read_public_key
from zinfo.errors import ConfigError
from zinfo.security.rights import Rights

logger = logging.getLogger(__name__)


class Access:
    """The clients that are let in.

    Args:
        server_key: file of the daemon's secret key.
        client_keys: directory of the clients' public keys, `NAME.key`.
        rights: what clients may, by name. A name that is not in it may do nothing, unless it is
            empty: then all may do everything.
        all_have_keys: whether each name must have a key; not where some have other ways in.

    Raises:
        ConfigError: a file is broken, or a name has no key.
    """

    def __init__(
        self,
        server_key: Path,
        client_keys: Path,
        rights: Mapping[str, Rights],
        *,
        all_have_keys: bool = True,
    ) -> None:
        self._all_have_keys = all_have_keys
        self.server_keys = read_key_pair(server_key)
        self._directory = client_keys
        self._clients: dict[str, Rights] = {}
        self._read(rights)

    def rights_of(self, key: str | None) -> Rights | None:
        """Return what the client with this public key (in Z85) may; None where it is not known."""
        return None if key is None else self._clients.get(key)

    def __len__(self) -> int:
        return len(self._clients)

    def reload(self, rights: Mapping[str, Rights]) -> bool:
        """Read the clients' keys anew.

        Args:
            rights: as at construction.

        Returns:
            Whether a client that was known before lost or changed its rights.

        Raises:
            ConfigError: a file is broken, or a name has no key; nobody is known now.
        """
        before = self._clients
        self._clients = {}
        self._read(rights)
        return any(self._clients.get(key) != was for key, was in before.items())

    def _read(self, rights: Mapping[str, Rights]) -> None:
        if not self._directory.is_dir():
            raise ConfigError([f"{self._directory}: is no directory of clients' public keys"])
        problems: list[str] = []
        clients: dict[str, Rights] = {}
        names: dict[str, str] = {}
        for path in sorted(self._directory.glob(f"*{PUBLIC_SUFFIX}")):
            try:
                key = read_public_key(path).decode("ascii")
            except ConfigError as error:
                problems += error.problems
                continue
            name = path.name.removesuffix(PUBLIC_SUFFIX)
            if key in names:
                problems.append(f"{path}: found the key of {names[key]}, expected one of its own")
            names[key] = name
            if not rights or name in rights:
                clients[key] = rights.get(name) or Rights(name)
            else:
                clients[key] = Rights(name, operations=frozenset(), shards=())
                logger.warning(
                    "client %s has a key, but no [clients.%s]: it may do nothing", name, name
                )
        problems += [
            f"clients.{name}: found no key, expected {self._directory / name}{PUBLIC_SUFFIX}"
            for name in rights
            if self._all_have_keys and name not in names.values()
        ]
        if problems:
            raise ConfigError(problems)
        self._clients = clients
