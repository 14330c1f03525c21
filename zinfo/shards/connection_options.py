"""How to reach a shard: a URL and what goes with it. No I/O until it is used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from zinfo.errors import ZinfoError
from zinfo.wire.addresses import SHARD_URLS, parse_shard_url
from zinfo.wire.secret_files import openness


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
        password_file: file whose first line is the password, read at each connect, so that a
            rotated password is found.
        password_env: environment variable that holds the password.
        ca_file: PEM file of the authorities that may have signed the server's certificate; the
            system's own where None.
        cert_file: PEM file of the client's certificate.
        key_file: PEM file of the client's key.
        check_hostname: whether the certificate must name the host of the URL.
        timeout: seconds within which INFO must be answered; None takes the poller's.
        connect_timeout: seconds within which a connection must stand; None takes the poller's.
        trusted_uids: ids of the users of whom the server's process must be one, on this machine,
            before user and password are sent to it; None sends them to any server.

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
        """Return the password from wherever it is kept; None where there is none (or in the URL).

        Raises:
            SecretUnavailableError: the file or variable cannot be read.
        """
        if self.password_file is not None:
            if problem := openness(Path(self.password_file)):
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
    """Return the shard id that a URL stands for: `host:port`, or the socket's path.

    Raises:
        ValueError: the URL cannot be used; the message says why and holds nothing of it.
    """
    try:
        return parse_shard_url(url).ident
    except ValueError as error:
        raise ValueError(f"a shard's URL cannot be used: {error}; expected {SHARD_URLS}") from None
