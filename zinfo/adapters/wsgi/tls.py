"""The TLS context of an HTTP server, made from its configuration."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from zinfo.config.models import HttpConfig
from zinfo.errors import ConfigError
from zinfo.wire.secret_files import permission_problem


def server_context(config: HttpConfig) -> ssl.SSLContext | None:
    """Return the TLS context of the HTTP server; None if TLS is not configured.

    With `client_ca_file` clients may present a certificate. It stays optional, because a client may
    authenticate with a token instead.

    Raises:
        ConfigError: a file cannot be used, or other users can access the key.
    """
    if config.cert_file is None or config.key_file is None:
        return None
    problem = permission_problem(Path(config.key_file))
    if problem:
        raise ConfigError([problem])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load("http.cert_file", config.cert_file, context.load_cert_chain, config.key_file)
    if config.client_ca_file is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        _load("http.client_ca_file", config.client_ca_file, context.load_verify_locations)
    return context


def _load(key: str, path: str, load: Callable[..., object], *more: str) -> None:
    try:
        load(path, *more)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError([f"{key}: {path} cannot be used: {error}"]) from None
