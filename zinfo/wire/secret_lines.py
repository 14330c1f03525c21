"""Reads files whose lines hold secrets: passwords and tokens.

A line ends with LF or CR LF, and with nothing else: a lone CR, NEL, VT, FF and the separators of
Unicode may be characters of a password. `str.splitlines` and text files would end a line at each.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from zinfo.wire.secret_files import permission_problem

MAX_BYTES = 1 << 20
"""Maximum size of such a file; enough for ten thousand tokens."""


class SecretFileError(ValueError):
    """A file with secrets cannot be used; the message names it, and repeats nothing of its text."""


def read_secret_lines(path: Path) -> list[str]:
    """Return the lines of a file, without their ends.

    Args:
        path: a file in UTF-8, without a byte order mark.

    Raises:
        SecretFileError: other users can access the file, it cannot be read, it is too long, or it
            is not such a text.
    """
    if problem := permission_problem(path):
        raise SecretFileError(problem)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SecretFileError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise SecretFileError(f"{path}: found more than {MAX_BYTES} bytes, expected fewer")
    if raw.startswith(codecs.BOM_UTF8):
        raise SecretFileError(f"{path}: starts with a byte order mark: save it without one")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SecretFileError(
            f"{path}: line {line}: found a byte that is not UTF-8, expected UTF-8 text"
        ) from None
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()  # after the last LF no line begins
    return [line.removesuffix("\r") for line in lines]
