"""Reads the `ZINFO_` variables of the environment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from zinfo.config.inputs import Input
from zinfo.config.models import Config
from zinfo.config.problems import one_line
from zinfo.config.renamed import RENAMED
from zinfo.config.section import Path, section_of
from zinfo.wire.nearest import nearest

PREFIX = "ZINFO_"
"""Prefix of the environment variables that set keys."""

OTHER_VARIABLES = frozenset(
    {"ZINFO_CONNECT", "ZINFO_SERVER_KEY", "ZINFO_CLIENT_KEY", "ZINFO_PURE_PYTHON"}
)
"""Variables with that prefix that set no key."""

_FILES_ONLY = ("sources", "credentials")

# Variables that Kubernetes sets in every pod for a Service whose name starts with "zinfo".
_SERVICE_LINK = re.compile(
    r"ZINFO_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


def read_environment(environ: Mapping[str, str], claimed: frozenset[str]) -> Input:
    """Read the `ZINFO_` variables; an empty one is ignored.

    Args:
        environ: the environment.
        claimed: variables that contain passwords, according to a `password_env`.
    """
    found = Input()
    known = _variables()
    claimed |= {environ.get("ZINFO_LOCAL_PASSWORD_ENV", "")}
    for variable, value in sorted(environ.items()):
        if variable in claimed or not value:
            continue
        if known.get(variable) == ("shards",):
            found.add_shards(value.split(), variable)
        elif path := known.get(variable) or _old_variables().get(variable):
            found.put(path, value, variable)
        elif _is_ours(variable) and (section := _section_of(variable)) in _sections():
            only = f"{one_line(variable)}: [{section}] is read from files only"
            found.problems.append(only if section in _FILES_ONLY else _unknown(variable))
    return found


def environment_notes(environ: Mapping[str, str], config: Config | None = None) -> tuple[str, ...]:
    """Return a warning for each `ZINFO_` variable that is unknown.

    Args:
        environ: the environment; its values do not appear in the warnings.
        config: the current configuration; the variables in its `password_env` are known.
    """
    claimed: set[str | None] = set()
    if config is not None:
        tables = (config.local, *config.shards, *config.credentials.values())
        claimed = {table.password_env for table in tables}
    known = _variables().keys() | _old_variables().keys() | claimed
    return tuple(
        f"{_unknown(variable)} (ignored)"
        for variable in sorted(environ)
        if variable not in known and _is_ours(variable)
    )


def scalar_keys() -> Iterator[Path]:
    """Yield the paths of all keys that have a variable; `("shards",)` for the shards' URLs."""
    for name, info in Config.model_fields.items():
        if name in _FILES_ONLY:
            continue
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
    return {str(path[0]) for path in scalar_keys() if len(path) > 1} | {"shards", *_FILES_ONLY}


def _section_of(variable: str) -> str:
    return variable.removeprefix(PREFIX).partition("_")[0].lower()


def _is_ours(variable: str) -> bool:
    """Return whether a variable is meant for zinfo, and not for a link to a Kubernetes Service."""
    service_link = _SERVICE_LINK.fullmatch(variable)
    return variable.startswith(PREFIX) and variable not in OTHER_VARIABLES and not service_link


def _unknown(variable: str) -> str:
    suggestion = nearest(variable, [*_variables(), *OTHER_VARIABLES])
    return f"{one_line(variable)}: unknown variable{suggestion}"
