"""ConnectionOptions: a shard's URL, credentials and TLS files. No I/O before a connect."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zinfo.errors import ZinfoError
from zinfo.info.section_choice import parse_choice
from zinfo.wire.addresses import SHARD_URLS, check_server_name, parse_shard_url
from zinfo.wire.secret_lines import SecretFileError, read_secret_lines


class SecretUnavailableError(ZinfoError):
    """The file or environment variable that should hold a password has none that can be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions:
    """A shard's address and credentials.

    Attributes:
        url: redis://host:port, rediss://host:port (TLS) or unix:///path; may hold user and
            password.
        username: ACL user; overrides the URL's.
        password: the password itself; prefer one of the next two.
        password_file: file in UTF-8 whose first line, which ends with LF or CR LF, is the
            password; read at each connect, so that a rotated password takes effect. Without a
            password in it the shard is down.
        password_env: environment variable that holds the password; the same if it is empty.
        ca_file: PEM file of the authorities that may sign the server's certificate, and no others
            may; None for the system's authorities.
        cert_file: PEM file of the client's certificate.
        key_file: PEM file of the client's key.
        check_hostname: whether the certificate must be for `tls_server_name`.
        tls_server_name: name or IP address that the server is asked for (SNI) and that its
            certificate must have; None for the host in the URL.
        tls_verify: whether the certificate is verified; if not, any server in the place of the
            shard's is accepted, and receives the password.
        timeout: seconds within which the reply to INFO must arrive; None for the poller's default.
        connect_timeout: seconds within which a connection must be made; None for the poller's
            default.
        info: sections of INFO to request: "everything", "all", "default", or names of sections;
            None for the poller's default. Those that zinfo itself needs are always requested.
        trusted_uids: user and password are sent only if the server's process runs on this machine
            under one of these user ids; None sends them to any server.

    Raises:
        ValueError: the URL cannot be used, as `parse_shard_url` says, or the `tls_server_name`, or
            `info`.
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
    tls_server_name: str | None = None
    tls_verify: bool = True
    timeout: float | None = None
    connect_timeout: float | None = None
    info: str | Sequence[str] | None = None
    trusted_uids: frozenset[int] | None = None

    def __post_init__(self) -> None:
        default_ident(self.url)  # raises on a URL that cannot be used
        if self.tls_server_name is not None:
            try:
                check_server_name(self.tls_server_name)
            except ValueError as error:
                raise ValueError(f"tls_server_name cannot be used: {error}") from None

        if self.info is not None:
            try:  # in its one form, so that equal options are equal
                object.__setattr__(self, "info", parse_choice(self.info))
            except ValueError as error:
                raise ValueError(f"info cannot be used: {error}") from None

    @property
    def sections(self) -> tuple[str, ...] | None:
        """The chosen sections of INFO; None for the poller's default."""
        assert self.info is None or isinstance(self.info, tuple)
        return self.info

    def has_address_of(self, other: object) -> bool:
        """Return whether these options lead to the same server address as other ones.

        Scheme, host and port, or the path of the Unix socket, are compared; names are not resolved.
        User, password and database in the URL do not count, nor do other options.

        Args:
            other: the other `ConnectionOptions`; False for any other object.
        """
        if not isinstance(other, ConnectionOptions):
            return False
        return self.url == other.url or (
            parse_shard_url(self.url).url == parse_shard_url(other.url).url
        )

    def accepts_servers_of(self, other: object) -> bool:
        """Return whether the server is verified by the same rules as with other options.

        Args:
            other: the other `ConnectionOptions`; True for any other object, which has no rules.
        """
        if not isinstance(other, ConnectionOptions):
            return True
        return (self.tls_verify, self.check_hostname, self.tls_server_name) == (
            other.tls_verify,
            other.check_hostname,
            other.tls_server_name,
        )

    def __repr__(self) -> str:  # the generated one would show the password
        return f"ConnectionOptions({default_ident(self.url)!r})"

    def resolve_password(self) -> str | None:
        """Return the password from its file, variable or option; None without one (or in the URL).

        Raises:
            SecretUnavailableError: the file or variable cannot be read, is empty, or is not UTF-8.
        """
        if self.password_file is not None:
            return _password_in_file(self.password_file)
        if self.password_env is not None:
            return _password_in_variable(self.password_env)
        return self.password


def _password_in_file(path: str) -> str:
    try:
        lines = read_secret_lines(Path(path))
    except SecretFileError as error:
        raise SecretUnavailableError(f"password file: {error}") from None
    if not lines or not lines[0]:
        # A connection without a password would be made without a word, as that of another user.
        raise SecretUnavailableError(f"password file: {path}: found no password in its first line")
    return lines[0]


def _password_in_variable(name: str) -> str:
    password = os.environ.get(name)
    if not password:
        problem = "is not set" if password is None else "is empty"
        raise SecretUnavailableError(f"environment variable {name} {problem}")
    try:
        password.encode()
    except UnicodeEncodeError:  # Python represents the bytes by surrogates
        raise SecretUnavailableError(f"environment variable {name} is not UTF-8") from None
    return password


def default_ident(url: str) -> str:
    """Return the default shard id for a URL: `host:port`, or the socket's path.

    Raises:
        ValueError: the URL cannot be used; the message says why and repeats no part of it.
    """
    try:
        return parse_shard_url(url).ident
    except ValueError as error:
        raise ValueError(f"a shard's URL cannot be used: {error}; expected {SHARD_URLS}") from None
