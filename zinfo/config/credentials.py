"""Credentials and TLS files of connections: of one shard, of local servers, and by name."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Annotated

import zinfo.config.source_types as source_kinds
import zinfo.config.types as kinds
from zinfo.config.section import Conflict, Section


class Credentials(Section):
    """Credentials and TLS files of a connection; shared by all tables that have such keys."""

    username: kinds.NameOrEmpty | None = None
    password_file: kinds.SecretFilePath | None = None
    password_env: kinds.VariableName | None = None
    ca_file: kinds.FilePath | None = None
    cert_file: kinds.FilePath | None = None
    key_file: kinds.FilePath | None = None
    check_hostname: kinds.Flag = True
    tls_server_name: kinds.ServerName | None = None
    tls_verify: kinds.Flag = True

    def conflicts(self) -> Iterator[Conflict]:
        """Yield pairs of passwords, and a key without its certificate."""
        given = [(key,) for key in ("password_file", "password_env", "password") if self._has(key)]
        for one, other in combinations(given, 2):
            text = "found together with {1}, expected at most one password (one in the URL counts)"
            yield Conflict((one, other), text)
        if self.key_file is not None and self.cert_file is None:
            text = "found without {1}, expected the certificate that belongs to the key"
            yield Conflict((("key_file",), ("cert_file",)), text)

    def _has(self, key: str) -> bool:
        return getattr(self, key, None) is not None


CREDENTIAL_KEYS = tuple(Credentials.model_fields)
"""Keys of credentials and TLS, which `ConnectionOptions` has under the same names."""


class NamedCredentialsConfig(Credentials):
    """One `[credentials.NAME]` table: credentials of shards that sources list.

    They are sent to no other hosts than `hosts`.
    """

    hosts: source_kinds.Hosts


CredentialsTables = Annotated[
    dict[source_kinds.CredentialsName, NamedCredentialsConfig],
    kinds.Expected("tables, each headed [credentials.NAME]"),
]
