"""Warnings about the secrets of sources and of named credentials."""

from __future__ import annotations

from pathlib import Path

import pytest

from zinfo.config import exposure_notes, load_config


@pytest.fixture
def place(short_tmp: Path) -> Path:
    """A directory that other users can enter, with a secret that they can read."""
    short_tmp.chmod(0o755)
    (short_tmp / "open").write_text("hunter2")
    (short_tmp / "open").chmod(0o644)
    (short_tmp / "closed").write_text("hunter2")
    (short_tmp / "closed").chmod(0o600)
    return short_tmp


def notes_of(place: Path, text: str) -> list[str]:
    file = place / "zinfo.toml"
    file.write_text(text)
    file.chmod(0o600)
    return [note.replace(f"{place}/", "") for note in exposure_notes(load_config(file), file)]


CREDENTIALS = '[credentials.orders]\nhosts = ["h"]\n'
HTTP = '[[sources]]\ntype = "http"\nurl = "{}"\n'


@pytest.mark.parametrize(
    "text",
    [
        CREDENTIALS + 'password_file = "{}"',
        CREDENTIALS + 'cert_file = "c"\nkey_file = "{}"',
        HTTP.format("https://h") + 'token_file = "{}"',
        HTTP.format("https://h") + 'username = "u"\npassword_file = "{}"',
        HTTP.format("https://h") + 'cert_file = "c"\nkey_file = "{}"',
    ],
)
def test_a_secret_file_that_others_can_read_is_a_warning(place: Path, text: str) -> None:
    (note,) = notes_of(place, text.format("open"))
    assert note.startswith("open: ")
    assert notes_of(place, text.format("closed")) == []


def test_credentials_without_verified_certificates_are_a_warning(place: Path) -> None:
    (note,) = notes_of(place, CREDENTIALS + "tls_verify = false")
    assert "certificates are not verified (tls_verify = false) of [credentials.orders]" in note


@pytest.mark.parametrize(
    ("url", "warns"),
    [
        ("http://cmdb.example.net/sd", True),
        ("HTTP://10.0.0.1:8000/", True),
        ("http://[2001:db8::1]/", True),
        ("https://cmdb.example.net/sd", False),
        ("http://localhost:8000/", False),
        ("http://127.0.0.1:8000/", False),
        ("http://[::1]/", False),
    ],
)
def test_a_token_that_crosses_a_network_in_clear_text_is_a_warning(
    place: Path, url: str, warns: bool
) -> None:
    token = 'token_file = "closed"\n'
    password = 'username = "u"\npassword_file = "closed"\n'
    for secret in (token, password):
        notes = notes_of(place, HTTP.format(url) + secret)
        assert [("without encryption" in note and "http" in note) for note in notes] == (
            [True] if warns else []
        )
    assert notes_of(place, HTTP.format(url)) == []
