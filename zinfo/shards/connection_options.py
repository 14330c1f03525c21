"""ConnectionOptions: a shard's URL, credentials and TLS files. No I/O before a connect."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from zinfo.errors import ZinfoError
from zinfo.wire.addresses import SHARD_URLS, parse_shard_url
from zinfo.wire.secret_files import permission_problem


class SecretUnavailableError(ZinfoError):
    """The file or environment variable that should hold a password cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions:
    """A shard's address and credentials.

    Attributes:
        url: redis://host:port, rediss://host:port (TLS) or unix:///path; may hold user and
            password.
        username: ACL user; overrides the URL's.
        password: the password itself; prefer one of the next two.
        password_file: file whose first line is the password; read at each connect, so that a
            rotated password takes effect.
        password_env: environment variable that holds the password.
        ca_file: PEM file of the authorities that may sign the server's certificate; None for the
            system's authorities.
        cert_file: PEM file of the client's certificate.
        key_file: PEM file of the client's key.
        check_hostname: whether the certificate must be for the host in the URL.
        timeout: seconds within which the reply to INFO must arrive; None for the poller's default.
        connect_timeout: seconds within which a connection must be made; None for the poller's
            default.
        trusted_uids: user and password are sent only if the server's process runs on this machine
            under one of these user ids; None sends them to any server.

    Raises:
        ValueError: the URL cannot be used, as `parse_shard_url` says.
    """

    url: str
    username: str | None = None
    password: str | None = None
    password_file: str | None = None
    password_env: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    check_hostname: bool = True
    timeout: float | None = None
    connect_timeout: float | None = None
    trusted_uids: frozenset[int] | None = None

    def __post_init__(self) -> None:
        default_ident(self.url)  # raises on a URL that cannot be used

    def __repr__(self) -> str:  # the generated one would show the password
        return f"ConnectionOptions({default_ident(self.url)!r})"

    def resolve_password(self) -> str | None:
        """Return the password from its file, variable or option; None without one (or in the URL).

        Raises:
            SecretUnavailableError: the file or variable cannot be read.
        """
        if self.password_file is not None:
            if problem := permission_problem(Path(self.password_file)):
                raise SecretUnavailableError(f"password file: {problem}")
            try:
                lines = Path(self.password_file).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise SecretUnavailableError(f"password file: {error}") from error
            return lines[0] if lines else ""
        if self.password_env is not None:
            if self.password_env not in os.environ:
                raise SecretUnavailableError(f"environment variable {self.password_env} is not set")
            return os.environ[self.password_env]
        return self.password


def default_ident(url: str) -> str:
    """Return the default shard id for a URL: `host:port`, or the socket's path.

    Raises:
        ValueError: the URL cannot be used; the message says why and repeats no part of it.
    """
    try:
        return parse_shard_url(url).ident
    except ValueError as error:
        raise ValueError(f"a shard's URL cannot be used: {error}; expected {SHARD_URLS}") from None
