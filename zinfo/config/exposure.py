"""Finds what a configuration exposes: files that other users can access, unverified connections.

Only the configuration file itself is opened; for the others only owner and mode are checked. A
missing file gives no line here, because it is an error where the file is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from zinfo.config.inputs import read_file
from zinfo.config.models import Config
from zinfo.config.source_models import HttpSourceConfig
from zinfo.errors import ConfigError
from zinfo.wire.addresses import parse_shard_url
from zinfo.wire.redact import redact_text
from zinfo.wire.secret_files import permission_problem, write_access_problems

MAX_NOTES = 20
"""Maximum number of lines; further files are only counted."""

_MAX_NAMES = 5  # of shards in one line

_PUBLIC_KEYS = "*.key"


def exposure_notes(config: Config, file: Path | None = None) -> tuple[str, ...]:
    """Return a line for each file that other users can access, and one for unverified connections.

    Args:
        config: the configuration.
        file: the file that it was read from; None for no file.
    """
    notes = [*_unverified(config), *_in_clear(config), *_notes(config, file)]
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"and {len(notes) - MAX_NOTES} more files that other users can access"]
    return tuple(notes)


def _unverified(config: Config) -> Iterator[str]:
    """Yield a line if there are shards whose certificates are not verified."""
    names = ["[local]"] if config.local.enabled and not config.local.tls_verify else []
    names += [redact_text(shard.id) for shard in config.shards if not shard.tls_verify]
    names += [
        f"[credentials.{name}]" for name, one in config.credentials.items() if not one.tls_verify
    ]
    if names:
        yield (
            f"certificates are not verified (tls_verify = false) of {_some_of(names)}: another "
            "server in their place is accepted, and receives the password"
        )


def _in_clear(config: Config) -> Iterator[str]:
    """Yield a line if a token or password of a source crosses a network without encryption."""
    names = [
        source.name
        for source in config.sources
        if isinstance(source, HttpSourceConfig) and source.sends_secret_in_clear
    ]
    if names:
        yield (
            f"a token or password is sent to another machine without encryption (http://) by the "
            f"sources {_some_of(names)}: use https://"
        )


def _some_of(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"{', '.join(names[:_MAX_NAMES])}{more}"


def _notes(config: Config, file: Path | None) -> Iterator[str]:
    changeable: dict[Path, None] = {}
    if file is not None:
        changeable[file] = None
        problem = permission_problem(file)
        if problem and any(shard.password for shard in config.shards) and _holds_password(file):
            yield f"{problem} (a password of a shard), or use password_file"
    for secret in dict.fromkeys(_secret_files(config)):
        if not os.path.lexists(secret):
            continue
        changeable[secret] = None
        if problem := permission_problem(secret):
            yield problem
    if config.security.client_keys is not None:
        keys = Path(config.security.client_keys)
        changeable[keys] = None
        changeable |= dict.fromkeys(sorted(keys.glob(_PUBLIC_KEYS)))
    yield from write_access_problems(changeable)


def _secret_files(config: Config) -> Iterator[Path]:
    sections: tuple[tuple[object, tuple[str, ...]], ...] = (
        (config.security, ("server_key",)),
        (config.http, ("token_file", "key_file")),
        *(
            (one, ("password_file", "key_file"))
            for one in (config.local, *config.shards, *config.credentials.values())
        ),
        *((source, ("token_file", "password_file", "key_file")) for source in config.sources),
    )
    for section, keys in sections:
        for key in keys:
            if (path := getattr(section, key, None)) is not None:
                yield Path(path)


def _holds_password(file: Path) -> bool:
    """Return whether the file itself has a password, and not the environment or the flags."""
    try:
        shards = read_file(file).tree.get("shards")
    except ConfigError:
        return True  # the file has changed since it was loaded; assume the worst
    for table in shards if isinstance(shards, list) else ():
        if isinstance(table, dict) and (table.get("password") or _url_has_password(table)):
            return True
    return False


def _url_has_password(table: dict[str, object]) -> bool:
    try:
        return parse_shard_url(str(table.get("url"))).password is not None
    except ValueError:
        return False
