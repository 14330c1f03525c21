"""XmlRpcServer: GetInfos for any XML-RPC client, over HTTP.

A long answer is encoded shard by shard, and everybody else has a turn in between: an XML-RPC client
that asks for ten thousand shards delays no poll.
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
from zinfo.query.servicer import InfoProviderServicer, InfoQuery, entry

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

NAME = "XML-RPC door"

PATHS = ("/", "/RPC2")  # where clients look when they are told host and port only
MAX_REQUEST_BYTES = 65536

_MOST_CONNECTIONS = 100
_WHOLE_BYTES = 1 << 20  # a longer answer is sent in parts, and without a Content-Length

# Types of GetInfos' positional arguments, as system.methodSignature names them.
_ARGUMENT_TYPES = ("array", "array", "boolean", "double", "boolean")


class XmlRpcServer(WsgiServer):
    """Serves `GetInfos`, and the `system` methods that describe it, at `/` and `/RPC2`.

    Args:
        servicer: answers.
        host: name or address to listen at, without brackets.
        port: to listen at; 0 for one that is free.
        report: called with a name and an exception that nobody foresaw.
        allowed_hosts: names under which it answers, beside localhost and addresses; `*` for any.

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
            connections=_MOST_CONNECTIONS,
            max_body=MAX_REQUEST_BYTES,
            names=HostNames([host, *allowed_hosts]),
        )

    # --- HTTP ---

    def application(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one HTTP request; a WSGI application (PEP 3333)."""
        if environ["PATH_INFO"] not in PATHS:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"XML-RPC is served at / and /RPC2\n"]
        if environ["REQUEST_METHOD"] != "POST":
            start_response("405 Method Not Allowed", [("Allow", "POST")])
            return [b"XML-RPC calls are POST requests\n"]
        body = environ["wsgi.input"].read()
        pieces = self._reply(body)
        begin: list[bytes] = []
        size = 0
        for piece in pieces:
            begin.append(piece)
            size += len(piece)
            if size > _WHOLE_BYTES:
                break
        start_response("200 OK", [("Content-Type", CONTENT_TYPE)])
        # A list gets a Content-Length, as XML-RPC demands; a chain has none, and needs no memory.
        return begin if size <= _WHOLE_BYTES else chain(begin, pieces)

    # --- XML-RPC ---

    def _reply(self, body: bytes) -> Iterator[bytes]:
        try:
            method, params = parse_call(body)
            run = self._methods.get(method)
            if run is None:
                raise TypeError(f"no method {method[:80]!r}; there are {', '.join(self._methods)}")
            return run(params)
        except KeyError as error:
            return fault(FAULT_UNKNOWN, str(error.args[0] if error.args else error))
        except (TypeError, ValueError) as error:
            return fault(FAULT_BAD_CALL, str(error))
        except RequestError as error:
            return fault(FAULT_FAILED, error.message)
        except Exception as error:
            self._report(NAME, error)
            return fault(FAULT_FAILED, "the daemon failed; see its log")

    def _get_infos(self, params: Sequence[object]) -> Iterator[bytes]:
        query = self._query(params)
        # All are looked up before the first is sent: from then on there is no way back to a fault.
        found = list(
            self._servicer.find(query, yield_point=CooperativeYield(low_priority=True).maybe_yield)
        )
        pick = query.picker()
        return array_response(entry(one, pick) for one in _paced(found))

    def _query(self, params: Sequence[object]) -> InfoQuery:
        by_name: Mapping[str, object] = {}
        *by_position, last = params or [None]
        if isinstance(last, dict):  # XML-RPC has no keywords; no argument by position is a map
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
        )

    def _list_methods(self, params: Sequence[object]) -> Iterator[bytes]:
        if params:
            raise TypeError("system.listMethods takes no arguments")
        return response(list(self._methods))

    def _method_help(self, params: Sequence[object]) -> Iterator[bytes]:
        if self._described(params) != "GetInfos":
            return response("")
        return response(
            f"GetInfos{self._signature}\n\n{inspect.getdoc(self._servicer.GetInfos)}\n\n"
            "Arguments by name go in a struct after those by position."
        )

    def _method_signature(self, params: Sequence[object]) -> Iterator[bytes]:
        method = self._described(params)
        if method == "system.listMethods":
            return response([["array"]])
        if method != "GetInfos":
            return response([["array" if method.endswith("Signature") else "string", "string"]])
        by_position = [["array", *_ARGUMENT_TYPES[:count]] for count in range(6)]
        return response([*by_position, *([*types, "struct"] for types in by_position)])

    def _described(self, params: Sequence[object]) -> str:
        if len(params) != 1 or params[0] not in self._methods:
            raise TypeError("give the name of a method that system.listMethods has")
        return str(params[0])


def _log(_part: str, error: BaseException) -> None:
    logger.error("an XML-RPC call failed", exc_info=error)


def _paced(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items; others have their turn when what is done with them takes long."""
    yielder = CooperativeYield(low_priority=True)
    for item in items:
        yielder.maybe_yield()
        yield item
