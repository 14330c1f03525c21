"""Reads the three sources of a configuration: TOML file, environment and flags.

Each becomes a `Source`: a tree of values as in a TOML file, and the origin of each value. Only two
things are validated here: that a file is TOML, and that the name of a variable is known.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import get_args

from zinfo.config.models import Config
from zinfo.config.problems import key_name, nearest, one_line
from zinfo.config.renamed import RENAMED, current_path, old_keys
from zinfo.config.section import Path, section_of
from zinfo.config.types import MIB
from zinfo.errors import ConfigError
from zinfo.wire.redact import redact_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_FILE_BYTES = 16 * MIB
"""Maximum size of a configuration file; enough for a hundred thousand shards."""

PREFIX = "ZINFO_"
"""Prefix of the environment variables that set keys."""

OTHER_VARIABLES = frozenset(
    {"ZINFO_CONNECT", "ZINFO_SERVER_KEY", "ZINFO_CLIENT_KEY", "ZINFO_PURE_PYTHON"}
)
"""Variables with that prefix that set no key."""

# Variables that Kubernetes sets in every pod for a Service whose name starts with "zinfo".
_SERVICE_LINK = re.compile(
    r"ZINFO_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
_PATHS = (
    *("password_file", "token_file", "ca_file", "cert_file", "key_file", "client_ca_file"),
    *("server_key", "client_keys"),
)
_POSITION = re.compile(r" \(at (?:(line \d+, column \d+)|end of document)\)$")
_TRUTH = dict.fromkeys(("true", "yes", "on", "1"), True)
_TRUTH |= dict.fromkeys(("false", "no", "off", "0"), False)


@dataclass(frozen=True, slots=True)
class Source:
    """One source, not validated.

    Attributes:
        tree: the values.
        origins: name of the origin of a value in errors, by key path or a prefix of it.
        problems: errors found while reading, one line each.
        warnings: uses of old key names, one line each.
    """

    tree: dict[str, object] = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def origin(self, path: Path) -> str:
        """Return the name of the origin of the value at `path`."""
        starts = (path[:length] for length in range(len(path), -1, -1))
        return next((self.origins[start] for start in starts if start in self.origins), "")

    def put(self, path: Path, value: object, origin: str) -> None:
        """Set a key outside `[[shards]]`; text is converted to the type of the key."""
        *tables, key = map(str, path)
        table = self.tree
        for name in tables:
            inner = table.setdefault(name, {})
            assert isinstance(inner, dict)
            table = inner
        table[key] = _from_text(current_path(path), value) if isinstance(value, str) else value
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

    def add_shards(self, shards: object, origin: str) -> None:
        """Append shards, each a URL or a table."""
        present = self.tree.setdefault("shards", [])
        assert isinstance(present, list)
        for shard in shards if isinstance(shards, list | tuple) else [shards]:
            self.origins["shards", len(present)] = origin
            present.append({"url": shard} if isinstance(shard, str) else shard)


def read_file(path: FilePath) -> Source:
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
    _anchor_paths(tree, path.absolute().parent)
    return Source(tree, {(): name})


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


def _anchor_paths(tree: Mapping[str, object], directory: FilePath) -> None:
    shards = tree.get("shards")
    for table in [
        tree.get("local"),
        tree.get("http"),
        tree.get("security"),
        *(shards if isinstance(shards, list) else []),
    ]:
        if isinstance(table, dict):
            for key in _PATHS:
                if isinstance(value := table.get(key), str) and value:
                    table[key] = str(directory / value)


def read_environment(environ: Mapping[str, str], claimed: frozenset[str]) -> Source:
    """Read the `ZINFO_` variables; an empty one is ignored.

    Args:
        environ: the environment.
        claimed: variables that contain passwords, according to a `password_env`.
    """
    source = Source()
    known = _variables()
    claimed |= {environ.get("ZINFO_LOCAL_PASSWORD_ENV", "")}
    for variable, value in sorted(environ.items()):
        if variable in claimed or not value:
            continue
        if known.get(variable) == ("shards",):
            source.add_shards(value.split(), variable)
        elif path := known.get(variable) or _old_variables().get(variable):
            source.put(path, value, variable)
        elif _is_ours(variable) and _section_of(variable) in _sections():
            source.problems.append(_unknown(variable))
    return source


def environment_notes(environ: Mapping[str, str], config: Config | None = None) -> tuple[str, ...]:
    """Return a warning for each `ZINFO_` variable that is unknown.

    Args:
        environ: the environment; its values do not appear in the warnings.
        config: the current configuration; the variables in its `password_env` are known.
    """
    claimed: set[str | None] = set()
    if config is not None:
        claimed = {section.password_env for section in (config.local, *config.shards)}
    known = _variables().keys() | _old_variables().keys() | claimed
    return tuple(
        f"{_unknown(variable)} (ignored)"
        for variable in sorted(environ)
        if variable not in known and _is_ours(variable)
    )


def read_flags(flags: Mapping[str, tuple[str, object]]) -> Source:
    """Read flags such as `{"--query": ("query.endpoint", "tcp://...")}`; None means not set."""
    source = Source()
    for flag, (key, value) in flags.items():
        if value is None:
            continue
        if key == "shards":
            source.add_shards(value, flag)
        else:
            source.put(tuple(key.split(".")), value, flag)
    return source


def scalar_keys() -> Iterator[Path]:
    """Yield the paths of all keys outside `[[shards]]`."""
    for name, info in Config.model_fields.items():
        if section := section_of(info):
            yield from ((name, key) for key in section.model_fields)
        else:
            yield (name,)


def _variables() -> dict[str, Path]:
    """Return the known variables, each with the path of its key."""
    return {_variable_of(path): path for path in scalar_keys()}


def _old_variables() -> dict[str, Path]:
    """Return the variables of renamed keys, each with the key's old path."""
    return {_variable_of(path): path for path in RENAMED}


