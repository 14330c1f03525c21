"""XmlRpcServer: serves GetInfos to XML-RPC clients over HTTP.

A long response is encoded shard by shard and yields to the event loop in between, so that a request
for ten thousand shards delays no poll.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from zinfo.adapters.wsgi.host_names import HostNames
from zinfo.adapters.wsgi.server import WsgiServer
from zinfo.adapters.xmlrpc.codec import (
    CONTENT_TYPE,
    FAULT_BAD_CALL,
    FAULT_FAILED,
    FAULT_UNKNOWN,
    array_response,
    fault,
    parse_call,
    response,
)
from zinfo.errors import RequestError
from zinfo.loop.yielding import CooperativeYield
from zinfo.query.arguments import Arguments
from zinfo.query.servicer import InfoProviderServicer, InfoQuery, build_entry

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

NAME = "XML-RPC server"

PATHS = ("/", "/RPC2")
"""Paths that clients use by default if they are configured with host and port only."""

MAX_REQUEST_BYTES = 65536

_MAX_CONNECTIONS = 100
_MAX_BUFFERED_BYTES = 1 << 20  # a longer response is sent in chunks, without Content-Length

# Types of the positional arguments of GetInfos, as system.methodSignature names them.
_ARGUMENT_TYPES = ("array", "array", "boolean", "double", "boolean")


class XmlRpcServer(WsgiServer):
    """Serves `GetInfos`, and the `system` methods that describe it, at `/` and `/RPC2`.

    Args:
        servicer: answers the queries.
        host: name or address to listen at, without brackets.
        port: to listen at; 0 for any free port.
        report: called with the name of the server and an unexpected exception.
        allowed_hosts: host names that it accepts, in addition to localhost and addresses; `*` for
            any.

    Raises:
        EnvironmentNotReadyError: the address cannot be bound.
    """

    def __init__(
        self,
        servicer: InfoProviderServicer,
        host: str,
        port: int,
        report: Callable[[str, BaseException], None] | None = None,
        *,
        allowed_hosts: Iterable[str] = (),
    ) -> None:
        self._servicer = servicer
        self._report = report or _log
        self._signature = inspect.signature(servicer.GetInfos)
        self._methods: dict[str, Callable[[Sequence[object]], Iterator[bytes]]] = {
            "GetInfos": self._get_infos,
            "system.listMethods": self._list_methods,
            "system.methodHelp": self._method_help,
            "system.methodSignature": self._method_signature,
        }
        super().__init__(
            NAME,
            host,
            port,
            connections=_MAX_CONNECTIONS,
            max_body=MAX_REQUEST_BYTES,
            names=HostNames([host, *allowed_hosts]),
        )

    # --- HTTP ---

    def application(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Serve one HTTP request; a WSGI application (PEP 3333)."""
        if environ["PATH_INFO"] not in PATHS:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"XML-RPC is served at / and /RPC2\n"]
        if environ["REQUEST_METHOD"] != "POST":
            start_response("405 Method Not Allowed", [("Allow", "POST")])
            return [b"XML-RPC calls are POST requests\n"]
        body = environ["wsgi.input"].read()
        pieces = self._respond(body)
        buffered: list[bytes] = []
        size = 0
        for piece in pieces:
            buffered.append(piece)
            size += len(piece)
            if size > _MAX_BUFFERED_BYTES:
                break
        start_response("200 OK", [("Content-Type", CONTENT_TYPE)])
        # For a list gevent sends a Content-Length, as XML-RPC requires; a chain needs less memory.
        return buffered if size <= _MAX_BUFFERED_BYTES else chain(buffered, pieces)

    # --- XML-RPC ---

    def _respond(self, body: bytes) -> Iterator[bytes]:
        try:
            method, params = parse_call(body)
            run = self._methods.get(method)
            if run is None:
                known = ", ".join(self._methods)
                raise TypeError(f"unknown method {method[:80]!r}; known are: {known}")
            return run(params)
        except KeyError as error:
            return fault(FAULT_UNKNOWN, str(error.args[0] if error.args else error))
        except (TypeError, ValueError) as error:
            return fault(FAULT_BAD_CALL, str(error))
        except RequestError as error:
            return fault(FAULT_FAILED, error.message)
        except Exception as error:
            self._report(NAME, error)
            return fault(FAULT_FAILED, "internal error; see the daemon's log")

    def _get_infos(self, params: Sequence[object]) -> Iterator[bytes]:
        query = self._query(params)
        # Look up all shards before sending the first: after that a fault is no longer possible.
        found = list(
            self._servicer.find(query, yield_point=CooperativeYield(low_priority=True).maybe_yield)
        )
        select = query.field_selector()
        return array_response(
            build_entry(one, select, with_labels=query.with_labels) for one in _yielding(found)
        )

    def _query(self, params: Sequence[object]) -> InfoQuery:
        by_name: Mapping[str, object] = {}
        *by_position, last = params or [None]
        if isinstance(last, dict):  # keyword arguments; no positional argument is a map
            params, by_name = by_position, last
        given = self._signature.bind(*params, **by_name).arguments
        args = Arguments(given)
        patterns = args.texts("key_patterns")
        return InfoQuery.from_call(
            args.ids("shard_ids"),
            args.texts("keys"),
            args.flag("allow_partial"),
            args.seconds("max_age"),
            args.flag("prefix_matching"),
            key_patterns=patterns if "key_patterns" in given else None,
            with_labels=args.flag("with_labels"),
        )

    def _list_methods(self, params: Sequence[object]) -> Iterator[bytes]:
        if params:
            raise TypeError("system.listMethods takes no arguments")
        return response(list(self._methods))

    def _method_help(self, params: Sequence[object]) -> Iterator[bytes]:
        if self._method_name(params) != "GetInfos":
            return response("")
        return response(
            f"GetInfos{self._signature}\n\n{inspect.getdoc(self._servicer.GetInfos)}\n\n"
            "Pass keyword arguments in a struct, after the positional arguments."
        )

    def _method_signature(self, params: Sequence[object]) -> Iterator[bytes]:
        method = self._method_name(params)
        if method == "system.listMethods":
            return response([["array"]])
        if method != "GetInfos":
            return response([["array" if method.endswith("Signature") else "string", "string"]])
        by_position = [["array", *_ARGUMENT_TYPES[:count]] for count in range(6)]
        return response([*by_position, *([*types, "struct"] for types in by_position)])

    def _method_name(self, params: Sequence[object]) -> str:
        if len(params) != 1 or params[0] not in self._methods:
            raise TypeError("expected the name of a method that system.listMethods returns")
        return str(params[0])


def _log(_part: str, error: BaseException) -> None:
    logger.error("an XML-RPC call failed", exc_info=error)


def _yielding(items: Iterable[Item]) -> Iterator[Item]:
    """Iterate over the items, and yield to the event loop if processing them takes long."""
    yielder = CooperativeYield(low_priority=True)
    for item in items:
        yielder.maybe_yield()
        yield item
