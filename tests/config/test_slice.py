"""`[slice]`: which part of all shards a daemon polls."""

from __future__ import annotations

from pathlib import Path

import pytest

from zinfo.config import Config, LocalConfig, changed_keys, load_config
from zinfo.config.slices import SliceConfig, number_at_end, slice_of
from zinfo.errors import ConfigError
from zinfo.wire.slices import SliceSpec

NO_NUMBER = "it is not a number of a slice"
NUMBER = 'a whole number from 0, or a text that ends in one, as in "zinfo-1"'
AT_LEAST = "a whole number from 1 to"


def load(path: Path, text: str, **environ: str) -> Config:
    path = path / "zinfo.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, environ)


def problems(path: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, text, **environ)
    return [one.replace(f"{path}/", "") for one in caught.value.problems]


def test_a_slice_is_read_from_a_file(tmp_path: Path) -> None:
    text = '[slice]\nnumber = "zinfo-1"\ncount = 3\ncopies = 2\nby = "cluster"\n'
    found = load(tmp_path, text).slice
    assert found.number == 1
    assert slice_of(found) == SliceSpec(1, 3, 2, "cluster")
    assert slice_of(load(tmp_path, "[slice]\nnumber = 0\ncount = 1\n").slice) == SliceSpec(0, 1)
    assert slice_of(Config().slice) is None


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    text = "[slice]\nnumber = 2\ncount = 3\n"
    environ = {"ZINFO_SLICE_NUMBER": "pod-7", "ZINFO_SLICE_COUNT": "8", "ZINFO_SLICE_COPIES": "2"}
    found = load(tmp_path, text, ZINFO_SLICE_BY="site", **environ).slice
    assert slice_of(found) == SliceSpec(7, 8, 2, "site")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            'number = "zinfo"',
            f"number: found 'zinfo' (it does not end in a number), expected {NUMBER}",
        ),
        ("number = true", f"number: found true ({NO_NUMBER}), expected {NUMBER}"),
        ("number = -1", f"number: found -1 ({NO_NUMBER}), expected {NUMBER}"),
        ("number = 1.0", f"number: found 1.0 ({NO_NUMBER}), expected {NUMBER}"),
        ("number = 3", "number: found 3, expected 0 to 2: slice.count is 3"),
        ('number = "zinfo-3"', "number: found 3, expected 0 to 2: slice.count is 3"),
        ("copies = 4", "copies: found 4, expected at most slice.count, which is 3"),
        ("copies = 9", f"copies: found 9, expected {AT_LEAST} 8"),
        ("count = 0", f"count: found 0, expected {AT_LEAST} 1024"),
        ('count = "3"', f"count: found '3', expected {AT_LEAST} 1024"),
        ("by = 3", 'by: found 3, expected "id" or the name of a label, as in "cluster"'),
        (
            'by = "__meta"',
            "by: found '__meta' (shards have no labels whose names begin with __), "
            'expected "id" or the name of a label, as in "cluster"',
        ),
        ("copy = 2", "copy: unknown key, did you mean copies?"),
    ],
)
def test_a_key_that_cannot_be_used_is_an_error(tmp_path: Path, keys: str, expected: str) -> None:
    count = "" if "count" in keys else "count = 3\n"
    assert problems(tmp_path, f"[slice]\n{count}{keys}\n") == [f"zinfo.toml: slice.{expected}"]


def test_a_number_of_more_than_nine_digits_is_none() -> None:
    assert number_at_end("zinfo-000000012") == 12
    assert number_at_end("zinfo-0000000012") is None
    assert number_at_end("7") == 7
    assert number_at_end("zinfo-\u0663") is None


def test_keys_without_a_count_are_errors(tmp_path: Path) -> None:
    assert problems(tmp_path, "", ZINFO_SLICE_NUMBER="1") == [
        "ZINFO_SLICE_NUMBER: slice.number: found without slice.count, the number of slices"
    ]
    assert len(problems(tmp_path, '[slice]\ncopies = 2\nby = "id"\n')) == 2
    with pytest.raises(ValueError, match="copies"):
        SliceConfig(count=1, copies=2)


def test_servers_of_the_own_machine_are_not_divided(tmp_path: Path) -> None:
    text = "[slice]\nnumber = 0\ncount = 3\n"
    assert problems(tmp_path, text, ZINFO_LOCAL_ENABLED="true") == [
        "zinfo.toml: slice.count: found with local.enabled (ZINFO_LOCAL_ENABLED): "
        "only this daemon can see the servers of its machine"
    ]
    config = Config(slice=SliceConfig(count=3), local=LocalConfig(enabled=False))
    assert config.slice.count == 3


@pytest.mark.parametrize(
    ("host", "number"),
    [("zinfo-2", 2), ("zinfo-2.zinfo.svc.cluster.local", 2), ("zinfo-2.example7", 2), ("0", 0)],
)
def test_the_number_is_that_of_the_host_by_default(host: str, number: int) -> None:
    assert slice_of(SliceConfig(count=3), host) == SliceSpec(number, 3)
    assert slice_of(SliceConfig(count=3, number=1), host) == SliceSpec(1, 3)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("web", "the host name 'web' does not end in a number"),
        ("web.example.net1", "the host name 'web' does not end in a number"),
        ("", "the host name '' does not end in a number"),
        ("web-3", "the host name 'web-3' ends in 3"),
    ],
)
def test_a_host_without_a_number_is_an_error_that_says_what_to_write(host: str, found: str) -> None:
    with pytest.raises(ConfigError) as caught:
        slice_of(SliceConfig(count=3), host)
    assert caught.value.problems == (
        f"slice.number: missing, and {found}: expected number = 0 to 2 in [slice], "
        "or ZINFO_SLICE_NUMBER in the environment",
    )


def test_a_changed_slice_is_named_key_by_key() -> None:
    after = Config(slice=SliceConfig(number=1, count=3))
    assert changed_keys(Config(), after) == ("slice.number", "slice.count")