def _variable_of(path: Path) -> str:
    return PREFIX + "_".join(map(str, path)).upper()


def _sections() -> set[str]:
    return {str(path[0]) for path in scalar_keys() if len(path) > 1} | {"shards"}


def _section_of(variable: str) -> str:
    return variable.removeprefix(PREFIX).partition("_")[0].lower()


def _is_ours(variable: str) -> bool:
    """Return whether a variable is meant for zinfo, and not for a link to a Kubernetes Service."""
    service_link = _SERVICE_LINK.fullmatch(variable)
    return variable.startswith(PREFIX) and variable not in OTHER_VARIABLES and not service_link


def _unknown(variable: str) -> str:
    suggestion = nearest(variable, [*_variables(), *OTHER_VARIABLES])
    return f"{one_line(variable)}: unknown variable{suggestion}"


def _type_of(path: Path) -> object:
    """Return the type of a key outside `[[shards]]`; None for an unknown key."""
    fields = Config.model_fields
    for name in path[:-1]:
        section = section_of(fields[str(name)]) if str(name) in fields else None
        fields = section.model_fields if section else {}
    info = fields.get(str(path[-1]))
    return info.annotation if info else None


def _from_text(path: Path, text: str) -> object:
    """Convert `text` to the type of the key at `path`; return `text` if that is not possible."""
    kind = _type_of(path)
    kinds = {kind, *get_args(kind)}
    if bool in kinds:
        return _TRUTH.get(text.lower(), text)
    for number in (int, float):
        if number in kinds:
            try:
                return number(text)
            except ValueError:
                return text
    origins = {getattr(one, "__origin__", one) for one in kinds}
    if tuple in origins:
        return text.split()
    if dict in origins:
        pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
        if all(equals for _, equals, _ in pairs):
            return {name.strip(): value.strip() for name, _, value in pairs}
    return text
