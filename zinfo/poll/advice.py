"""What to do about a failed poll: the advice that the text of an error ends with. Pure.

An error says what happened, in the words of the server, of OpenSSL or of the system. The advice
names the option of zinfo, or the command on the server, that ends it.
"""

from __future__ import annotations

import re
from typing import Final

from zinfo.poll.errors import AUTH, DNS, NOPERM, OTHER, PROTOCOL, REFUSED, TIMEOUT, TLS, PollError
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.wire.addresses import parse_shard_url

ACL_RULES: Final = "+info +client|setname"
"""The rights that the ACL user of zinfo needs."""

_NOPERM_ADVICE: Final = "on the server, run: ACL SETUSER {user} " + ACL_RULES

_ADVICE: Final = tuple(
    (reason, re.compile(pattern, re.IGNORECASE), advice)
    for reason, pattern, advice in (
        (NOPERM, "", _NOPERM_ADVICE),
        (AUTH, "authentication required|operation not permitted", "set {password}"),
        (AUTH, "refuses the password|wrongpass|invalid password", "correct username or {password}"),
        (AUTH, "no password set", "remove {password}, or set a password on the server"),
        (AUTH, "does not know AUTH", "remove {password}, or permit AUTH on the server"),
        (TLS, "self[- ]signed|local issuer", "set ca_file to the certificate of its authority"),
        (TLS, "mismatch|not valid for", "set tls_server_name to a name in the certificate"),
        (TLS, "has expired|not yet valid", "replace the certificate, or correct a clock"),
        (TLS, "certificate.required|handshake.failure", "set cert_file and key_file"),
        (
            TLS,
            "alert.(unknown.ca|bad.cert)",
            "cert_file must be signed by the server's tls-ca-cert",
        ),
        (TLS, "key usage|key identifier", "issue the certificate again with this extension"),
        (DNS, "", "correct the host, or the DNS of zinfo's machine (getent hosts NAME)"),
        (REFUSED, "protected mode", "set a password on the server, and {password} in zinfo"),
        (REFUSED, "max(imum)? number of clients", "raise maxclients on the server"),
        (REFUSED, "permission denied", "let zinfo's user write to the socket (unixsocketperm)"),
        (REFUSED, "no such file", "start the server, or correct the path"),
        (TIMEOUT, "timed out|reading", "the server is stopped or slow, or poll.timeout too short"),
        (TIMEOUT, "connect", "check address and firewalls, or raise poll.connect_timeout"),
        (PROTOCOL, "not speak the redis|http server", "correct the port"),
        (PROTOCOL, "over the bound", "raise it if the server needs more"),
        (PROTOCOL, "no fields", "see what INFO returns there, and to which user"),
        (OTHER, "unknown command.*info", "INFO is renamed or disabled on the server: permit it"),
        (OTHER, "file descriptors", "raise the limit of open files (LimitNOFILE, ulimit -n)"),
    )
)
"""Reason, a part of the error's text, and what to do. The first match counts; an error that is not
here, such as that of a password file, says itself what to do, or no single cause is likely."""


def with_advice(error: PollError, redis_conn: object) -> str:
    """Return the text of an error with what to do about it, if that is known.

    Args:
        error: why a poll failed.
        redis_conn: how the shard is connected to. The text does not have its user, as no error has.
    """
    for reason, pattern, advice in _ADVICE:
        if error.reason == reason and pattern.search(error.message):
            words = advice.format(user=_acl_user(redis_conn), password=_password_option(redis_conn))
            return f"{error.message.rstrip('. ')}: {words}"
    return error.message


def _acl_user(redis_conn: object) -> str:
    """Return `default` where zinfo logs in as the user of that name, else a placeholder."""
    if isinstance(redis_conn, ConnectionOptions) and not (
        redis_conn.username or parse_shard_url(redis_conn.url).username
    ):
        return "default"
    return "USER"


def _password_option(redis_conn: object) -> str:
    """Return the option from which the password comes, or should come."""
    if not isinstance(redis_conn, ConnectionOptions):
        return "the password of the client"
    if redis_conn.password_file is not None:
        return "password_file"
    if redis_conn.password_env is not None:
        return "password_env"
    if redis_conn.password is not None:
        return "password"
    return "password_file" if parse_shard_url(redis_conn.url).password is None else "its URL"
