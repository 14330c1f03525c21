"""How many examples hypothesis tries: a part of them in each run, all of them at night.

`pytest --hypothesis-profile=nightly` selects a profile. A test asks for the number that it should
have at night, `@settings(max_examples=examples(300))`; without settings it has 100.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import engine

PROFILES = {"run": 15, "quick": 10, "nightly": 100}
"""The profiles, and the percentage of the examples that each tries."""

MAX_SHRINKING_SECONDS = 30
"""Limit for making a failing example smaller; the next run on the same machine continues.

When it is reached, hypothesis reports "more than five minutes", which is its own limit.
"""


def register_profiles() -> None:
    """Register the profiles, and select the one for a normal run.

    No test has a limit of time, which a busy machine would exceed: neither for one example, nor for
    the generation of all. Only shrinking has one, which hypothesis has no setting for: its own
    limit of five minutes is nearly the limit of a test.
    """
    engine.MAX_SHRINKING_SECONDS = MAX_SHRINKING_SECONDS
    for name, percentage in PROFILES.items():
        settings.register_profile(
            name,
            max_examples=percentage,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        )
    settings.load_profile("run")


def examples(count: int) -> int:
    """Return the number of examples to try with the selected profile.

    Args:
        count: Number of examples with the profile `nightly`.
    """
    selected = settings.default
    assert selected is not None
    return max(1, count * selected.max_examples // 100)
