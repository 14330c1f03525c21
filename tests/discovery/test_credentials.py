"""Named credentials are sent to their hosts only."""

from __future__ import annotations

import pytest

from zinfo.discovery.credentials import CredentialsError, CredentialSet, NamedCredentials
from zinfo.discovery.host_patterns import HostPatterns

SECRET = "hunter2"
TABLE = NamedCredentials(HostPatterns(["*.orders.net", "/run/*"]), {"password": SECRET})
CREDENTIALS = CredentialSet({"orders": TABLE})


@pytest.mark.parametrize("url", ["redis://a.orders.net:1", "unix:///run/redis.sock"])
def test_a_host_of_the_credentials_gets_them(url: str) -> None:
    options = CREDENTIALS.options_for(url, "orders", timeout=2.0)
    assert options.resolve_password() == SECRET
    assert options.timeout == 2.0


def test_without_a_name_no_credentials_are_sent() -> None:
    assert CREDENTIALS.options_for("redis://a.orders.net:1").resolve_password() is None


@pytest.mark.parametrize(
    ("url", "name", "problem"),
    [
        ("redis://a.orders.net.evil.net:1", "orders", "may not be sent to a.orders.net.evil.net"),
        ("redis://a.orders.net:1", "other", "no credentials named other"),
    ],
)
def test_other_hosts_and_names_are_errors(url: str, name: str, problem: str) -> None:
    with pytest.raises(CredentialsError, match=problem):
        CREDENTIALS.options_for(url, name)


def test_no_text_shows_the_password() -> None:
    assert SECRET not in repr(TABLE)
