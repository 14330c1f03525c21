"""Input: what one of file, environment and flags sets; and the reader of TOML files.

An input is a tree of values as in a TOML file, with the origin of each value. It is not validated
here, except that a file is TOML.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path as FilePath

from zinfo.config.problems import ARRAYS, TABLES_BY_NAME, key_name, one_line
from zinfo.config.renamed import current_path, old_keys
from zinfo.config.section import Path
from zinfo.config.source_models import Login
from zinfo.config.text_values import from_text
from zinfo.config.types import MIB
from zinfo.errors import ConfigError
from zinfo.wire.redact import redact_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_FILE_BYTES = 16 * MIB
"""Maximum size of a configuration file; enough for a hundred thousand shards."""

_PATHS = (
    *("password_file", "token_file", "ca_file", "cert_file", "key_file", "client_ca_file"),
    *("server_key", "client_keys", "state_dir"),
)
_POSITION = re.compile(r" \(at (?:(line \d+, column \d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Input:
    """One input of the configuration, not validated.

    Attributes:
        tree: the values.
        origins: name of the origin of a value in errors, by key path or a prefix of it.
        problems: errors found while reading, one line each.
        warnings: uses of old key names, one line each.
        logins: user and password of sources from the command line, by their index in the tree.
    """

    tree: dict[str, object] = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    logins: dict[int, Login] = field(default_factory=dict)

    def origin(self, path: Path) -> str:
        """Return the name of the origin of the value at `path`."""
        starts = (path[:length] for length in range(len(path), -1, -1))
        return next((self.origins[start] for start in starts if start in self.origins), "")

    def put(self, path: Path, value: object, origin: str) -> None:
        """Set a key outside of arrays of tables; text is converted to the type of the key."""
        *tables, key = map(str, path)
        table = self.tree
        for name in tables:
            inner = table.setdefault(name, {})
            assert isinstance(inner, dict)
            table = inner
        table[key] = from_text(current_path(path), value) if isinstance(value, str) else value
        self.origins[path] = origin

    def use_current_names(self) -> None:
        """Move the values of keys with an old name to the current one; adds warnings."""
        for key in old_keys(self.tree):
            value = key.table.pop(str(key.path[-1]))
            origin, old, new = self.origin(key.path), key_name(key.path), key_name(key.new)
            if key.new[-1] in key.table:
                self.problems.append(
                    f"{origin}: {old}: found beside {new}, which is its new name, expected one"
                )
                continue
            key.table[str(key.new[-1])] = value
            self.origins[key.new] = origin
            self.warnings.append(f"{origin}: {old} is deprecated, use {new}")

    def tables(self, *names: str) -> Iterator[dict[str, object]]:
        """Yield the tables with these names in the tree; all tables of an array."""
        for name in names:
            value = self.tree.get(name)
            if name in TABLES_BY_NAME and isinstance(value, dict):
                value = list(value.values())
            for table in value if isinstance(value, list) else [value]:
                if isinstance(table, dict):
                    yield table

    def add_shards(self, shards: object, origin: str) -> None:
        """Append shards, each a URL or a table."""
        for shard in shards if isinstance(shards, list | tuple) else [shards]:
            self.append("shards", {"url": shard} if isinstance(shard, str) else shard, origin)

    def append(self, name: str, table: object, origin: str) -> int:
        """Append a table to an array of tables; return its index."""
        present = self.tree.setdefault(name, [])
        assert isinstance(present, list)
        self.origins[name, len(present)] = origin
        present.append(table)
        return len(present) - 1


def read_file(path: FilePath) -> Input:
    """Read a TOML file. Relative paths in it are relative to its directory.

    Raises:
        ConfigError: it cannot be read, or is not TOML; with the line number if it is known.
    """
    name = one_line(str(path))
    text = _text_of(path, name)
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _POSITION.search(str(error))
        place = (found and found.group(1)) or f"line {text.count(chr(10)) + 1}"
        reason = one_line(redact_text(_POSITION.sub("", str(error))))
        raise ConfigError([f"{name}: {place}: not TOML: {reason}"]) from None
    except ValueError:  # Python limits the number of digits
        raise ConfigError([f"{name}: found a number with too many digits"]) from None
    except RecursionError:
        raise ConfigError([f"{name}: found tables or arrays nested too deeply"]) from None
    given = Input(tree, {(): name})
    _anchor_paths(given, path.absolute().parent)
    return given


def _text_of(path: FilePath, name: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigError([f"{name}: cannot be read: {reason}"]) from None
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError([f"{name}: found more than {MAX_FILE_BYTES} bytes, expected fewer"])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = f"{name}: line {line}: found a byte that is not UTF-8, expected UTF-8 text"
        raise ConfigError([problem]) from None


def _anchor_paths(given: Input, directory: FilePath) -> None:
    """Make the relative paths in a file absolute, from the directory of the file."""
    for table in [given.tree, *given.tables("local", "http", "security", *ARRAYS, "credentials")]:
        for key in _PATHS:
            if isinstance(value := table.get(key), str) and value:
                table[key] = str(directory / value)
    for table in given.tables("sources"):
        if isinstance(patterns := table.get("files"), list):
            table["files"] = [_anchored(one, directory) for one in patterns]


def _anchored(pattern: object, directory: FilePath) -> object:
    """Return a pattern as an absolute one; the directory's own name has no wildcards."""
    if not isinstance(pattern, str) or not pattern or pattern.startswith("/"):
        return pattern
    return f"{escape(str(directory)).rstrip('/')}/{pattern}"
