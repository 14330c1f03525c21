"""The last answer of each source is stored, and nothing else than such a file is loaded."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.discovery import answer_file
from zinfo.discovery.answer_file import CorruptAnswerError, check_digest, decode, digest, encode
from zinfo.discovery.stored_answers import StoredAnswers, file_name
from zinfo.discovery.target import Target

URL = "redis://10.0.0.1:6379"
TARGETS = {
    "10.0.0.1:6379": Target(URL, {"site": "fra"}, "orders"),
    "/tmp/s": Target("unix:///tmp/s", {}),
}


def nothing() -> None:
    pass


def store(path: Path, targets: Mapping[str, Target] = TARGETS, source: str = "cmdb") -> bool:
    return StoredAnswers(path).store(source, targets, nothing)()


def load(path: Path, source: str = "cmdb") -> Mapping[str, Target] | None:
    stored = StoredAnswers(path).load(source, nothing)
    return None if stored is None else stored.targets


def as_file(source: str, targets: Mapping[str, Target]) -> bytes:
    pieces = list(encode(source, targets, nothing))
    return b"".join(pieces) + digest(pieces)


def test_an_answer_is_loaded_as_it_was_stored(tmp_path: Path) -> None:
    path = tmp_path / "state" / "zinfo"
    assert load(path) is None
    assert store(path)
    assert load(path) == TARGETS
    assert store(path, {})
    assert load(path) == {}
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    (file,) = path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    StoredAnswers(path).remove("cmdb")
    StoredAnswers(path).remove("cmdb")
    assert list(path.iterdir()) == []


def test_each_source_has_a_file_of_its_own_with_a_safe_name(tmp_path: Path) -> None:
    names = ["a", "A", "a.b", "..", "../x", "a/b", "%41", "\x1b[31m", "é", "x" * 500, "x" * 501]
    for number, name in enumerate(names):
        assert store(tmp_path / "state", {str(number): Target(URL, {})}, name)
    assert [load(tmp_path / "state", name) for name in names] == [
        {str(number): Target(URL, {})} for number in range(len(names))
    ]
    assert {file.parent for file in tmp_path.rglob("*.answer")} == {tmp_path / "state"}
    assert all(file_name(name).isascii() and len(file_name(name)) < 255 for name in names)


def test_a_file_that_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / f".{file_name('cmdb')}.new").write_bytes(b"half")
    tmp_path.chmod(0o700)
    assert store(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["cmdb.answer"]


FILE = "cmdb.answer"


def cut(path: Path) -> None:
    (path / FILE).write_bytes((path / FILE).read_bytes()[:-1])


def changed(path: Path) -> None:
    (path / FILE).write_bytes((path / FILE).read_bytes().replace(b"fra", b"ams"))


def empty(path: Path) -> None:
    (path / FILE).write_bytes(b"")


def link(path: Path) -> None:
    (path / FILE).rename(path / "other")
    (path / FILE).symlink_to(path / "other")


def hard_link(path: Path) -> None:
    os.link(path / FILE, path / "other")


def readable(path: Path) -> None:
    (path / FILE).chmod(0o640)


def fifo(path: Path) -> None:
    (path / FILE).unlink()
    os.mkfifo(path / FILE, 0o600)


def directory(path: Path) -> None:
    (path / FILE).unlink()
    (path / FILE).mkdir(0o700)


def of_another_source(path: Path) -> None:
    (path / FILE).write_bytes(as_file("other", TARGETS))


def huge(path: Path) -> None:
    with (path / FILE).open("r+b") as opened:
        opened.truncate(answer_file.MAX_SIZE + 1)


def in_a_directory_of_others(path: Path) -> None:
    path.chmod(0o777)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (cut, "its digest is wrong"),
        (changed, "its digest is wrong"),
        (empty, "its digest is wrong"),
        (link, "Too many levels of symbolic links"),
        (hard_link, "another name"),
        (readable, "mode 0640"),
        (fifo, "not a regular file"),
        (directory, "not a regular file"),
        (of_another_source, "another source"),
        (huge, "more than"),
        (in_a_directory_of_others, "mode 0777"),
    ],
)
def test_any_other_file_is_ignored_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None], reason: str
) -> None:
    path = tmp_path / "state"
    store(path)
    spoil(path)
    assert load(path) is None
    (record,) = caplog.records
    assert reason in record.getMessage()
    assert str(path) in record.getMessage()


@pytest.mark.parametrize(
    "entry",
    [
        ["", URL, {}, ""],
        ["a", "redis://user:password@a:1", {}, ""],
        ["a", "http://a", {}, ""],
        ["a", "redis://:0", {}, ""],
        ["a", URL, {"n": 1}, ""],
        ["a", URL, {1: "n"}, ""],
        ["a", URL, {"n": "v" * 5000}, ""],
        ["a", URL, [], ""],
        ["a", URL, {}, None],
        ["a" * 2000, URL, {}, ""],
        ["a", URL, {}],
        "a",
        1,
    ],
)
def test_a_target_that_no_source_can_have_is_refused(entry: object) -> None:
    content = msgpack.packb(["zinfo answer", 1, "cmdb", 1]) + msgpack.packb(entry)
    with pytest.raises(CorruptAnswerError):
        decode(content + digest([content]), "cmdb", nothing)


def test_fewer_targets_than_the_header_says_are_refused() -> None:
    content = msgpack.packb(["zinfo answer", 1, "cmdb", 2]) + msgpack.packb(["a", URL, {}, ""])
    with pytest.raises(CorruptAnswerError, match="complete"):
        decode(content + digest([content]), "cmdb", nothing)


@settings(max_examples=examples(1000))
@given(st.binary(max_size=200))
def test_no_bytes_raise_another_error(content: bytes) -> None:
    for data in (content, as_file("cmdb", TARGETS)[:-40] + content + bytes(32)):
        with pytest.raises(CorruptAnswerError):
            check_digest(data)
        with pytest.raises(CorruptAnswerError):
            decode(data, "cmdb", nothing)


def test_long_work_pauses_after_each_target_and_is_in_small_pieces() -> None:
    targets = {f"s{number}": Target(URL, {"n": "x" * 100}) for number in range(2000)}
    pauses: list[None] = []
    pieces = list(encode("cmdb", targets, lambda: pauses.append(None)))
    assert len(pauses) == len(targets)
    assert max(map(len, pieces)) < 70_000
    stored = decode(b"".join(pieces) + bytes(32), "cmdb", lambda: pauses.append(None))
    assert stored == (targets, None)
    assert len(pauses) == 2 * len(targets)


def test_a_directory_that_cannot_be_written_is_a_problem_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    answers = StoredAnswers(blocked / "state")
    for _ in range(3):
        assert not answers.store("cmdb", TARGETS, nothing)()
    assert answers.problem == "Not a directory"
    assert len(caplog.records) == 1
    blocked.unlink()
    assert answers.store("cmdb", TARGETS, nothing)()
    assert answers.problem == ""


def test_an_answer_that_is_too_large_is_not_stored_and_its_old_file_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path / "state")
    monkeypatch.setattr(answer_file, "MAX_SIZE", 100)
    assert store(tmp_path / "state")
    assert list((tmp_path / "state").iterdir()) == []
