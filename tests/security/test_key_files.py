"""Keys in files: made for their owner only, and refused where others may read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import zmq
import zmq.auth
from click.testing import CliRunner

from tests.promises import Promise
from tests.security.keyring import Keyring
from zinfo.cli.app import cli
from zinfo.errors import ConfigError
from zinfo.security.authorized_keys import AuthorizedKeys, rights_lost_on_bus
from zinfo.security.bus_rights import UNLIMITED, BusRights
from zinfo.security.rights import Rights
from zinfo.shards.connection_options import ConnectionOptions, SecretUnavailableError
from zinfo.wire.curve_keys import ClientKeys, make_key_files, read_key_pair, read_public_key


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keygen_writes_keys_that_only_the_owner_can_read(tmp_path: Path, promise: Promise) -> None:
    directory = tmp_path / "keys"
    before = os.umask(0)
    try:
        made = CliRunner().invoke(cli, ["keygen", str(directory)])
        assert made.exit_code == 0, made.output
        made = CliRunner().invoke(cli, ["keygen", str(directory), "dash", "cron"])
        assert made.exit_code == 0, made.output
    finally:
        os.umask(before)
    files = [path for path in directory.rglob("*") if path.is_file()]
    modes = {f"{mode(path):04o}" for path in files}
    promise("zinfo keygen, umask 0", "mode 0600", f"{len(files)} files, {', '.join(modes)}")
    assert modes == {"0600"}
    assert mode(directory) == mode(directory / "clients") == 0o700
    assert sorted(path.relative_to(directory).as_posix() for path in files) == [
        "clients/cron.key",
        "clients/dash.key",
        "cron.key_secret",
        "dash.key_secret",
        "server.key",
        "server.key_secret",
    ]
    AuthorizedKeys(directory / "server.key_secret", directory / "clients", {})
    ClientKeys.read(directory / "server.key", directory / "dash.key_secret")


def test_keygen_replaces_nothing(tmp_path: Path) -> None:
    secret = make_key_files(tmp_path, "server")[1]
    before = secret.read_bytes()
    done = CliRunner().invoke(cli, ["keygen", str(tmp_path)])
    assert done.exit_code == 2
    assert "exists" in done.output
    assert secret.read_bytes() == before


@pytest.mark.parametrize("link", ["dash.key_secret", "dash.key", "clients/dash.key"])
@pytest.mark.parametrize("late", [False, True])
def test_keygen_follows_no_symbolic_link(
    tmp_path: Path, link: str, late: bool, monkeypatch: pytest.MonkeyPatch, promise: Promise
) -> None:
    keys, elsewhere = tmp_path / "keys", tmp_path / "elsewhere"
    if link.startswith("clients"):
        (keys / "clients").mkdir(parents=True)
    keys.mkdir(exist_ok=True)
    (keys / link).symlink_to(elsewhere)
    if late:  # as if it had been made between the look and the writing
        monkeypatch.setattr(os.path, "lexists", lambda _path: False)
    done = CliRunner().invoke(cli, ["keygen", str(keys), "dash"])
    left = [path.name for path in keys.rglob("*") if path.is_file() or path.is_symlink()]
    promise(
        f"zinfo keygen, {link} is a dangling link{', made late' if late else ''}",
        "the link is not followed",
        f"exit code {done.exit_code}, its target exists: {elsewhere.exists()}",
    )
    assert not elsewhere.exists()
    assert (keys / link).is_symlink()
    if link.startswith("clients") and not late:  # as where a key of that name is known
        assert sorted(left) == ["dash.key", "dash.key", "dash.key_secret"]
        return
    assert done.exit_code == 2
    assert "exists, and is not replaced" in done.output
    assert left == [Path(link).name]


def test_keygen_warns_of_a_directory_that_others_can_write(short_tmp: Path) -> None:
    short_tmp.chmod(0o777)
    done = CliRunner().invoke(cli, ["keygen", str(short_tmp)])
    assert done.exit_code == 0
    warning = (
        f"warning: {short_tmp}: found mode 0777, which lets other users change it: chmod go-w it"
    )
    assert done.output.count(warning) == 1


def test_keys_have_the_format_of_pyzmq(tmp_path: Path) -> None:
    public, secret = make_key_files(tmp_path / "new", "x")
    keys = zmq.auth.load_certificate(secret)
    assert keys[1] is not None
    assert zmq.curve_public(keys[1]) == keys[0]
    assert zmq.auth.load_certificate(public) == (keys[0], None)
    assert mode(public) == mode(secret) == 0o600
    assert mode(public.parent) == 0o700


@pytest.mark.parametrize("name", ["server", "../evil", ".hidden", "a/b"])
def test_keygen_refuses_names_that_are_no_file_names(tmp_path: Path, name: str) -> None:
    assert CliRunner().invoke(cli, ["keygen", str(tmp_path / "k"), name]).exit_code == 2
    assert not list(tmp_path.rglob("*.key*"))


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_secret_file_that_others_can_read_is_refused(short_tmp: Path, bits: int) -> None:
    short_tmp.chmod(0o755)  # a directory that others may enter
    secret = make_key_files(short_tmp, "server")[1]
    secret.chmod(bits)
    with pytest.raises(ConfigError, match=f"found mode {bits:04o}, expected 0600"):
        read_key_pair(secret)
    password = short_tmp / "password"
    password.write_text("s3cret")
    password.chmod(bits)
    options = ConnectionOptions(url="redis://h:1", password_file=str(password))
    with pytest.raises(SecretUnavailableError, match=f"found mode {bits:04o}") as caught:
        options.resolve_password()
    assert "s3cret" not in str(caught.value)


def test_an_invalid_key_is_reported_with_its_file(tmp_path: Path) -> None:
    public, secret = make_key_files(tmp_path, "x")
    with pytest.raises(
        ConfigError, match=r"found no secret key, expected a file like x\.key_secret"
    ):
        read_key_pair(public)
    for text in ("", "curve\n", 'public-key = "short"\n', f'public-key = "{"~" * 40}"\n'):
        public.write_text(text)
        with pytest.raises(ConfigError, match=r"x\.key: found"):
            read_public_key(public)
    secret.write_text('public-key = "a"\nsecret-key = "b"\n')
    with pytest.raises(ConfigError, match="broken secret key"):
        read_key_pair(secret)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_public_key(tmp_path / "nowhere.key")


def test_all_problems_of_the_clients_keys_are_reported_at_once(keyring: Keyring) -> None:
    (keyring.clients / "bad.key").write_text("nothing")
    twin = (keyring.clients / "admin.key").read_bytes()
    (keyring.clients / "twin.key").write_bytes(twin)
    with pytest.raises(ConfigError) as caught:
        access(keyring, absent=Rights("absent"))
    problems = "\n".join(caught.value.problems)
    assert "bad.key: found no key" in problems
    assert "twin.key: found the key of admin" in problems
    assert "clients.absent: found no key" in problems


def access(keyring: Keyring, **rights: Rights) -> AuthorizedKeys:
    return AuthorizedKeys(keyring.directory / "server.key_secret", keyring.clients, rights)


def test_a_failed_reload_leaves_no_client_known(keyring: Keyring) -> None:
    key = keyring.of("admin").own.public.decode()
    clients = access(keyring)
    assert clients.rights_of(key) is not None
    (keyring.clients / "bad.key").write_text("nothing")
    with pytest.raises(ConfigError):
        clients.reload({})
    assert clients.rights_of(key) is None
    (keyring.clients / "bad.key").unlink()
    clients.reload({})
    assert clients.rights_of(key) is not None


def test_only_sockets_whose_clients_lost_rights_are_reset(keyring: Keyring) -> None:
    clients = access(keyring)

    def lost(*rights: Rights) -> set[BusRights]:
        before = clients.rights_by_key()
        clients.reload({one.name: one for one in rights})
        return rights_lost_on_bus(before, clients.rights_by_key())

    keyring.authorize("more")
    some = Rights("admin", shards=("a",))
    assert lost() == set(), "a key that is added"
    assert lost(some, Rights("more")) == {UNLIMITED}
    assert lost(some, Rights("more")) == set(), "nothing changed"
    fewer = Rights("more", operations=frozenset({"events", "snapshot"}))
    assert lost(some, fewer) == set(), "what the bus does not know of"
    keyring.revoke("more")
    assert lost(some, fewer) == {UNLIMITED}
    assert lost(Rights("admin")) == {BusRights(shards=("a",))}


def test_a_name_without_a_key_is_a_warning_at_a_reload(
    keyring: Keyring, caplog: pytest.LogCaptureFixture
) -> None:
    key = keyring.of("admin").own.public.decode()
    clients = access(keyring)
    clients.reload({"admin": Rights("admin"), "gone": Rights("gone")})
    assert clients.rights_of(key) is not None
    assert "clients.gone: found no key" in caplog.text


def test_if_rights_are_configured_other_clients_have_none(keyring: Keyring) -> None:
    key = keyring.authorize("other").own.public.decode()
    rights = access(keyring, admin=Rights("admin")).rights_of(key)
    assert rights is not None
    assert not rights.can_see("any")
    assert not rights.can_call("get_infos")
