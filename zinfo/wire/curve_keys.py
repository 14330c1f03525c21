"""CURVE keys in files: makes, reads and checks them, for daemon and clients.

The files are ZeroMQ certificates as pyzmq and czmq write them: `NAME.key` holds the public key,
`NAME.key_secret` both. CURVE itself is https://rfc.zeromq.org/spec/25/.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

import zmq
import zmq.auth
from zmq.utils import z85

from zinfo.errors import ConfigError
from zinfo.wire.secret_files import permission_problem

PUBLIC_SUFFIX = ".key"
SECRET_SUFFIX = ".key_secret"

_KEY_BYTES = 32


class KeyPair(NamedTuple):
    """A public key and its secret key, in Z85 (40 characters each)."""

    public: bytes
    secret: bytes


class ClientKeys(NamedTuple):
    """The keys that a client needs to connect to a daemon with CURVE.

    Attributes:
        server: the daemon's public key, with which the client authenticates the daemon.
        own: the client's key pair, with which the daemon authenticates the client.
    """

    server: bytes
    own: KeyPair

    @classmethod
    def read(
        cls, server_file: str | os.PathLike[str], own_file: str | os.PathLike[str]
    ) -> ClientKeys:
        """Read the keys from files.

        Args:
            server_file: the daemon's public key, `server.key`.
            own_file: the client's secret key, `NAME.key_secret`.

        Raises:
            ConfigError: a file cannot be read, has no key, or can be accessed by other users.
        """
        return cls(read_public_key(Path(server_file)), read_key_pair(Path(own_file)))


def make_key_files(
    directory: Path, name: str, public_directory: Path | None = None
) -> tuple[Path, Path]:
    """Make a key pair and write it to two new files.

    No existing file is replaced, and no link is followed.

    Args:
        directory: directory of both files; made with mode 0700 if it does not exist.
        name: name of the files, without suffix.
        public_directory: directory of the public key; None for the same directory.

    Returns:
        The files of the public key and of the secret key, both with mode 0600.

    Raises:
        ConfigError: a file or link with that name exists, or a file cannot be written.
    """
    public = (public_directory or directory) / f"{name}{PUBLIC_SUFFIX}"
    secret = directory / f"{name}{SECRET_SUFFIX}"
    for path in (public, secret):
        if os.path.lexists(path):
            raise ConfigError([f"{path}: exists, and is not replaced"])
    public_key, secret_key = (key.decode("ascii") for key in zmq.curve_keypair())
    lines = f'metadata\ncurve\n    public-key = "{public_key}"\n'
    head = "# ZeroMQ CURVE {} key, made by zinfo keygen{}\n"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(public, head.format("public", "") + lines)
        try:
            secret_line = f'    secret-key = "{secret_key}"\n'
            _write_new(secret, head.format("secret", "; keep it secret") + lines + secret_line)
        except BaseException:
            public.unlink(missing_ok=True)  # useless without the secret key
            raise
    except FileExistsError as error:
        raise ConfigError([f"{error.filename}: exists, and is not replaced"]) from None
    except OSError as error:
        raise ConfigError([f"{error.filename}: cannot be written: {error.strerror}"]) from None
    return public, secret


def _write_new(path: Path, text: str) -> None:
    """Write a new file with mode 0600, so that no other user can ever read it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="ascii") as file:
        try:
            file.write(text)
            file.flush()
        except BaseException:
            path.unlink(missing_ok=True)  # made by this call, with a part of a key
            raise


def read_public_key(path: Path) -> bytes:
    """Return the public key in a file.

    Raises:
        ConfigError: the file cannot be read or has no public key.
    """
    return _checked(path, _read(path)[0], "public")


def read_key_pair(path: Path) -> KeyPair:
    """Return the keys in a file that only its owner may read.

    Raises:
        ConfigError: the file cannot be read, has no secret key, or can be accessed by other users.
    """
    secret = _read(path)[1]
    if secret is None:
        wanted = path.with_name(f"{path.stem}{SECRET_SUFFIX}")
        raise ConfigError([f"{path}: found no secret key, expected a file like {wanted.name}"])
    if problem := permission_problem(path):
        raise ConfigError([problem])
    return KeyPair(zmq.curve_public(_checked(path, secret, "secret")), secret)


def _read(path: Path) -> tuple[bytes, bytes | None]:
    try:
        with path.open("rb"):  # pyzmq's own error does not say why
            return zmq.auth.load_certificate(path)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except (ValueError, IndexError):
        raise ConfigError(
            [f"{path}: found no key, expected a file made by `zinfo keygen`"]
        ) from None


def _checked(path: Path, key: bytes, which: str) -> bytes:
    try:
        good = len(z85.decode(key)) == _KEY_BYTES
    except (KeyError, ValueError, struct.error):
        good = False
    if not good:
        raise ConfigError([f"{path}: found a broken {which} key, expected 40 characters of Z85"])
    return key
