"""The source `file`: which targets it lists while files appear, change, break and disappear."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import wait_until
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.sources import file_reading
from zinfo.discovery.sources.file import FileSource
from zinfo.discovery.sources.file_thread import FileThread
from zinfo.discovery.target import Answer
from zinfo.errors import SourceError


def groups(*targets: str) -> str:
    return json.dumps([{"targets": targets}])


def source(*files: Path | str, **options: Any) -> FileSource:
    rules = options.pop("rules", None) or TargetRules("files")
    return FileSource("files", [str(one) for one in files], rules, **options)


def listed(answer: Answer | None) -> list[str]:
    assert answer is not None
    return list(answer.targets)


@pytest.fixture
def json_file(tmp_path: Path) -> Path:
    path = tmp_path / "a.json"
    path.write_text(groups("a:1", "b:2"))
    return path


def test_targets_are_those_of_all_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(groups("b:1", "both:1"))
    (tmp_path / "a.json").write_text(groups("a:1", "redis://both:1"))
    (tmp_path / "c.yaml").write_text("- targets: [c:1, 'rediss://both:1']\n  labels: {env: x}\n")
    answer = source(tmp_path / "*.yaml", tmp_path / "*.json").read()
    assert listed(answer) == ["c:1", "both:1", "a:1", "b:1"]
    assert answer is not None
    assert answer.targets["both:1"] == ("rediss://both:1", {"env": "x", "source": "files"}, "")
    assert answer.skipped == {"the id both:1 is given twice": 2}
    assert not answer.incomplete


def test_the_path_is_a_label_for_rules(json_file: Path) -> None:
    rules = TargetRules("files", keep={"__meta_filepath": "*/a.json"})
    (json_file.parent / "b.json").write_text(groups("c:3"))
    answer = source(json_file.parent / "*.json", rules=rules, scheme="rediss").read()
    assert listed(answer) == ["a:1", "b:2"]
    assert answer is not None
    assert answer.targets["a:1"].url == "rediss://a:1"


def test_an_unchanged_file_is_not_read_again(
    json_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_reading, "_SETTLED", -1)
    files = source(json_file)
    assert listed(files.read()) == ["a:1", "b:2"]
    monkeypatch.setattr("zinfo.discovery.sources.file.read_file", lambda _: pytest.fail("read"))
    assert files.read() is None
    assert files.read() is None


def test_after_another_start_all_is_listed_again(json_file: Path) -> None:
    files = source(json_file)
    assert listed(files.read()) == ["a:1", "b:2"]
    files.close()
    assert listed(files.read()) == ["a:1", "b:2"]


def test_a_change_that_leaves_size_and_times_alike_is_seen(json_file: Path) -> None:
    files = source(json_file)
    assert listed(files.read()) == ["a:1", "b:2"]
    before = json_file.stat()
    json_file.write_text(groups("a:1", "c:2"))
    os.utime(json_file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert listed(files.read()) == ["a:1", "c:2"]
    json_file.touch()
    assert files.read() is None  # read, but its content is the same


def test_a_configmap_that_is_swapped_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kubelet does it: FILE is a link to ..data/FILE, and the link ..data is replaced."""
    monkeypatch.setattr(file_reading, "_SETTLED", -1)
    for number in (1, 2):
        (tmp_path / f"..v{number}").mkdir()
        (tmp_path / f"..v{number}" / "a.json").write_text(groups(f"a:{number}"))
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "a.json").symlink_to("..data/a.json")
    files = source(tmp_path / "*.json")
    assert listed(files.read()) == ["a:1"]
    (tmp_path / "..new").symlink_to("..v2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert listed(files.read()) == ["a:2"]
    assert files.read() is None


def become_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_link(path: Path, to: str) -> None:
    path.unlink()
    path.symlink_to(to)


BREAKERS: dict[str, Callable[[Path], object]] = {
    "it is not JSON": lambda path: path.write_text('[{"targets": ["a:1"'),
    "it is not a list": lambda path: path.write_text("{}"),
    "is not a regular file": become_fifo,
    "is not a regular file ": become_directory,
    "cannot be read: No such file": lambda path: become_link(path, "nowhere"),
    "cannot be read: Too many levels": lambda path: become_link(path, path.name),
    "is larger than 64 MiB": lambda path: os.truncate(path, (64 << 20) + 1),
}


@pytest.mark.parametrize("reason", BREAKERS)
def test_a_file_that_cannot_be_used_keeps_its_targets_and_the_others_go_on(
    tmp_path: Path, json_file: Path, reason: str
) -> None:
    other = tmp_path / "b.json"
    other.write_text(groups("o:1"))
    files = source(tmp_path / "*.json")
    assert listed(files.read()) == ["a:1", "b:2", "o:1"]
    BREAKERS[reason](json_file)
    answer = files.read()
    assert listed(answer) == ["a:1", "b:2", "o:1"]
    assert answer is not None
    assert len(answer.notes) == 1
    assert answer.notes[0].startswith(f"{json_file}: {reason.strip()}")
    assert not answer.incomplete
    assert files.read() is None
    other.write_text(groups("o:2"))
    assert listed(files.read()) == ["a:1", "b:2", "o:2"]
    # It is used as soon as it is good again.
    if json_file.is_dir() and not json_file.is_symlink():
        json_file.rmdir()
    new = tmp_path / "new"
    new.write_text(groups("c:3"))
    new.rename(json_file)
    answer = files.read()
    assert listed(answer) == ["c:3", "o:2"]
    assert answer is not None
    assert answer.notes == ()


def test_a_good_content_that_comes_back_is_used_again(json_file: Path) -> None:
    files = source(json_file)
    assert listed(files.read()) == ["a:1", "b:2"]
    good = json_file.read_text()
    json_file.write_text("[")
    with pytest.raises(SourceError, match="it is not JSON"):
        files.read()
    json_file.write_text(good)
    assert files.read() is None


def test_if_no_file_can_be_used_the_source_fails(tmp_path: Path, json_file: Path) -> None:
    json_file.write_text("[")
    (tmp_path / "b.json").write_text("{")
    files = source(tmp_path / "*.json")
    for _ in range(2):
        with pytest.raises(SourceError, match=r"a\.json: it is not JSON.* \(and 1 more\)"):
            files.read()
    json_file.write_text(groups("a:1"))
    assert listed(files.read()) == ["a:1"]


def test_an_answer_without_a_file_that_was_never_good_is_incomplete(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[")
    (tmp_path / "b.json").write_text(groups("b:1"))
    files = source(tmp_path / "*.json")
    answer = files.read()
    assert listed(answer) == ["b:1"]
    assert answer is not None
    assert answer.incomplete
    (tmp_path / "a.json").write_text("[]")
    answer = files.read()
    assert answer is not None
    assert not answer.incomplete


def test_an_answer_without_a_named_file_that_never_was_there_is_incomplete(
    tmp_path: Path, json_file: Path
) -> None:
    files = source(json_file, tmp_path / "later.json", tmp_path / "*.yml")
    answer = files.read()
    assert answer is not None
    assert answer.incomplete
    assert answer.notes == (f"{tmp_path}/later.json: no such file",)
    (tmp_path / "later.json").write_text("[]")
    answer = files.read()
    assert answer is not None
    assert (answer.incomplete, answer.notes) == (False, ())


def test_patterns_that_never_matched_are_an_error(tmp_path: Path) -> None:
    files = source(tmp_path / "*.json", tmp_path / "*.yml")
    with pytest.raises(SourceError, match=r"no file matches .*json, .*yml"):
        files.read()
    with pytest.raises(SourceError, match=r"named\.json: no such file"):
        source(tmp_path / "named.json").read()
    (tmp_path / "a.yml").touch()
    assert files.read() == Answer({})


def test_targets_of_a_deleted_file_leave(tmp_path: Path, json_file: Path) -> None:
    (tmp_path / "b.json").write_text(groups("o:1"))
    files = source(tmp_path / "*.json")
    assert listed(files.read()) == ["a:1", "b:2", "o:1"]
    json_file.unlink()
    assert listed(files.read()) == ["o:1"]
    (tmp_path / "b.json").unlink()
    assert files.read() == Answer({}, {}, ("all files are gone",))
    assert files.read() is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_in_a_directory_that_cannot_be_read_stay(tmp_path: Path, json_file: Path) -> None:
    files = source(tmp_path / "*.json")
    assert listed(files.read()) == ["a:1", "b:2"]
    tmp_path.chmod(0)
    answer = files.read()
    tmp_path.chmod(0o700)
    assert listed(answer) == ["a:1", "b:2"]


def test_files_of_a_search_that_fails_stay(
    tmp_path: Path, json_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = source(tmp_path / "*.json")
    assert listed(files.read()) == ["a:1", "b:2"]

    def stale(_: str) -> list[str]:
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr("zinfo.discovery.sources.file.matching_files", stale)
        answer = files.read()
        assert listed(answer) == ["a:1", "b:2"]
        assert answer is not None
        assert answer.notes == (f"{tmp_path}/*.json: cannot be searched: Stale file handle",)
        with pytest.raises(SourceError, match="Stale file handle"):
            source(tmp_path / "*.json").read()
    assert listed(files.read()) == ["a:1", "b:2"]


def test_what_is_no_regular_file_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening a device can have effects, and opening a FIFO lets its writer go on."""
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened"))
    for path in (str(tmp_path / "fifo"), str(tmp_path), "/dev/null"):
        with pytest.raises(SourceError, match="is not a regular file"):
            file_reading.read_file(path)


def test_a_file_that_changes_while_it_is_read_is_read_again(
    json_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = source(json_file)
    changes = iter([groups("a:1", "x:1")])
    read = os.read

    def read_and_change(descriptor: int, count: int) -> bytes:
        data = read(descriptor, count)
        for text in changes:
            json_file.write_text(text)
        return data

    monkeypatch.setattr(os, "read", read_and_change)
    assert listed(files.read()) == ["a:1", "x:1"]


def test_a_file_that_always_changes_keeps_its_targets(
    json_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = source(json_file)
    assert listed(files.read()) == ["a:1", "b:2"]
    read = os.read

    def read_and_change(descriptor: int, count: int) -> bytes:
        with json_file.open("a") as stream:
            stream.write(" ")
        return read(descriptor, count)

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", read_and_change)
        with pytest.raises(SourceError, match="changes while it is read"):
            files.read()
    assert listed(files.read()) == ["a:1", "b:2"]


def test_a_file_that_is_replaced_by_rename_during_each_read_is_read(
    json_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = groups("a:1", "b:2")
    json_file.write_text(text)
    files = source(json_file)
    read = os.read

    def replace_and_read(descriptor: int, count: int) -> bytes:
        new = json_file.with_suffix(".new")
        new.write_text(text)
        new.rename(json_file)
        return read(descriptor, count)

    monkeypatch.setattr(os, "read", replace_and_read)
    assert listed(files.read()) == ["a:1", "b:2"]


def test_files_replaced_by_rename_all_the_time_are_never_read_half(json_file: Path) -> None:
    first, second = (
        groups(*[f"a:{n}" for n in range(1, 200)]),
        groups(*[f"b:{n}" for n in range(1, 300)]),
    )
    files = source(json_file)
    json_file.write_text(first)
    stop = threading.Event()

    def replace() -> None:
        new = json_file.with_suffix(".new")
        while not stop.is_set():
            for text in (first, second):
                new.write_text(text)
                new.rename(json_file)

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        for _ in range(20):
            answer = files.read()
            if answer is not None:
                assert len(answer.targets) in (199, 299)
                assert len({ident[0] for ident in answer.targets}) == 1
    finally:
        stop.set()
        writer.join()


def test_a_file_written_in_place_all_the_time_never_loses_targets_for_being_cut(
    json_file: Path,
) -> None:
    text = groups(*[f"a:{n}" for n in range(1, 5000)])
    json_file.write_text(text)
    files = source(json_file)
    assert len(listed(files.read())) == 4999
    stop = threading.Event()

    def rewrite() -> None:
        while not stop.is_set():
            with json_file.open("w") as stream:
                for start in range(0, len(text), 1000):
                    stream.write(text[start : start + 1000])
                    stream.flush()

    writer = threading.Thread(target=rewrite)
    writer.start()

    def fails() -> bool:
        try:
            assert files.read() is None  # its targets are those of the whole text
        except SourceError:
            return True
        return False

    try:
        for _ in range(3):
            wait_until(fails, what="a read of a part of the text")
    finally:
        stop.set()
        writer.join()
    assert files.read() is None


def test_a_content_that_could_not_be_decoded_is_tried_again_later(
    json_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "zinfo.discovery.sources.file"

    def fail(*_: object) -> Answer:
        raise SourceError("cannot start a process to decode it: No memory")

    files = source(json_file)
    with monkeypatch.context() as patch:
        patch.setattr(f"{module}.decode_target_groups", fail)
        with pytest.raises(SourceError, match="No memory"):
            files.read()
    with pytest.raises(SourceError, match="No memory"):
        files.read()  # not at each read
    monkeypatch.setattr(f"{module}.time.monotonic", lambda: 1e9)
    assert listed(files.read()) == ["a:1", "b:2"]


def test_a_file_system_that_hangs_holds_one_thread_only() -> None:
    release = threading.Event()
    thread = FileThread(timeout=0.05)
    with pytest.raises(SourceError, match=r"does not respond within 0\.05 s"):
        thread.run(release.wait)
    for _ in range(3):
        with pytest.raises(SourceError, match="still does not respond"):
            thread.run(lambda: pytest.fail("run"))
    release.set()
    patient = FileThread()
    assert patient.run(lambda: 5) == 5


def test_too_many_targets_in_all_files_are_refused(
    tmp_path: Path, json_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zinfo.discovery.answer_builder.MAX_TARGETS", 3)
    files = source(tmp_path / "*.json")
    assert listed(files.read()) == ["a:1", "b:2"]
    (tmp_path / "b.json").write_text(groups("c:1", "d:1"))
    for _ in range(2):
        with pytest.raises(SourceError, match="more than 3 shards"):
            files.read()
    (tmp_path / "b.json").write_text(groups("c:1"))
    assert listed(files.read()) == ["a:1", "b:2", "c:1"]


def test_errors_are_one_printable_line(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[2J\n.json"
    path.write_text("[")
    (tmp_path / os.fsdecode(b"\xff.json")).write_text(groups("a:1"))
    with pytest.raises(SourceError) as caught:
        source(tmp_path / "a*.json").read()
    assert str(caught.value).isprintable()
    answer = source(tmp_path / "*.json").read()
    assert listed(answer) == ["a:1"]
    assert answer is not None
    assert all(note.isprintable() for note in answer.notes)


def test_a_large_file_is_decoded_in_a_process(tmp_path: Path) -> None:
    names = [f"cache-{n}.example.net" for n in range(1000)]
    (tmp_path / "a.json").write_text(json.dumps([{"targets": [name]} for name in names]))
    (tmp_path / "b.yml").write_text("".join(f"- targets: [b{n}]\n" for n in range(2000)))
    files = source(tmp_path / "*.json", tmp_path / "*.yml")
    answer = files.read()
    assert len(listed(answer)) == 3000
    (tmp_path / "a.json").write_text("[" * 20_000)
    answer = files.read()
    assert len(listed(answer)) == 3000
    assert answer is not None
    assert answer.notes == (f"{tmp_path}/a.json: it is nested too deeply",)
