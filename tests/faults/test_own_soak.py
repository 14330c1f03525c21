"""Faults of everything around a daemon, for minutes: nothing leaks, and every Mirror is correct.

This is for the night; `test_mirror_claim.py` has the shorter test that Mirrors are correct.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from benchmarks.soak import find_problems
from tests.daemons import ROOT
from tests.promises import Promise
from tests.spawning import command_prefix


def soak(*words: str, timeout: float) -> tuple[int, dict[str, Any]]:
    """Run the soak benchmark; return its exit code and its figures."""
    done = subprocess.run(
        [*command_prefix(), sys.executable, "-m", "benchmarks.soak", "--json", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=timeout,
        check=False,
    )
    return done.returncode, json.loads(done.stdout or "{}")


def measured(found: dict[str, Any]) -> str:
    first, last = found["first"], found["last"]
    return (
        f"{sum(found['faults'].values())} faults; memory {100 * found['growth']:+.1f} %, "
        f"files {first['files']} -> {last['files']}, "
        f"greenlets {first['greenlets']} -> {last['greenlets']}, "
        f"{last['compared']} comparisons, {last['wrong']} wrong"
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_minutes_of_soak(promise: Promise) -> None:
    code, found = soak("--seconds=120", timeout=290)
    promise(
        "2 minutes of faults around 1,000 shards",
        "memory < +5 %, files and greenlets level, no Mirror wrong",
        measured(found),
    )
    assert code == 0, found["broken"]


def test_growth_wrong_mirrors_and_faults_are_reported_as_problems() -> None:
    good: dict[str, Any] = {
        "memory": 100,
        "files": 10,
        "greenlets": 5,
        "wrong": 0,
        "compared": 1,
        "updates": 1,
        "examples": [],
        "stats": {"faults": {}},
    }
    assert find_problems(good, {**good, "memory": 104}, {}, 5.0) == []
    for bad in (
        {"memory": 105},
        {"files": 14},
        {"greenlets": 9},
        {"wrong": 1},
        {"compared": 0},
        {"stats": {"faults": {"bus": 1}}},
    ):
        assert len(find_problems(good, {**good, **bad}, {}, 5.0)) == 1, bad
    assert len(find_problems(good, good, {"wrong": 2, "examples": ["x"]}, 5.0)) == 1
