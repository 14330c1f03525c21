"""The files of an HTTP client: token, password, authorities and certificates. Blocks."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from zinfo.discovery.sources.file_reading import FileState, file_state
from zinfo.errors import SourceError
from zinfo.wire.secret_lines import SecretFileError, read_secret_lines


@dataclass(frozen=True, slots=True)
class HttpFiles:
    """What an HTTP client sends and verifies. Attributes as the arguments of `HttpSource`."""

    token_file: str | None = None
    username: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    def authorization(self) -> str | None:
        """Return the value of the header Authorization; None for none.

        Raises:
            SourceError: the file cannot be used.
        """
        if self.token_file is not None:
            return f"Bearer {_secret('token_file', self.token_file)}"
        if self.password_file is not None:
            password = _secret("password_file", self.password_file)
            login = f"{self.username or ''}:{password}".encode()
            return f"Basic {base64.b64encode(login).decode()}"
        return None


@dataclass(slots=True)
class TlsContexts:
    """TLS contexts that are made again when their files change.

    The system's authorities take up to 0.2 s to load. That is done in a thread, by a function of
    OpenSSL that runs without the GIL, which `ssl.create_default_context()` alone does not call.

    Attributes:
        files: the files.
    """

    files: HttpFiles
    _made: dict[bool, tuple[tuple[FileState, ...], ssl.SSLContext]] = field(default_factory=dict)

    def get(self, *, with_certificate: bool) -> ssl.SSLContext:
        """Return a context.

        Args:
            with_certificate: whether the client's certificate is sent to a server that requests it.

        Raises:
            SourceError: a file cannot be used.
        """
        files = self.files
        paths: list[tuple[str, str | None]] = [
            ("ca_file", files.ca_file or ssl.get_default_verify_paths().cafile)
        ]
        if with_certificate:
            paths += [("cert_file", files.cert_file), ("key_file", files.key_file)]
        states = tuple(_state(key, path) for key, path in paths if path is not None)
        made = self._made.get(with_certificate)
        if made is not None and made[0] == states and all(one.is_settled for one in states):
            return made[1]
        context = self._make(with_certificate=with_certificate)
        self._made[with_certificate] = states, context
        return context

    def _make(self, *, with_certificate: bool) -> ssl.SSLContext:
        files, system = self.files, ssl.get_default_verify_paths()
        key = "ca_file"
        try:
            if files.ca_file is not None:
                context = ssl.create_default_context(cafile=files.ca_file)
            elif system.cafile is not None:
                context = ssl.create_default_context(cafile=system.cafile, capath=system.capath)
            else:
                context = ssl.create_default_context()
            if with_certificate and files.cert_file is not None:
                key = "cert_file or key_file"
                # Without a password OpenSSL asks for that of an encrypted key on the terminal.
                context.load_cert_chain(files.cert_file, files.key_file, password="")
        except OSError as error:
            problem = getattr(error, "reason", None) or error.strerror or "not a PEM file"
            raise SourceError(f"{key} cannot be used: {problem}") from None
        return context


def _state(key: str, path: str) -> FileState:
    try:
        return file_state(path)
    except SourceError as error:
        raise SourceError(f"{key} {error}") from None


def _secret(key: str, path: str) -> str:
    try:
        lines = read_secret_lines(Path(path))
    except SecretFileError as error:
        raise SourceError(f"{key}: {error}") from None
    if not lines or not lines[0]:
        raise SourceError(f"{key}: {path}: its first line is empty")
    if key == "token_file" and not (lines[0].isascii() and lines[0].isprintable()):
        raise SourceError(f"{key}: {path}: its first line is not a token")
    return lines[0]
