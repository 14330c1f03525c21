"""Clients identified by their CURVE keys, which are read from files and re-read at each reload.

Fail-closed: while a file cannot be read, no client is admitted.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from zinfo.errors import ConfigError
from zinfo.security.bus_rights import BusRights
from zinfo.security.rights import Rights, client_rights
from zinfo.wire.curve_keys import PUBLIC_SUFFIX, read_key_pair, read_public_key

logger = logging.getLogger(__name__)


class AuthorizedKeys:
    """The clients that have a key, with their rights.

    Args:
        server_key: file with the daemon's secret key.
        client_keys: directory with the clients' public keys, `NAME.key`.
        rights: each client's rights, by name. A client without an entry has no rights, unless
            `rights` is empty: then every client has all rights.
        all_have_keys: whether each name in `rights` must have a key; False if clients may also use
            tokens or certificates.

    Raises:
        ConfigError: a key file is not valid, or a name lacks its key.
    """

    def __init__(
        self,
        server_key: Path,
        client_keys: Path,
        rights: Mapping[str, Rights],
        *,
        all_have_keys: bool = True,
    ) -> None:
        self.server_keys = read_key_pair(server_key)
        self._directory = client_keys
        self._rights = dict(rights)
        self._all_have_keys = all_have_keys
        self._clients: dict[str, Rights] = {}
        problems, without_key = self._read()
        if problems or without_key:
            raise ConfigError([*problems, *without_key])

    def rights_of(self, key: str | None) -> Rights | None:
        """Return the rights of the client with this public key (Z85); None if it is not known."""
        return None if key is None else self._clients.get(key)

    def rights_by_key(self) -> dict[str, Rights]:
        """Return the rights of each client, by its public key in Z85."""
        return dict(self._clients)

    def __len__(self) -> int:
        return len(self._clients)

    def reload(self, rights: Mapping[str, Rights] | None) -> None:
        """Read the clients' keys again.

        A name in `rights` without a key is only a warning here: deleting a key is how an operator
        revokes one client's access, and must not affect the others.

        Args:
            rights: as for the constructor; None keeps the current ones.

        Raises:
            ConfigError: a key file is not valid; no client is known any more.
        """
        if rights is not None:
            self._rights = dict(rights)
        self._clients = {}
        problems, without_key = self._read()
        for problem in without_key:
            logger.warning("%s: this client is not admitted", problem)
        if problems:
            raise ConfigError(problems)

    def _read(self) -> tuple[list[str], list[str]]:
        """Read all keys; no client is known if a file is not valid.

        Returns:
            A message for each invalid file, and one for each name that has rights but no key.
        """
        rights = self._rights
        if not self._directory.is_dir():
            return [f"{self._directory}: is no directory of clients' public keys"], []
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
                problems.append(f"{path}: found the key of {names[key]}, expected a key of its own")
            names[key] = name
            clients[key] = client_rights(name, rights)
            if rights and name not in rights:
                logger.warning(
                    "client %s has a key, but no [clients.%s]: it has no rights", name, name
                )
        if not problems:
            self._clients = clients
        return problems, [
            f"clients.{name}: found no key, expected {self._directory / name}{PUBLIC_SUFFIX}"
            for name in rights
            if self._all_have_keys and name not in names.values()
        ]


def rights_lost_on_bus(before: Mapping[str, Rights], after: Mapping[str, Rights]) -> set[BusRights]:
    """Return the sets of rights on the bus that at least one key had before and has no more."""
    lost: set[BusRights] = set()
    for key, rights in before.items():
        had = rights.on_bus()
        has = after[key].on_bus() if key in after else None
        if had is not None and had != has:
            lost.add(had)
    return lost
