"""A redis-py connection with TLS, configured by a shard's options.

redis-py verifies the host that it connects to, and trusts the system's authorities as well when it
is given others. Loading those takes up to 0.2 s, in which nothing else runs, so that they are
loaded only if they are needed, and shared.
"""

from __future__ import annotations

import ssl
import time
from functools import lru_cache
from typing import Any

import redis

from zinfo.shards.connection_options import ConnectionOptions

SHARED_SECONDS = 60
"""Seconds for which connections share the system's authorities once they are loaded."""


class TlsConnection(redis.SSLConnection):
    """A connection that reads the TLS files, and verifies the server, at each connect.

    Args:
        options: of the shard.
        **kwargs: arguments of `redis.Connection`.
    """

    def __init__(self, *, options: ConnectionOptions, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._options = options

    def _wrap_socket_with_ssl(self, sock: Any) -> ssl.SSLSocket:
        """Return the socket after its TLS handshake; called by redis-py."""
        name = self._options.tls_server_name or verified_name(self.host)
        return client_context(self._options).wrap_socket(sock, server_hostname=name)


def verified_name(host: str) -> str:
    """Return the name that a certificate has for a host: no zone, no final dot."""
    return host.partition("%")[0].rstrip(".")


@lru_cache(maxsize=2)
def _system_context(check_hostname: bool, _time: int) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = check_hostname
    return context


def client_context(options: ConnectionOptions) -> ssl.SSLContext:
    """Return a TLS context with the options of a shard.

    Raises:
        OSError: a file cannot be read, or has not the expected content (an `ssl.SSLError`).
    """
    certificate = options.cert_file or options.key_file  # a key alone is an error of OpenSSL
    if not (options.ca_file or certificate) and options.tls_verify:
        return _system_context(options.check_hostname, int(time.monotonic() // SHARED_SECONDS))
    if options.tls_verify:
        context = ssl.create_default_context(cafile=options.ca_file)
        context.check_hostname = options.check_hostname
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        # With a password, if an empty one: otherwise OpenSSL asks for that of an encrypted key on
        # the terminal.
        context.load_cert_chain(certificate, options.key_file, password="")
    return context
