"""Keys for the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.security.keyring import Keyring


@pytest.fixture
def keyring(short_tmp: Path) -> Keyring:
    """Keys of a daemon and of its admin client."""
    return Keyring(short_tmp / "keys")
