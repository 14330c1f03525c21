"""CURVE keys in files: making, reading, checking. Both sides of the wire share this.

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
    """A public key and the secret one that belongs to it, in Z85 (40 characters each)."""

    public: bytes
    secret: bytes


class ClientKeys(NamedTuple):
    """What a client needs to be let in.

    Attributes:
        server: the daemon's public key, by which the client knows that it is the right one.
        own: the client's pair, by which the daemon knows the client.
    """

    server: bytes
    own: KeyPair

    @classmethod
    def read(
        cls, server_file: str | os.PathLike[str], own_file: str | os.PathLike[str]
    ) -> ClientKeys:
        """Read both from files.

        Args:
            server_file: the daemon's public key, `server.key`.
            own_file: the client's secret key, `NAME.key_secret`.

        Raises:
            ConfigError: a file cannot be read, holds no key, or is open to others.
        """
        return cls(read_public_key(Path(server_file)), read_key_pair(Path(own_file)))


def make_key_files(
    directory: Path, name: str, public_directory: Path | None = None
) -> tuple[Path, Path]:
    """Make a pair of keys and write it into a directory, which is made where there is none.

    Both files are made anew: nothing that is there is replaced, and no link is followed.

    Args:
        directory: where to; mode 0700 where it is made.
        name: of the files, without suffix.
        public_directory: where to for the public key, if not there too.

    Returns:
        The file of the public key and that of the secret one, both of mode 0600.

    Raises:
        ConfigError: a file or link of that name is there already, or nothing can be written.
    """
    public = (public_directory or directory) / f"{name}{PUBLIC_SUFFIX}"
    secret = directory / f"{name}{SECRET_SUFFIX}"
    for path in (public, secret):
        if os.path.lexists(path):
            raise ConfigError([f"{path}: is there already, and is not replaced"])
    public_key, secret_key = (key.decode("ascii") for key in zmq.curve_keypair())
    lines = f'metadata\ncurve\n    public-key = "{public_key}"\n'
    head = "# ZeroMQ CURVE {} key, made by zinfo keygen{}\n"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(public, head.format("public", "") + lines)
        try:
            secret_line = f'    secret-key = "{secret_key}"\n'
            _write_new(secret, head.format("secret", "; show it to nobody") + lines + secret_line)
        except BaseException:
            public.unlink(missing_ok=True)  # of no use without the other
            raise
    except FileExistsError as error:
        raise ConfigError([f"{error.filename}: is there already, and is not replaced"]) from None
    except OSError as error:
        raise ConfigError([f"{error.filename}: cannot be written: {error.strerror}"]) from None
    return public, secret


def _write_new(path: Path, text: str) -> None:
    """Write a file of mode 0600 that was not there; from the first byte on nobody else reads it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="ascii") as file:
        try:
            file.write(text)
            file.flush()
        except BaseException:
            path.unlink(missing_ok=True)  # it is this one's, and has half a key
            raise


def read_public_key(path: Path) -> bytes:
    """Return the public key in a file.

    Raises:
        ConfigError: the file cannot be read or holds none.
    """
    return _checked(path, _read(path)[0], "public")


def read_key_pair(path: Path) -> KeyPair:
    """Return the keys in a file that only its owner may read.

    Raises:
        ConfigError: the file cannot be read, holds no secret key, or is open to others.
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
        raise ConfigError([f"{path}: found no key, expected what `zinfo keygen` makes"]) from None


def _checked(path: Path, key: bytes, which: str) -> bytes:
    try:
        good = len(z85.decode(key)) == _KEY_BYTES
    except (KeyError, ValueError, struct.error):
        good = False
    if not good:
        raise ConfigError([f"{path}: found a broken {which} key, expected 40 characters of Z85"])
    return key
