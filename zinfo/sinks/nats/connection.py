"""The connection to NATS: servers, TLS and credentials; errors without secrets."""

from __future__ import annotations

import asyncio
import importlib
import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nats
import nats.errors
from nats.aio.client import Client

from zinfo.errors import ConfigError
from zinfo.wire.redact import redact_text, redact_url
from zinfo.wire.secret_files import permission_problem
from zinfo.wire.secret_lines import SecretFileError, read_secret_lines

logger = logging.getLogger(__name__)

NATS_ERRORS: Final = (
    nats.errors.Error,
    asyncio.TimeoutError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
)
"""What calls of nats-py raise where the server or the network is the cause. It decodes replies with
`json` and reads keys of them, so that a broken reply raises ValueError, KeyError or TypeError."""

PING_INTERVAL: Final = 2
"""Seconds between pings. A server that answers none of three is left for another one."""

RECONNECT_PAUSE: Final[Any] = 0.25  # nats-py says `int`, but only sleeps
"""Seconds between two attempts to connect."""

MAX_BUFFERED: Final = 4 << 20
"""Bytes that nats-py holds for a server that reads slowly; a publisher waits beyond that."""

_CLIENT_NAME: Final = "zinfo-sink"
_SCHEMES: Final = ("nats://", "tls://")


@dataclass(frozen=True)
class Servers:
    """How to connect.

    Attributes:
        urls: `nats://HOST:PORT` or `tls://HOST:PORT`, without user and password.
        user: name of the user.
        password_file: file whose first line is the password.
        token_file: file whose first line is a token.
        credentials: file with a user JWT and its seed, as `nsc` writes it; needs `nkeys`.
        nkey_file: file with a seed; needs `nkeys`.
        ca_file: certificates of authorities; without it those of the system, if TLS is used.
        certificate: file with this client's certificate.
        key_file: file with its key.
    """

    urls: Sequence[str]
    user: str | None = None
    password_file: Path | None = None
    token_file: Path | None = None
    credentials: Path | None = None
    nkey_file: Path | None = None
    ca_file: Path | None = None
    certificate: Path | None = None
    key_file: Path | None = None

    def options(self) -> dict[str, Any]:
        """Return the arguments of `nats.connect` about servers, TLS and credentials.

        Raises:
            ConfigError: they contradict each other, or a file cannot be used.
        """
        found: dict[str, Any] = {"servers": [_checked_url(url) for url in self.urls]}
        self._reject_contradictions()
        if self.user is not None and self.password_file is not None:
            found.update(user=self.user, password=_first_line(self.password_file))
        if self.token_file is not None:
            found["token"] = _first_line(self.token_file)
        for name, path in (("user_credentials", self.credentials), ("nkeys_seed", self.nkey_file)):
            if path is not None:
                _reject_open_file(path)
                _require_nkeys()
                found[name] = str(path)
        if (context := self._tls()) is not None:
            found["tls"] = context
        return found

    def _reject_contradictions(self) -> None:
        if (self.user is None) != (self.password_file is None):
            raise ConfigError(["--user and --password-file need each other: give both or none"])
        ways = (self.user, self.token_file, self.credentials, self.nkey_file)
        if sum(way is not None for way in ways) > 1:
            raise ConfigError(["give one of --user, --token-file, --creds and --nkey-file"])
        if (self.certificate is None) != (self.key_file is None):
            raise ConfigError(["--tls-cert and --tls-key need each other: give both or none"])

    def _tls(self) -> ssl.SSLContext | None:
        if self.ca_file is None and self.certificate is None:
            return None  # nats-py uses the system's authorities if a server needs TLS
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate is not None and self.key_file is not None:
                _reject_open_file(self.key_file)
                context.load_cert_chain(self.certificate, self.key_file)
        except (OSError, ssl.SSLError) as error:
            files = [path for path in (self.ca_file, self.certificate, self.key_file) if path]
            names = ", ".join(map(str, files))
            why = error.strerror or type(error).__name__
            raise ConfigError([f"{names}: cannot be used for TLS: {why}"]) from None
        return context


def _checked_url(url: str) -> str:
    if not url.startswith(_SCHEMES) or "," in url:
        shown = redact_url(url)
        raise ConfigError([f"--servers {shown}: expected nats://HOST:PORT or tls://HOST:PORT"])
    if "@" in url:
        raise ConfigError(
            [
                f"--servers {redact_url(url)}: other users of this machine can read secrets on a "
                "command line: use --user and --password-file, or --token-file"
            ]
        )
    return url


def _first_line(path: Path) -> str:
    try:
        lines = read_secret_lines(path)
    except SecretFileError as error:
        raise ConfigError([str(error)]) from None
    if not lines or not lines[0]:
        raise ConfigError([f"{path}: its first line is empty, expected a secret"])
    return lines[0]


def _reject_open_file(path: Path) -> None:
    if problem := permission_problem(path):
        raise ConfigError([problem])


def _require_nkeys() -> None:
    try:
        importlib.import_module("nkeys")
    except ImportError:
        raise ConfigError(
            ["--creds and --nkey-file need nkeys, which is not installed: pip install nkeys"]
        ) from None


class Connection:
    """One connection, which nats-py renews for ever.

    Args:
        servers: how to connect.
        on_reconnect: called after the connection was renewed.

    Attributes:
        client: of nats-py.
        reconnects: how often the connection was renewed.
        problem: the newest error in one line; "" while connected.
    """

    def __init__(self, servers: Servers, on_reconnect: Callable[[], None]) -> None:
        self.client = Client()
        self.reconnects = 0
        self.problem = ""
        self._options = servers.options()
        self._on_reconnect = on_reconnect

    async def open(self) -> None:
        """Connect; tries for ever.

        Raises:
            ConfigError: nats-py cannot use a URL or credentials.
        """
        try:
            await self.client.connect(
                name=_CLIENT_NAME,
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                reconnect_time_wait=RECONNECT_PAUSE,
                ping_interval=PING_INTERVAL,
                max_outstanding_pings=2,
                pending_size=MAX_BUFFERED,
                error_cb=self._on_error,
                disconnected_cb=self._on_disconnect,
                reconnected_cb=self._on_connect,
                **self._options,
            )
        except (nats.errors.Error, ValueError, OSError) as error:
            raise ConfigError([f"NATS: {describe(error)}"]) from None
        self.problem = ""

    async def _on_error(self, error: Exception) -> None:
        problem = describe(error)
        if problem != self.problem:
            logger.warning("NATS: %s", problem)
        self.problem = problem

    async def _on_disconnect(self) -> None:
        self.problem = self.problem or "disconnected"

    async def _on_connect(self) -> None:
        self.problem = ""
        self.reconnects += 1
        logger.info("connected to NATS again")
        self._on_reconnect()


def describe(error: BaseException) -> str:
    """Return an error as one line without secrets."""
    text = redact_text(str(error)).replace("\n", " ")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
