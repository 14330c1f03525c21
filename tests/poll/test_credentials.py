"""User and password are removed from the texts of the server that they were sent to."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zinfo.poll.credentials import HIDDEN_TEXT, Credentials
from zinfo.poll.errors import from_exception, from_reply
from zinfo.wire.redact import MASK

PASSWORD = 'hunter2 "é\\/@\n'


def credentials_of(user: str | None, password: str | None) -> Credentials:
    credentials = Credentials()
    credentials.add(user, password)
    return credentials


def escaped(text: str) -> str:
    """Return a text as Redis quotes it (`sdscatrepr`)."""
    special = {"\n": r"\n", "\r": r"\r", "\t": r"\t", '"': r"\"", "\\": r"\\"}
    return "".join(
        special.get(char) or (char if 32 <= byte[0] < 127 else "".join(f"\\x{b:02x}" for b in byte))
        for char in text
        for byte in [char.encode()]
    )


@pytest.mark.parametrize(
    "repeated",
    [
        PASSWORD,
        PASSWORD.upper(),
        PASSWORD.replace("\n", " "),  # Redis replaces line ends in errors
        escaped(PASSWORD),
        escaped(PASSWORD).replace("\\xc3\\xa9", "\\xC3\\xA9"),
        repr(PASSWORD),
        repr(PASSWORD.encode()),
        ascii(PASSWORD),
        quote(PASSWORD),
        quote(PASSWORD, safe="").lower(),
        quote(PASSWORD).replace("%20", "+"),
        PASSWORD[:7],  # Redis truncates the arguments of unknown commands
        f"x{PASSWORD}y",
    ],
)
def test_a_text_that_contains_the_password_in_any_form_is_hidden(repeated: str) -> None:
    credentials = credentials_of(None, PASSWORD)
    line = f"ERR unknown command 'AUTH', with args beginning with: '{repeated}' "
    assert credentials.redact(line) == f"ERR {HIDDEN_TEXT}"
    assert from_reply(f"{repeated} as the first word", credentials).message.startswith(MASK)
    error = from_exception(ValueError(f"invalid literal: {repeated}"), credentials)
    assert "hunter" not in error.message.lower()


@given(st.text(min_size=1), st.text(max_size=5))
def test_any_password_is_found_in_any_form(password: str, around: str) -> None:
    if not password.split():
        return
    credentials = credentials_of(None, password)
    for form in (password, escaped(password), repr(password.encode("utf-8", "replace"))):
        assert HIDDEN_TEXT in credentials.redact(f"ERR {around} {form} {around}")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("NOPERM User zi.nfo has no permissions", f"NOPERM User {MASK} has no permissions"),
        ("NOPERM 'ZI.NFO' has none", f"NOPERM '{MASK}' has none"),
        ("ERR zi.nfos zzi.nfo zixnfo", "ERR zi.nfos zzi.nfo zixnfo"),
        ("ERR see redis://zi.nfo:x@h:1", f"ERR see redis://{MASK}@h:1"),
        ("BUSY Redis is busy", "BUSY Redis is busy"),
    ],
)
def test_the_user_is_masked_as_a_whole_word(line: str, shown: str) -> None:
    assert credentials_of("zi.nfo", "pw-99-long").redact(line) == shown


def test_without_credentials_a_servers_text_is_unchanged() -> None:
    for credentials in (
        Credentials(),
        credentials_of(None, None),
        credentials_of("", ""),
        credentials_of(" ", " "),
    ):
        assert credentials.redact("ERR any thing") == "ERR any thing"


@pytest.mark.parametrize(
    ("command", "secrets"),
    [
        (b"*2\r\n$4\r\nAUTH\r\n$9\r\npw-secret\r\n", ["pw-secret"]),
        (b"*3\r\n$4\r\nauth\r\n$2\r\nme\r\n$9\r\npw-secret\r\n", ["pw-secret"]),
        (
            b"*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$9\r\npw-secret\r\n",
            ["pw-secret"],
        ),
        (b"*2\r\n$4\r\nAUTH\r\n$9000\r\npw-secret that was sent in pieces", ["pw-secret"]),
    ],
)
def test_credentials_in_auth_and_hello_commands_are_registered(
    command: bytes, secrets: list[str]
) -> None:
    credentials = Credentials()
    credentials.on_send(command)
    assert credentials.unconfirmed
    for secret in secrets:
        assert HIDDEN_TEXT in credentials.redact(f"ERR {secret}")
    credentials.on_reply(b"-ERR")
    assert credentials.unconfirmed
    credentials.on_reply(b"+OK")
    assert not credentials.unconfirmed


@pytest.mark.parametrize(
    "command",
    [
        b"*2\r\n$4\r\nINFO\r\n$3\r\nall\r\n",
        b"*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$4\r\nAUTH\r\n",
        b"*2\r\n$5\r\nHELLO\r\n$4\r\nAUTH\r\n",
        b"AUTH\r\n",
        b"*1\r\n$x\r\nAUTH",
        b"",
    ],
)
def test_other_commands_contain_no_credentials(command: bytes) -> None:
    credentials = Credentials()
    credentials.on_send(command)
    assert not credentials.unconfirmed
