"""Puts the page together: the paths that an HTTP server adds to its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from zinfo.adapters.http.openapi import stream_description
from zinfo.adapters.http.server import MAX_STREAMS, HttpDependencies, MountedPage
from zinfo.adapters.page.daemon_table import DaemonTable
from zinfo.adapters.page.readings import OpenSource, Selection
from zinfo.adapters.page.resources import Definitions, page_files
from zinfo.adapters.page.table_stream import ARGUMENTS, TableStreams
from zinfo.adapters.wsgi.client_quotas import ClientQuotas
from zinfo.query.id_lists import IdLists
from zinfo.security.rights import Rights

TABLE: Final = "/api/v1/table"
"""Path of the stream."""

_DEFINITIONS: Final = "/view.json"


def daemon_page(dependencies: HttpDependencies) -> MountedPage:
    """Return the page of a daemon.

    Args:
        dependencies: those of its HTTP server.
    """
    publisher, poller = dependencies.publisher, dependencies.poller
    identity, operations = dependencies.identity, dependencies.operations
    lists = IdLists(publisher)

    def open_source(selection: Selection) -> DaemonTable:
        return DaemonTable(selection, publisher, poller, identity, lists, operations.planner)

    def about(rights: Rights) -> dict[str, object]:
        allowed = [name for name in operations.names if rights.can_call(name)]
        return {"node": identity.node, "endpoint": "", "operations": allowed}

    return mounted_page(open_source, about, dependencies.report)


def mounted_page(
    open_source: OpenSource,
    about: Callable[[Rights], Mapping[str, object]],
    report: Callable[[str, BaseException], None],
) -> MountedPage:
    """Return the paths of a page.

    Args:
        open_source: returns the source of the table of a selection.
        about: returns what `view.json` has besides the definitions, for a client with some rights:
            `node`, `endpoint` and `operations`.
        report: called with a name and an unexpected exception.
    """
    quotas, static = ClientQuotas(MAX_STREAMS), page_files()
    routes: dict[str, Any] = {
        **static,
        _DEFINITIONS: Definitions(about),
        TABLE: TableStreams(open_source, quotas, report),
    }
    described = {
        TABLE: stream_description(
            "table", "Some fields of all shards, once a second, as they change", ARGUMENTS
        )
    }
    return MountedPage(routes, frozenset(static), described, quotas)
