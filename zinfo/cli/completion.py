"""Completes ids, labels, fields, sections and sources for shells, from the names that a daemon has.

A Tab must neither wait long nor print anything: without a reply in time there is nothing to
complete. Names come from servers and sources. A shell could execute some characters of a name, so
names with such characters are left out.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import click

if TYPE_CHECKING:
    from zinfo.client import Client, Fleet

SECTIONS = (
    *("server", "clients", "memory", "persistence", "threads", "stats", "replication", "cpu"),
    *("modules", "commandstats", "errorstats", "latencystats", "sentinel", "cluster", "keyspace"),
)
"""Names of sections of INFO. Modules and other servers have further ones."""

Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], list[str]]

_SECONDS = 1.0  # for the whole request of a completion
_MAX_ITEMS = 500  # names that a shell is given
_SAMPLE = 10  # shards whose fields are completed
_SAFE = re.compile(r"[\w.:/@%+=\[\]-]+", re.ASCII)


def _live(
    names: Callable[[Client | Fleet, click.Context, str], Iterable[str]],
) -> Completer:
    """Return a function for `shell_complete` of click, from one that requests all names."""

    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
        try:
            with _client(ctx) as client:
                found = set(names(client, ctx, incomplete))
        except Exception:  # whatever it is, there is nothing to complete
            return []
        matching = (one for one in found if one.startswith(incomplete) and _SAFE.fullmatch(one))
        return sorted(matching)[:_MAX_ITEMS]

    return complete


@contextmanager
def _client(ctx: click.Context) -> Iterator[Client | Fleet]:
    from zinfo.cli.client_options import Daemon, client_keys
    from zinfo.client import Client, Fleet
    from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT

    logging.disable()
    params = ctx.params
    endpoints = tuple(params.get("connect") or (DEFAULT_QUERY_ENDPOINT,))
    keys = client_keys(params.get("server_key"), params.get("client_key"))
    if Daemon(endpoints, None).is_fleet:
        with Fleet(endpoints, timeout=_SECONDS, keys=keys, allow_missing=True) as fleet:
            yield fleet
        return
    with Client(endpoints[0], timeout=_SECONDS, retries=0, keys=keys) as client:
        yield client


@_live
def complete_shards(client: Client | Fleet, _ctx: click.Context, _text: str) -> Iterable[str]:
    """Complete the id of a shard."""
    return client.get_columns(["role"]).ids  # far fewer bytes than `shards`


@_live
def complete_labels(client: Client | Fleet, _ctx: click.Context, text: str) -> Iterable[str]:
    """Complete the name of a label, up to its `=`, and then its value."""
    pairs = [pair for shard in client.shards() for pair in (shard.get("labels") or {}).items()]
    if "=" in text:
        return {f"{name}={value}" for name, value in pairs}
    return {f"{name}=" for name, _ in pairs}


@_live
def complete_fields(client: Client | Fleet, _ctx: click.Context, _text: str) -> Iterable[str]:
    """Complete the name of a field."""
    pages = client.iter_infos(limit=_SAMPLE)
    names = ({name for entry in page for name in entry} for page in pages)
    return next(filter(None, names), set()) - {"meta"}


@_live
def complete_sources(client: Client | Fleet, _ctx: click.Context, _text: str) -> Iterable[str]:
    """Complete the name of a source."""
    found = client.sources()
    replies = found.values() if isinstance(found, dict) else [found]
    return {str(source["name"]) for reply in replies for source in reply}


def complete_sections(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a section of INFO."""
    return [one for one in SECTIONS if one.startswith(incomplete.lower())]
