"""A few seconds of the churn that `python -m tests.security.churn` runs for half an hour."""

from __future__ import annotations

from tests.promises import Promise
from tests.security.churn import run


def test_new_connections_inherit_no_rights_of_closed_ones(promise: Promise) -> None:
    churn = run(3.0, lambda _line: None)
    measured = ", ".join(churn.report())
    promise("connections open and close, user messages", "no frames of others", measured)
    assert not churn.foreign
    assert not churn.failures
    assert churn.counts["frames"] > 0
    assert churn.counts["fences"] > 0
