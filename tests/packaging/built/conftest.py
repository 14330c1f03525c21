"""The sdist and the wheel, which all tests of a run share."""

from __future__ import annotations

import pytest

from tests.packaging.built.distributions import Distributions, build
from tests.packaging.built.shared import once


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """The sdist and the wheel."""
    pytest.importorskip("setuptools", reason="Python 3.12 and later come without; tox installs it")
    return Distributions.of(once(tmp_path_factory, "distributions", build))
