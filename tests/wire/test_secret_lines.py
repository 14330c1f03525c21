"""A line of a file with secrets ends with LF or CR LF, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from zinfo.errors import ConfigError
from zinfo.security.tokens import Tokens
from zinfo.shards.connection_options import ConnectionOptions, SecretUnavailableError
from zinfo.wire.secret_lines import MAX_BYTES, SecretFileError, read_secret_lines

INSIDE = ("\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029")
"""Characters at which Python's text files or `str.splitlines` end a line."""

TOKEN = "0123456789abcdef"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "secret"
    made.touch(mode=0o600)
    return made


def password(file: Path) -> str | None:
    return ConnectionOptions(url="redis://h", password_file=str(file)).resolve_password()


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        (b"", []),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\r\n", ["a"]),
        (b"a\r", ["a"]),
        (b"a\r\r\n", ["a\r"]),
        (b"\n\na\n\n", ["", "", "a", ""]),
        (b" a \t\n", [" a \t"]),
    ],
)
def test_lines_end_with_lf_or_crlf(file: Path, raw: bytes, lines: list[str]) -> None:
    file.write_bytes(raw)
    assert read_secret_lines(file) == lines


@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_all_other_separators_are_part_of_a_password(file: Path, inside: str, end: str) -> None:
    secret = f"{inside}left{inside}right{inside}!"
    file.write_bytes(f"{secret}{end}".encode())
    assert password(file) == secret


@pytest.mark.parametrize("raw", [b"", b"\n", b"\r\n", b"\nsecret\n"])
def test_a_file_without_a_password_is_an_error(file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    with pytest.raises(SecretUnavailableError, match="found no password in its first line"):
        password(file)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"first\ns\xe9cret\n", "line 2: found a byte that is not UTF-8"),
        (b"\xff\xfes\x00e\x00", "line 1: found a byte that is not UTF-8"),
        (b"\xef\xbb\xbfsecret\n", "byte order mark"),
        (b"x" * (MAX_BYTES + 1), "more than 1048576 bytes"),
    ],
)
def test_a_file_that_is_no_utf_8_text_is_an_error_that_repeats_none_of_it(
    file: Path, raw: bytes, problem: str
) -> None:
    file.write_bytes(raw)
    for read in (lambda: read_secret_lines(file), lambda: password(file), lambda: Tokens(file, {})):
        with pytest.raises((SecretFileError, SecretUnavailableError, ConfigError)) as caught:
            read()
        assert problem in str(caught.value)
        for repeated in ("cret", "xe9", "xff"):
            assert repeated not in str(caught.value).replace(str(file), "")


def test_a_variable_without_a_password_in_utf_8_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = ConnectionOptions(url="redis://h", password_env="SHARD_PASSWORD")
    for value, problem in (("", "is empty"), ("s\udce9cret", "is not UTF-8")):
        monkeypatch.setenv("SHARD_PASSWORD", value)
        with pytest.raises(SecretUnavailableError, match=f"SHARD_PASSWORD {problem}"):
            options.resolve_password()
    monkeypatch.setenv("SHARD_PASSWORD", "a\u2028b\n")
    assert options.resolve_password() == "a\u2028b\n"


@pytest.mark.parametrize("inside", INSIDE)
def test_other_separators_end_no_line_of_the_tokens_and_no_name(file: Path, inside: str) -> None:
    file.write_bytes(f"a{inside}b {TOKEN}\r\n\tc \t {TOKEN}2\t\n # {inside} x {TOKEN}3".encode())
    tokens = Tokens(file, {})
    rights = [tokens.rights_of_token(TOKEN + end) for end in ("", "2", "3")]
    assert [one and one.name for one in rights] == [f"a{inside}b", "c", None]


@pytest.mark.parametrize("inside", [*INSIDE, "\x00", "\x7f", "\xa0", "\xe9"])
def test_a_token_that_no_http_header_can_have_is_an_error(file: Path, inside: str) -> None:
    file.write_bytes(f"a {TOKEN}{inside}{TOKEN}\n".encode())
    with pytest.raises(ConfigError, match="line 1: expected a token of visible ASCII") as caught:
        Tokens(file, {})
    assert TOKEN not in str(caught.value)
