"""Which client a CURVE key is, and what it may: read from files, anew at each reload.

Fail-closed: where the files cannot be read, nobody is known.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from zinfo.errors import ConfigError
from zinfo.security.bus_rights import BusRights
from zinfo.security.rights import Rights
from zinfo.wire.curve_keys import PUBLIC_SUFFIX, read_key_pair, read_public_key

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
        self.server_keys = read_key_pair(server_key)
        self._directory = client_keys
        self._rights = dict(rights)
        self._all_have_keys = all_have_keys
        self._clients: dict[str, Rights] = {}
        problems, without_key = self._read()
        if problems or without_key:
            raise ConfigError([*problems, *without_key])

    def rights_of(self, key: str | None) -> Rights | None:
        """Return what the client with this public key (in Z85) may; None where it is not known."""
        return None if key is None else self._clients.get(key)

    def rights_by_key(self) -> dict[str, Rights]:
        """Return what each client that is known may, by its public key in Z85."""
        return dict(self._clients)

    def __len__(self) -> int:
        return len(self._clients)

    def reload(self, rights: Mapping[str, Rights] | None) -> None:
        """Read the clients' keys again.

        A name in `rights` that has no key any more is a warning only: taking a key away is how a
        client is shut out, and no reason to shut out others.

        Args:
            rights: as at construction; None for those of before.

        Raises:
            ConfigError: a file is broken; nobody is known now.
        """
        if rights is not None:
            self._rights = dict(rights)
        self._clients = {}
        problems, without_key = self._read()
        for problem in without_key:
            logger.warning("%s: it is not let in", problem)
        if problems:
            raise ConfigError(problems)

    def _read(self) -> tuple[list[str], list[str]]:
        """Read all keys; nobody is known where a file is broken.

        Returns:
            A line for each broken file, and one for each name that has rights and lacks a key.
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
                problems.append(f"{path}: found the key of {names[key]}, expected one of its own")
            names[key] = name
            if not rights or name in rights:
                clients[key] = rights.get(name) or Rights(name)
            else:
                clients[key] = Rights(name, operations=frozenset(), shards=())
                logger.warning(
                    "client %s has a key, but no [clients.%s]: it may do nothing", name, name
                )
        if not problems:
            self._clients = clients
        return problems, [
            f"clients.{name}: found no key, expected {self._directory / name}{PUBLIC_SUFFIX}"
            for name in rights
            if self._all_have_keys and name not in names.values()
        ]


def lost_on_bus(before: Mapping[str, Rights], after: Mapping[str, Rights]) -> set[BusRights]:
    """Return the sets of rights on the bus that some key had and has no more."""
    lost: set[BusRights] = set()
    for key, rights in before.items():
        had = rights.on_bus()
        has = after[key].on_bus() if key in after else None
        if had is not None and had != has:
            lost.add(had)
    return lost
