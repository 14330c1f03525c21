"""Merges the sources of a configuration: file, then environment, then flags.

Each source is validated separately, so that an error names its source, also if a later source
overrides the value. Conflicts between keys are checked after the merge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from types import MappingProxyType

from pydantic import ValidationError

from zinfo.config.models import Config, ShardConfig
from zinfo.config.problems import describe_error, key_name
from zinfo.config.section import PARTIAL, Conflict, Path, Section
from zinfo.config.sources import Source, read_environment, read_file, read_flags
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

    The shards of all sources are combined.

    Args:
        file: a TOML file; None for no file.
        environ: the environment; only `ZINFO_` variables are used.
        flags: the command line, as `{"--query": ("query.endpoint", "tcp://127.0.0.1:9736")}`; a
            flag with None is not set. Shards are `("shards", [url or table, ...])`.

    Raises:
        ConfigError: with every problem of every source.
    """
    merged = _Merged()
    from_flags = read_flags(flags)
    try:
        from_file = read_file(file) if file is not None else Source()
    except ConfigError as error:
        from_file = Source(problems=list(error.problems))
        merged.complete = False
    claimed = frozenset((*_password_variables(from_file), *_password_variables(from_flags)))
    for source in (from_file, read_environment(environ, claimed), from_flags):
        merged.add(source)
    return merged.config()


def check_file(path: FilePath) -> Config:
    """Return the configuration from a file alone.

    Raises:
        ConfigError: with every problem of the file.
    """
    return load_config(path)


def changed_keys(old: Config, new: Config) -> tuple[str, ...]:
    """Return the names of the keys outside `[[shards]]` in which two configurations differ."""
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


def _password_variables(source: Source) -> Iterator[str]:
    shards = source.tree.get("shards")
    for table in [source.tree.get("local"), *(shards if isinstance(shards, list) else [])]:
        if isinstance(table, dict) and isinstance(name := table.get("password_env"), str):
            yield name


@dataclass(slots=True)
class _Merged:
    """The sources merged so far.

    Attributes:
        tree: the valid values; sections as dicts.
        shards: the valid shards.
        places: name of the source of each shard, and its index there.
        origins: name of the source of each key that is set.
        invalid: paths of keys with invalid values; conflicts with them are not reported.
        problems: one line each.
        warnings: one line for each use of an old key name.
        complete: False if a source could not be read; then conflicts are not reported.
    """

    tree: dict[str, object] = field(default_factory=dict)
    shards: list[ShardConfig] = field(default_factory=list)
    places: list[tuple[str, int]] = field(default_factory=list)
    origins: dict[Path, str] = field(default_factory=dict)
    invalid: set[Path] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    complete: bool = True

    def add(self, source: Source) -> None:
        """Merge the valid part of a source; it overrides the earlier ones."""
        source.use_current_names()
        self.problems += source.problems
        self.warnings += source.warnings
        part, shard_indices = self._validated(source)
        for name in part.model_fields_set - {"shards"}:
            value = getattr(part, name)
            if not isinstance(value, Section):
                self.tree[name] = value
                self.origins[name,] = source.origin((name,))
                continue
            table = self.tree.setdefault(name, {})
            assert isinstance(table, dict)
            for key in value.model_fields_set:
                table[key] = getattr(value, key)
                self.origins[name, key] = source.origin((name, key))
        self.shards += part.shards
        self.places += [(source.origin(("shards", index)), index) for index in shard_indices]

    def _validated(self, source: Source) -> tuple[Config, Sequence[int]]:
        """Return the valid part of a source, and the indices of its valid shards."""
        try:
            config = Config.model_validate(source.tree, context=PARTIAL)
            return config, range(len(config.shards))
        except ValidationError as error:
            errors = error.errors(include_url=False)
        invalid: set[Path] = set()
        for one in errors:
            path = one["loc"]
            invalid.add(path[:2])
            origin = source.origin(path)
            self.problems.append(f"{origin}: {key_name(path)}: {describe_error(one)}")
        self.invalid |= {path for path in invalid if path[0] != "shards"}
        tree, indices = _without(source.tree, invalid)
        return Config.model_validate(tree, context=PARTIAL), indices

    def config(self) -> Config:
        """Return the merged configuration.

        Raises:
            ConfigError: with all problems, including conflicts between keys.
        """
        tree = {**self.tree, "shards": tuple(self.shards)}
        config = Config.model_validate(tree, context=PARTIAL)
        for conflict in config.conflicts() if self.complete else ():
            if not any(key[:length] in self.invalid for key in conflict.keys for length in (1, 2)):
                self.problems.append(self._line(conflict))
        if self.problems:
            rest = len(self.problems) - MAX_PROBLEMS
            more = [f"and {rest} more problems"] if rest > 0 else []
            raise ConfigError([*self.problems[:MAX_PROBLEMS], *more])
        return config.with_warnings(self.warnings)

    def _line(self, conflict: Conflict) -> str:
        """Return the error line of a conflict, which names the sources of its keys."""
        places = [self._place(key) for key in conflict.keys]
        head = next((origin for origin, _ in places if origin), "")
        names = [
            name if origin == head else f"{name} ({origin or 'the default'})"
            for origin, name in places
        ]
        return f"{head}: {names[0]}: {conflict.template.format(*names)}"

    def _place(self, key: Path) -> tuple[str, str]:
        """Return the name of the source that sets a key, and the key's name there."""
        if key[0] != "shards":
            return self.origins.get(key, ""), key_name(key)
        _, position, *rest = key
        assert isinstance(position, int)
        origin, index = self.places[position]
        return origin, key_name(("shards", index, *rest))


def _without(
    tree: Mapping[str, object], invalid: set[Path]
) -> tuple[dict[str, object], Sequence[int]]:
    """Copy a tree without its invalid keys and shards.

    Returns:
        The copy, which serves only to check conflicts, and the indices of its shards.
    """
    valid: dict[str, object] = {}
    indices: list[int] = []
    for name, value in tree.items():
        if (name,) in invalid:
            continue
        if name == "shards" and isinstance(value, list):
            indices = [index for index in range(len(value)) if ("shards", index) not in invalid]
            valid[name] = [value[index] for index in indices]
        elif isinstance(value, dict):
            valid[name] = {key: one for key, one in value.items() if (name, key) not in invalid}
    return valid, indices
