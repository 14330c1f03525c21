"""Large target groups are decoded in another process, and the event loop goes on meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import gevent
import psutil
import pytest

from tests.waiting import wait_until
from zinfo.discovery.host_patterns import HostPatterns
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.sources import decoding
from zinfo.discovery.sources.decode_process import Failure, Rest, pieces
from zinfo.discovery.sources.decoding import SMALL_SIZE, decode_target_groups
from zinfo.discovery.sources.target_groups import GroupFormat, read_target_groups
from zinfo.errors import SourceError
from zinfo.loop.yielding import CooperativeYield

RULES = TargetRules(
    "s",
    labels={"region": "fra"},
    id_template="{env}/{host}",
    keep={"env": "prod"},
    credential_hosts={"c": HostPatterns(["10.0.0.0/8", "cache-*"])},
)


def groups(count: int) -> bytes:
    prod: list[object] = [
        {"targets": [f"cache-{n}:6379"], "labels": {"env": "prod", "__credentials__": "c"}}
        for n in range(count)
    ]
    test = [{"targets": [f"test-{n}"], "labels": {"env": "test"}} for n in range(count)]
    bad = [{"targets": ["a:x", "u:p@h"], "labels": {"env": "prod"}, "more": 1}]
    return json.dumps([*prod, *test, *bad]).encode()


def children() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if "decode_process" in " ".join(child.cmdline())
    ]


def error_of(call: Callable[[], object]) -> str:
    with pytest.raises(SourceError) as caught:
        call()
    return str(caught.value)


def test_the_process_makes_the_same_answer_as_this_one() -> None:
    data = groups(1000)
    assert len(data) > SMALL_SIZE
    form = GroupFormat(RULES, scheme="rediss", labels={"__meta_x": "y"})
    here = read_target_groups(data, form, lambda: None)
    there = decode_target_groups([data[:1000], data[1000:]], form)
    assert there == here
    assert list(there.targets) == list(here.targets)
    assert len(here.targets) == 1000
    assert here.skipped == {"bad port": 1, "a user or password in its address": 1}
    assert here.notes == ("a group has an unknown key: more",)
    assert children() == []


def test_small_groups_need_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "child_process", lambda _: pytest.fail("started"))
    assert len(decode_target_groups([groups(20)], GroupFormat(RULES)).targets) == 20
    text = "".join(f"- targets: [cache-{n}]\n" for n in range(100)).encode()
    assert (
        len(decode_target_groups([text], GroupFormat(TargetRules("s"), yaml=True)).targets) == 100
    )


def test_the_pieces_are_small_and_only_what_is_kept_is_sent() -> None:
    *targets, rest = pieces((GroupFormat(RULES), groups(1000)))
    assert sum(len(piece) for piece in targets if isinstance(piece, list)) == 1000
    assert all(isinstance(piece, list) and len(piece) <= 50 for piece in targets)
    assert isinstance(rest, Rest)
    (failure,) = pieces((GroupFormat(RULES), b"["))
    assert isinstance(failure, Failure)


def test_an_error_of_the_text_comes_from_the_process() -> None:
    text = error_of(lambda: decode_target_groups([b"[" * 20_000], GroupFormat(RULES)))
    assert text == "it is nested too deeply"
    assert children() == []


def test_other_greenlets_run_between_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[None] = []
    monkeypatch.setattr(CooperativeYield, "maybe_yield", lambda _: turns.append(None))
    assert len(decode_target_groups([groups(1000)], GroupFormat(RULES)).targets) == 1000
    assert len(turns) >= 20


class Stuck:
    """Unpickled in the process, it stays there."""

    def __reduce__(self) -> tuple[Any, ...]:
        return time.sleep, (600,)


def stuck() -> GroupFormat:
    return GroupFormat(TargetRules("s", labels=Stuck()))  # type: ignore[arg-type]  # not a mapping


def test_a_process_that_takes_too_long_is_killed() -> None:
    text = error_of(lambda: decode_target_groups([groups(500)], stuck(), timeout=0.5))
    assert text == "it could not be decoded within 0.5 s"
    assert children() == []


def test_a_process_that_dies_is_an_error() -> None:
    reader = gevent.spawn(error_of, lambda: decode_target_groups([groups(500)], stuck()))
    (child,) = wait_until(children, what="the process", sleep=gevent.sleep)
    os.kill(child.pid, signal.SIGKILL)
    assert reader.get(timeout=60) == "the process that decodes it exited without a result"


def test_the_process_ends_if_the_waiting_greenlet_is_killed() -> None:
    reader = gevent.spawn(decode_target_groups, [groups(500)], stuck())
    (child,) = wait_until(children, what="the process", sleep=gevent.sleep)
    reader.kill()
    assert not child.is_running()


def test_a_process_that_cannot_be_started_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    text = error_of(lambda: decode_target_groups([groups(500)], GroupFormat(RULES)))
    assert text == "cannot start a process to decode it: No such file or directory"


def test_the_process_imports_nothing_slow() -> None:
    """It starts for each large answer that changed."""
    code = (
        "import sys; import zinfo.discovery.sources.decode_process; "
        "found = {'gevent', 'redis', 'zmq', 'pydantic', 'psutil'} & set(sys.modules); "
        "print(sorted(found))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
