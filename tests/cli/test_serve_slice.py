"""`zinfo serve` with `[slice]`: what it says where a host name has no number."""

from __future__ import annotations

from pathlib import Path

from tests.cli.running import Following
from zinfo.cli.serve import _or_local
from zinfo.config import Config
from zinfo.config.slices import SliceConfig


def test_a_host_without_a_number_is_exit_code_2_and_a_line_that_says_what_to_write(
    tmp_path: Path,
) -> None:
    path = tmp_path / "zinfo.toml"
    path.write_text("[slice]\ncount = 3\n", encoding="utf-8")
    (tmp_path / "log").mkdir()
    before = "import socket; socket.gethostname = lambda: 'web'"
    arguments = (
        "serve",
        f"--config={path}",
        "--query=tcp://127.0.0.1:*",
        "--bus=tcp://127.0.0.1:*",
    )
    serving = Following(tmp_path / "log", *arguments, daemon=None, before=before)
    assert serving.process.wait(60) == 2
    (line,) = (tmp_path / "log" / "errors").read_text().splitlines()[-1:]
    assert line == (
        "Error: slice.number: missing, and the host name 'web' does not end in a number: "
        "expected number = 0 to 2 in [slice], or ZINFO_SLICE_NUMBER in the environment"
    )


def test_a_daemon_with_a_slice_does_not_watch_its_machine() -> None:
    """Its servers have ids that other daemons do not know."""
    assert _or_local(Config()).local.enabled
    assert not _or_local(Config(slice=SliceConfig(number=0, count=3))).local.enabled
