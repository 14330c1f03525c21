"""The text of a failure says what to do, for each cause that has one."""

from __future__ import annotations

import socket
import ssl

import pytest
import redis.exceptions

from zinfo.poll.advice import with_advice
from zinfo.poll.credentials import Credentials
from zinfo.poll.errors import OTHER, PROTOCOL, TIMEOUT, TLS, PollError, from_exception, from_reply
from zinfo.poll.limits import reply_too_long
from zinfo.shards.connection_options import ConnectionOptions

URL = "redis://db-1:6379"
PLAIN = ConnectionOptions(url=URL)
WITH_USER = ConnectionOptions(url=URL, username="secret-user", password_file="/nowhere")
IN_URL = ConnectionOptions(url="redis://secret-user:secret@db-1")
IN_ENVIRONMENT = ConnectionOptions(url=URL, password_env="ZINFO_TEST")


def refused_auth(text: str) -> PollError:
    """Return the error for a server that refuses AUTH with this text."""
    credentials = Credentials()
    credentials.add("secret-user", "secret")
    credentials.unconfirmed = True  # AUTH was sent
    return from_exception(redis.exceptions.ResponseError(text), credentials)


def tls(text: str) -> PollError:
    return from_exception(ssl.SSLError(1, f"[SSL: X] {text} (_ssl.c:1000)"))


@pytest.mark.parametrize(
    ("error", "options", "advice"),
    [
        (
            from_reply("NOPERM this user has no permissions to run the 'info' command"),
            PLAIN,
            "on the server, run: ACL SETUSER default +info +client|setname",
        ),
        (
            from_reply("NOPERM User secret-user has no permissions to run the 'info' command"),
            WITH_USER,
            "on the server, run: ACL SETUSER USER +info +client|setname",
        ),
        (from_reply("NOPERM x"), IN_URL, "ACL SETUSER USER +info +client|setname"),
        (from_reply("NOPERM x"), object(), "ACL SETUSER USER +info +client|setname"),
        (from_reply("NOAUTH Authentication required."), PLAIN, "required: set password_file"),
        (from_reply("ERR operation not permitted"), PLAIN, "permitted: set password_file"),
        (refused_auth("WRONGPASS x"), IN_ENVIRONMENT, "correct username or password_env"),
        (refused_auth("ERR invalid password"), IN_URL, "correct username or its URL"),
        (
            refused_auth("ERR Client sent AUTH, but no password is set"),
            WITH_USER,
            "remove password_file, or set a password on the server",
        ),
        (refused_auth("ERR unknown command 'AUTH'"), WITH_USER, "permit AUTH on the server"),
        (from_reply("WRONGPASS x"), object(), "the password of the client"),
        (tls("certificate verify failed: self-signed certificate in chain"), PLAIN, "set ca_file"),
        (tls("unable to get local issuer certificate"), PLAIN, "set ca_file"),
        (tls("Hostname mismatch, certificate is not valid"), PLAIN, "set tls_server_name"),
        (tls("certificate verify failed: certificate has expired"), PLAIN, "replace"),
        (tls("TLSV13_ALERT_CERTIFICATE_REQUIRED"), PLAIN, "set cert_file and key_file"),
        (tls("sslv3 alert handshake failure"), PLAIN, "set cert_file and key_file"),
        (tls("tlsv1 alert unknown ca"), PLAIN, "tls-ca-cert"),
        (tls("CA cert does not include key usage extension"), PLAIN, "issue the certificate"),
        (from_exception(socket.gaierror(-2, "Name or service not known")), PLAIN, "getent hosts"),
        (
            from_reply("DENIED Redis is running in protected mode because protected mode is on"),
            PLAIN,
            "set a password on the server, and password_file in zinfo",
        ),
        (from_reply("ERR max number of clients reached"), PLAIN, "raise maxclients"),
        (from_exception(PermissionError(13, "Permission denied")), PLAIN, "unixsocketperm"),
        (from_exception(FileNotFoundError(2, "No such file or directory")), PLAIN, "the path"),
        (from_exception(TimeoutError("timed out")), PLAIN, "poll.timeout"),
        (PollError("Timeout connecting to server", TIMEOUT), PLAIN, "poll.connect_timeout"),
        (PollError("the server does not speak the Redis protocol", PROTOCOL), PLAIN, "the port"),
        (PollError(reply_too_long(9, 8), PROTOCOL), PLAIN, "(poll.max_reply_bytes): raise it"),
        (PollError("INFO has no fields", PROTOCOL), PLAIN, "see what INFO returns"),
        (from_reply("ERR unknown command 'INFO'"), PLAIN, "renamed or disabled"),
        (PollError("out of file descriptors: 9 are allowed"), PLAIN, "LimitNOFILE"),
    ],
)
def test_the_text_ends_with_what_to_do(error: PollError, options: object, advice: str) -> None:
    text = with_advice(error, options)
    assert text.startswith(error.message.rstrip(". "))
    assert advice in text
    assert "secret" not in text.removeprefix(error.message)


@pytest.mark.parametrize(
    "error",
    [
        PollError("the server speaks TLS: use rediss://", TLS),
        from_exception(ConnectionRefusedError(111, "Connection refused")),
        PollError("no reply to INFO within 3 s", TIMEOUT),
        PollError("connection closed by the server", OTHER),
        from_reply("LOADING Redis is loading the dataset in memory"),
        from_reply("BUSY Redis is busy running a script"),
    ],
)
def test_a_text_that_says_it_already_or_has_many_causes_is_unchanged(error: PollError) -> None:
    assert with_advice(error, PLAIN) == error.message
