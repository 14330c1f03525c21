"""Merges the inputs of a configuration: file, then environment, then flags.

Each input is validated separately, so that an error names its origin, also if a later input
overrides the value. Conflicts between keys are checked after the merge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import ValidationError

from zinfo.config.environment import read_environment
from zinfo.config.flags import read_flags
from zinfo.config.inputs import Input, read_file
from zinfo.config.models import Config
from zinfo.config.problems import ARRAYS, TABLES_BY_NAME, describe_error, error_path, key_name
from zinfo.config.section import PARTIAL, Conflict, Path, Section
from zinfo.errors import ConfigError

MAX_PROBLEMS = 100
"""Maximum number of lines of one ConfigError; further problems are only counted."""

_NOTHING: Mapping[str, str] = MappingProxyType({})
_NO_FLAGS: Mapping[str, tuple[str, object]] = MappingProxyType({})


def load_config(
    file: FilePath | None = None,
    environ: Mapping[str, str] = _NOTHING,
    flags: Mapping[str, tuple[str, object]] = _NO_FLAGS,
) -> Config:
    """Return the configuration from file, environment and flags; later ones override earlier ones.

    The shards and the sources of all three are combined.

    Args:
        file: a TOML file; None for no file.
        environ: the environment; only `ZINFO_` variables are used.
        flags: the command line, as `{"--query": ("query.endpoint", "tcp://127.0.0.1:9736")}`; a
            flag with None is not set. Shards are `("shards", [url or table, ...])`, and
            `("sources.cluster", [url, ...])` makes a source.

    Raises:
        ConfigError: with every problem of each.
    """
    merged = _Merged()
    from_flags = read_flags(flags)
    try:
        from_file = read_file(file) if file is not None else Input()
    except ConfigError as error:
        from_file = Input(problems=list(error.problems))
        merged.complete = False
    claimed = frozenset((*_password_variables(from_file), *_password_variables(from_flags)))
    for given in (from_file, read_environment(environ, claimed), from_flags):
        merged.add(given)
    return merged.config()


def check_file(path: FilePath) -> Config:
    """Return the configuration from a file alone.

    Raises:
        ConfigError: with every problem of the file.
    """
    return load_config(path)


def changed_keys(old: Config, new: Config) -> tuple[str, ...]:
    """Return the names of the keys outside `[[shards]]` in which two configurations differ.

    `[[sources]]` and `[credentials]` count as one key each.
    """
    changed = []
    for name in Config.model_fields:
        if name == "shards":  # there may be thousands, so they are not even compared
            continue
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        if isinstance(before, Section):
            keys = type(before).model_fields
            changed += [f"{name}.{k}" for k in keys if getattr(before, k) != getattr(after, k)]
        else:
            changed.append(name)
    return tuple(changed)


def _password_variables(given: Input) -> Iterator[str]:
    for table in given.tables("local", *ARRAYS, "credentials"):
        if isinstance(name := table.get("password_env"), str):
            yield name


class _Place(NamedTuple):
    """Where a table of an array comes from: the name of the origin, and the position there."""

    origin: str
    position: int


def _by_array() -> dict[str, list[Any]]:
    return {name: [] for name in ARRAYS}


@dataclass(slots=True)
class _Merged:
    """The inputs merged so far.

    Attributes:
        tree: the valid values; sections as dicts.
        arrays: the valid tables of each array of tables.
        places: the place of each of these tables.
        origins: name of the origin of each key that is set.
        invalid: paths of keys with invalid values; conflicts with them are not reported.
        problems: one line each.
        warnings: one line for each use of an old key name.
        complete: False if an input could not be read; then conflicts are not reported.
    """

    tree: dict[str, object] = field(default_factory=dict)
    arrays: dict[str, list[Section]] = field(default_factory=_by_array)
    places: dict[str, list[_Place]] = field(default_factory=_by_array)
    origins: dict[Path, str] = field(default_factory=dict)
    invalid: set[Path] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    complete: bool = True

    def add(self, given: Input) -> None:
        """Merge the valid part of an input; it overrides the earlier ones."""
        given.use_current_names()
        self.problems += given.problems
        self.warnings += given.warnings
        part, indices = self._validated(given)
        for name in part.model_fields_set.difference(ARRAYS):
            value = getattr(part, name)
            if not isinstance(value, Section):
                self.tree[name] = value
                self.origins[name,] = given.origin((name,))
                continue
            table = self.tree.setdefault(name, {})
            assert isinstance(table, dict)
            for key in value.model_fields_set:
                table[key] = getattr(value, key)
                self.origins[name, key] = given.origin((name, key))
        for name in ARRAYS:
            self.arrays[name] += getattr(part, name)
            self.places[name] += [
                _Place(given.origin((name, index)), index) for index in indices[name]
            ]
        for source, index in zip(part.sources, indices["sources"], strict=True):
            if (login := given.logins.get(index)) is not None:
                source.set_login(login)

    def _validated(self, given: Input) -> tuple[Config, Mapping[str, Sequence[int]]]:
        """Return the valid part of an input, and by array the indices of its valid tables."""
        try:
            config = Config.model_validate(given.tree, context=PARTIAL)
            return config, {name: range(len(getattr(config, name))) for name in ARRAYS}
        except ValidationError as error:
            errors = error.errors(include_url=False)
        invalid: set[Path] = set()
        for one in errors:
            path = error_path(one)
            invalid.add(path[:2])
            origin = given.origin(path)
            self.problems.append(f"{origin}: {key_name(path)}: {describe_error(one)}")
        self.invalid |= {path for path in invalid if path[0] not in ARRAYS}
        tree, indices = _without(given.tree, invalid)
        return Config.model_validate(tree, context=PARTIAL), indices

    def config(self) -> Config:
        """Return the merged configuration.

        Raises:
            ConfigError: with all problems, including conflicts between keys.
        """
        arrays = {name: tuple(tables) for name, tables in self.arrays.items()}
        config = Config.model_validate({**self.tree, **arrays}, context=PARTIAL)
        for conflict in config.conflicts() if self.complete else ():
            if not any(key[:length] in self.invalid for key in conflict.keys for length in (1, 2)):
                self.problems.append(self._line(conflict))
        if self.problems:
            rest = len(self.problems) - MAX_PROBLEMS
            more = [f"and {rest} more problems"] if rest > 0 else []
            raise ConfigError([*self.problems[:MAX_PROBLEMS], *more])
        return config.with_warnings(self.warnings)

    def _line(self, conflict: Conflict) -> str:
        """Return the error line of a conflict, which names the origins of its keys."""
        places = [self._place(key) for key in conflict.keys]
        head = next((origin for origin, _ in places if origin), "")
        names = [
            name if origin == head else f"{name} ({origin or 'the default'})"
            for origin, name in places
        ]
        return f"{head}: {names[0]}: {conflict.template.format(*names)}"

    def _place(self, key: Path) -> tuple[str, str]:
        """Return the name of the origin of a key, and the key's name there."""
        name = str(key[0])
        if name in TABLES_BY_NAME:
            return self.origins.get((name,), ""), key_name(key)
        if name not in ARRAYS:
            return self.origins.get(key, ""), key_name(key)
        _, position, *rest = key
        assert isinstance(position, int)
        origin, index = self.places[name][position]
        return origin, key_name((name, index, *rest))


def _without(
    tree: Mapping[str, object], invalid: set[Path]
) -> tuple[dict[str, object], Mapping[str, Sequence[int]]]:
    """Copy a tree without its invalid keys, and without the invalid tables of arrays.

    Returns:
        The copy, which serves only to check conflicts, and by array the indices of its tables.
    """
    valid: dict[str, object] = {}
    indices: dict[str, Sequence[int]] = dict.fromkeys(ARRAYS, ())
    for name, value in tree.items():
        if (name,) in invalid:
            continue
        if name in ARRAYS and isinstance(value, list):
            indices[name] = [index for index in range(len(value)) if (name, index) not in invalid]
            valid[name] = [value[index] for index in indices[name]]
        elif isinstance(value, dict):
            valid[name] = {key: one for key, one in value.items() if (name, key) not in invalid}
    return valid, indices
