"""Finds files by pattern, as Prometheus does for file_sd: the syntax is Go's filepath.Match."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

MAX_FILES = 10_000
"""Maximum number of files of one source."""

_MAX_ENTRIES = 1_000_000  # of directories that are searched for one pattern

# patFileSDName in discovery/file/file.go of Prometheus.
_ALLOWED = re.compile(r"[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)")
_META = re.compile(r"[*?\[\\]")
_RANGE = re.compile(r"(\\.|[^\\\]-])(?:-(\\.|[^\\\]-]))?", re.DOTALL)


def check_file_pattern(pattern: str) -> None:
    r"""Raise unless a text can be a pattern of files with target groups.

    `*` and `?` match any characters except `/`, `[a-z]` and `[^a-z]` a character, and `\` escapes
    the next one. `*` may be used after the last `/` only.

    Raises:
        ValueError: it is not; the message says what is expected.
    """
    if not _ALLOWED.fullmatch(pattern) or "\0" in pattern:
        raise ValueError(
            "expected a path that ends in .json, .yml or .yaml, with * in its last part"
        )
    for part in pattern.split("/"):
        _regex(part)


def has_wildcard(pattern: str) -> bool:
    """Return whether a pattern may match several files."""
    return _META.search(pattern) is not None


def matching_files(pattern: str) -> list[str]:
    """Return the paths that match, sorted within each directory.

    A directory that does not exist has no files. Blocks while it reads directories.

    Raises:
        OSError: a directory cannot be read, or there are too many files.
        ValueError: the pattern is not valid.
    """
    budget = iter(range(_MAX_ENTRIES))
    found = list(_matching(pattern, budget))
    if len(found) > MAX_FILES:
        raise OSError(0, f"more than {MAX_FILES} files match")
    return found


def _matching(pattern: str, budget: Iterator[int]) -> Iterator[str]:
    if not has_wildcard(pattern):
        if _exists(pattern):
            yield pattern
        return
    parent, name = os.path.split(pattern)
    regex = _regex(name)
    for directory in _matching(parent, budget) if has_wildcard(parent) else [parent]:
        for entry in sorted(_entries(directory or ".", regex, budget)):
            yield os.path.join(directory, entry)  # noqa: PTH118 - pathlib drops a leading "./"


def _entries(directory: str, regex: re.Pattern[str], budget: Iterator[int]) -> Iterator[str]:
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if next(budget, None) is None:
                    raise OSError(0, f"more than {_MAX_ENTRIES} files to search")
                if regex.fullmatch(entry.name):
                    yield entry.name
    except (FileNotFoundError, NotADirectoryError):
        return


def _exists(path: str) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _regex(part: str) -> re.Pattern[str]:
    """Translate the pattern of one name.

    Raises:
        ValueError: it is not valid.
    """
    regex, at = "", 0
    while at < len(part):
        one = part[at]
        at += 1
        if one == "*":
            regex += ".*"
        elif one == "?":
            regex += "."
        elif one == "[":
            text, at = _character_class(part, at)
            regex += text
        elif one == "\\":
            if at == len(part):
                raise ValueError("it ends with a \\")
            regex += re.escape(part[at])
            at += 1
        else:
            regex += re.escape(one)
    return re.compile(regex, re.DOTALL)


def _character_class(part: str, at: int) -> tuple[str, int]:
    """Translate a character class after its `[`; return also where it ends."""
    negated = part.startswith("^", at)
    at += negated
    ranges = ""
    while at < len(part) and part[at] != "]":
        found = _RANGE.match(part, at)
        if found is None:
            break
        low, high = (one and one[-1] for one in found.groups())
        ranges += re.escape(low) + (f"-{re.escape(high)}" if high else "")
        if high and low > high:
            break
        at = found.end()
    if not ranges or not part.startswith("]", at):
        raise ValueError("it has a [ that is not valid")
    return f"[{'^' if negated else ''}{ranges}]", at + 1
