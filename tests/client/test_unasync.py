"""The blocking Client's operations are those of the asyncio Client."""

from __future__ import annotations

from tests.client import unasync


def test_the_generated_operations_are_up_to_date() -> None:
    generated = unasync.generated()
    assert "async" not in generated.replace("unasync", "")
    assert "await" not in generated
    assert unasync.TARGET.read_text(encoding="utf-8") == generated, (
        "run `python -m tests.client.unasync`"
    )
