"""What a server says of the user and the password that it was shown is not passed on."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zinfo.poll.credentials import HIDDEN_TEXT, Credentials
from zinfo.poll.errors import from_exception, from_reply
from zinfo.wire.redact import MASK

PASSWORD = 'hunter2 "é\\/@\n'


def knowing(user: str | None, password: str | None) -> Credentials:
    credentials = Credentials()
    credentials.add(user, password)
    return credentials


def escaped(text: str) -> str:
    """A text as Redis quotes one (`sdscatrepr`), in lower or upper case."""
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
        PASSWORD.replace("\n", " "),  # Redis keeps its errors to one line
        escaped(PASSWORD),
        escaped(PASSWORD).replace("\\xc3\\xa9", "\\xC3\\xA9"),
        repr(PASSWORD),
        repr(PASSWORD.encode()),
        ascii(PASSWORD),
        quote(PASSWORD),
        quote(PASSWORD, safe="").lower(),
        quote(PASSWORD).replace("%20", "+"),
        PASSWORD[:7],  # Redis cuts the arguments of unknown commands off
        f"x{PASSWORD}y",
    ],
)
def test_a_text_with_the_password_is_withheld_however_it_is_written(repeated: str) -> None:
    credentials = knowing(None, PASSWORD)
    line = f"ERR unknown command 'AUTH', with args beginning with: '{repeated}' "
    assert credentials.redact(line) == f"ERR {HIDDEN_TEXT}"
    assert from_reply(f"{repeated} as the first word", credentials).message.startswith(MASK)
    error = from_exception(ValueError(f"invalid literal: {repeated}"), credentials)
    assert "hunter" not in error.message.lower()


@given(st.text(min_size=1), st.text(max_size=5))
def test_any_password_is_found_in_any_form(password: str, around: str) -> None:
    if not password.split():
        return
    credentials = knowing(None, password)
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
    assert knowing("zi.nfo", "pw-99-long").redact(line) == shown


def test_without_credentials_a_servers_words_stay_as_they_are() -> None:
    for credentials in (Credentials(), knowing(None, None), knowing("", ""), knowing(" ", " ")):
        assert credentials.redact("ERR any thing") == "ERR any thing"


@pytest.mark.parametrize(
    ("command", "said"),
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
def test_what_is_shown_to_the_server_is_known_whoever_gave_it(
    command: bytes, said: list[str]
) -> None:
    credentials = Credentials()
    credentials.on_send(command)
    assert credentials.unconfirmed
    for word in said:
        assert HIDDEN_TEXT in credentials.redact(f"ERR {word}")
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
def test_other_commands_show_nothing(command: bytes) -> None:
    credentials = Credentials()
    credentials.on_send(command)
    assert not credentials.unconfirmed
