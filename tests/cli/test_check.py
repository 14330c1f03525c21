"""`zinfo check`: a file is valid, or every problem is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import invoke


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "ok, no shards and no sources: `zinfo serve` polls the servers of its machine"),
        ("[local]\nenabled = false", "ok, 0 shards"),
        (
            '[[sources]]\ntype = "file"\nfiles = ["none.json"]',  # it is not opened
            "ok, 0 shards, 1 source",
        ),
        ('[[shards]]\nurl = "redis://a"\n', "ok, 1 shard"),
        (
            '[[shards]]\nurl = "redis://a"\n[[shards]]\nurl = "redis://b"\n[local]\nenabled = true',
            "ok, 2 shards, and the servers of its machine",
        ),
    ],
)
def test_a_file_that_is_right_is_counted(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "zinfo.toml"
    file.write_text(text)
    done = invoke("check", str(file))
    assert (done.exit_code, done.stdout) == (0, f"{file}: {expected}\n")


def test_every_problem_is_a_line_and_the_exit_code_is_1(tmp_path: Path) -> None:
    file = tmp_path / "zinfo.toml"
    file.write_text('[poll]\ntimeoutt = 1\njitter = 3\n[[shards]]\nurl = "redis://:hunter2@"\n')
    done = invoke("check", str(file))
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert f"{file}: poll.timeoutt: unknown key, did you mean timeout?" in lines
    assert "hunter2" not in done.stdout


def test_a_file_that_is_not_there_is_a_problem_of_its_own(tmp_path: Path) -> None:
    done = invoke("check", str(tmp_path / "none.toml"))
    assert done.exit_code == 1
    assert "cannot be read: No such file or directory" in done.stdout


@pytest.mark.parametrize("options", [(), ("--discover",), ("--json", "x"), ("--timeout=1", "x")])
def test_without_a_file_it_is_wrong_usage(options: tuple[str, ...]) -> None:
    assert invoke("check", *options).exit_code == 2


def test_options_that_make_sources_are_validated_without_a_file() -> None:
    done = invoke("check", "--cluster", "redis://a", "--cluster", "redis://b", "--dns", "c:1")
    assert (done.exit_code, done.stdout) == (0, "the options: ok, 0 shards, 2 sources\n")
    done = invoke("check", "--cluster", "redis://u:hunter2@a:x")
    assert done.exit_code == 1
    assert done.stdout.startswith("--cluster: sources[0].seeds[0]: found 'redis://***")


def test_shards_whose_certificates_are_not_verified_are_one_warning(tmp_path: Path) -> None:
    file = tmp_path / "zinfo.toml"
    shards = [f'[[shards]]\nurl = "rediss://h{n}"\ntls_verify = false\n' for n in range(7)]
    file.write_text("[local]\nenabled = true\ntls_verify = false\n" + "".join(shards))
    warning, last = invoke("check", str(file)).stdout.splitlines()
    assert warning == (
        "warning: certificates are not verified (tls_verify = false) of [local], h0:6379, h1:6379, "
        "h2:6379, h3:6379 and 3 more: another server in their place is accepted, and receives the "
        "password"
    )
    assert last.startswith(f"{file}: ok, 7 shards")
