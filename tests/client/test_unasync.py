"""The operations of the blocking clients are those of the asyncio clients."""

from __future__ import annotations

import pytest

from tests.client import unasync


@pytest.mark.parametrize("name", unasync.MODULES)
def test_the_generated_operations_are_up_to_date(name: str) -> None:
    generated = unasync.generated(name)
    assert "async" not in generated.replace("unasync", "")
    assert "await" not in generated
    assert unasync.target(name).read_text(encoding="utf-8") == generated, (
        "run `python -m tests.client.unasync`"
    )
