"""Files that other users can read or change cause warnings: at a check, at start, at a reload."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.running import invoke
from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.security.keyring import Keyring
from tests.waiting import wait_until

PASSWORD = "pw-in-a-file-61"


@pytest.fixture
def place(short_tmp: Path) -> Path:
    """A directory that other users can enter."""
    short_tmp.chmod(0o755)
    (short_tmp / "etc").mkdir(mode=0o755)
    return short_tmp / "etc"


def written(place: Path, text: str, mode: int = 0o600, name: str = "zinfo.toml") -> Path:
    file = place / name
    file.write_text(text)
    file.chmod(mode)
    return file


def with_password_in_url(place: Path) -> Path:
    return written(place, f'[[shards]]\nurl = "redis://:{PASSWORD}@h:1"\n', 0o644)


def with_password_key(place: Path) -> Path:
    return written(place, f'[[shards]]\nurl = "redis://h:1"\npassword = "{PASSWORD}"\n', 0o640)


def that_others_write(place: Path) -> Path:
    return written(place, "", 0o666)


def in_a_directory_that_others_write(place: Path) -> Path:
    place.chmod(0o777)
    return written(place, "")


def with_an_open_password_file(place: Path) -> Path:
    written(place, PASSWORD, 0o644, "pw")
    return written(place, '[[shards]]\nurl = "redis://h:1"\npassword_file = "pw"\n', 0o644)


def with_client_keys_that_others_write(place: Path) -> Path:
    ring = Keyring(place / "keys")
    ring.clients.chmod(0o777)
    return written(place, ring.config(), 0o644)


def with_one_client_key_that_others_write(place: Path) -> Path:
    ring = Keyring(place / "keys")
    (ring.clients / "admin.key").chmod(0o622)
    return written(place, ring.config(), 0o644)


OPEN: dict[Callable[[Path], Path], str] = {
    with_password_in_url: "{file}: found mode 0644, expected 0600, as it holds a secret",
    with_password_key: "{file}: found mode 0640, expected 0600, as it holds a secret",
    that_others_write: "{file}: found mode 0666, which lets other users change it: chmod go-w it",
    in_a_directory_that_others_write: "{place}: found mode 0777, which lets other users change it",
    with_an_open_password_file: "{place}/pw: found mode 0644, expected 0600",
    with_client_keys_that_others_write: "{place}/keys/clients: found mode 0777, which lets",
    with_one_client_key_that_others_write: "{place}/keys/clients/admin.key: found mode 0622",
}


@pytest.mark.parametrize("case", OPEN, ids=lambda case: case.__name__)
def test_check_warns_of_a_file_that_others_can_read_or_change(
    place: Path, case: Callable[[Path], Path], promise: Promise
) -> None:
    file = case(place)
    done = invoke("check", str(file))
    *warnings, last = done.stdout.splitlines()
    promise(f"a file {case.__name__.replace('_', ' ')}", "zinfo check warns", "; ".join(warnings))
    expected = OPEN[case].format(file=file, place=place)
    assert len(warnings) == 1
    assert warnings[0].startswith(f"warning: {expected}")
    assert last.startswith(f"{file}: ok, ")
    assert done.exit_code == 0
    assert PASSWORD not in done.stdout


def test_check_does_not_warn_of_private_files(place: Path) -> None:
    ring = Keyring(place / "keys")
    written(place, PASSWORD, 0o600, "pw")
    url, more = "redis://h:1", 'password_file = "pw"\n'
    shard = f'[[shards]]\nurl = "{url}"\n{more}[[shards]]\nurl = "redis://:{PASSWORD}@i:1"\n'
    done = invoke("check", str(written(place, ring.config() + shard)))
    assert done.stdout.splitlines() == [f"{place}/zinfo.toml: ok, 2 shards"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of another user's")
def test_check_warns_of_another_users_file(place: Path) -> None:
    file = written(place, "", 0o644)
    os.chown(file, 12345, 12345)
    (warning, _) = invoke("check", str(file)).stdout.splitlines()
    assert warning == f"warning: {file}: found user 12345 as its owner, expected root or this user"


def test_the_daemon_warns_at_start_and_at_each_reload(place: Path, promise: Promise) -> None:
    written(place, PASSWORD, 0o644, "pw")
    shard = f'[[shards]]\nurl = "redis://127.0.0.1:1"\npassword_file = "{place}/pw"\n'
    url = f'[[shards]]\nurl = "redis://:{PASSWORD}@127.0.0.1:2"\n'
    with RunningDaemon(config_text=shard + url) as daemon:
        daemon.directory.chmod(0o755)
        first = daemon.log()
        daemon.config_path.chmod(0o644)
        (place / "pw").chmod(0o600)
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: "read again" in daemon.log(), what="the reload")
        second = daemon.log()[len(first) :]
    promise(
        "others can read a password_file, then the configuration",
        "the log warns at start and SIGHUP",
        f"{first.count('found mode 0644')} and {second.count('found mode 0644')} warnings",
    )
    assert f"{place}/pw: found mode 0644" in first
    assert "zinfo.toml: found mode 0644, expected 0600" in second
    assert PASSWORD not in first + second


def test_only_the_first_insecure_files_are_listed(place: Path) -> None:
    text = ""
    for number in range(25):
        written(place, PASSWORD, 0o644, f"pw{number}")
        text += f'[[shards]]\nurl = "redis://h:{number + 1}"\npassword_file = "pw{number}"\n'
    lines = invoke("check", str(written(place, text))).stdout.splitlines()
    assert len(lines) == 22
    assert lines[-2] == "warning: and 5 more files that other users can access"
