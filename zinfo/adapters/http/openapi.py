"""The OpenAPI document of the HTTP server, generated from the same table as its routes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from zinfo._version import __version__
from zinfo.adapters.http.routes import (
    COUNT,
    FLAG,
    LABELS,
    MAX_COUNT,
    ROUTES,
    SECONDS,
    TEXT,
    TEXTS,
    Argument,
    Route,
)
from zinfo.adapters.http.sd import ARGUMENTS as SD_ARGUMENTS
from zinfo.adapters.http.stream import ARGUMENTS as STREAM_ARGUMENTS
from zinfo.adapters.http.stream_filter import KINDS

_SCHEMAS: Final[dict[str, dict[str, object]]] = {
    TEXTS: {"type": "array", "items": {"type": "string"}},
    TEXT: {"type": "string"},
    FLAG: {"type": "boolean"},
    SECONDS: {"type": "number", "minimum": 0},
    COUNT: {"type": "integer", "minimum": 0, "maximum": MAX_COUNT},
    LABELS: {"type": "object", "additionalProperties": {"type": "string"}},
}
_TEXT: Final = {"type": "string"}
_TEXT_OR_NONE: Final = {"type": ["string", "null"]}
_NUMBER_OR_NONE: Final = {"type": ["number", "null"]}
_STATE: Final = {"enum": ["new", "up", "loading", "busy", "down"]}
_COUNT: Final = {"type": "integer", "minimum": 0}
_COUNT_OR_NONE: Final = {"type": ["integer", "null"], "minimum": 0}

_DATA: Final[dict[str, dict[str, object]]] = {
    "get_infos": {
        "type": "array",
        "items": {
            "type": "object",
            "description": "the fields of INFO by name, and `meta`",
            "required": ["meta"],
            "properties": {
                "meta": {
                    "type": "object",
                    "required": ["shard_identifier", "id", "info_age"],
                    "properties": {
                        "shard_identifier": _TEXT,
                        "id": {**_TEXT, "description": "the same as `shard_identifier`"},
                        "info_age": {
                            **_NUMBER_OR_NONE,
                            "description": "seconds; null if there is no INFO",
                        },
                        "state": _TEXT,
                        "revision": _COUNT,
                        "time": {"type": "number", "description": "Unix time"},
                        "labels": {"type": "object", "additionalProperties": _TEXT},
                        "error": _TEXT,
                    },
                }
            },
        },
    },
    "get_columns": {
        "type": "object",
        "description": "arrays of the same length: an item of each belongs to one shard",
        "required": ["ids", "ages", "states", "columns"],
        "properties": {
            "ids": {"type": "array", "items": _TEXT},
            "ages": {
                "type": "array",
                "items": _NUMBER_OR_NONE,
                "description": "seconds since the INFO arrived; null before the first",
            },
            "states": {"type": "array", "items": _STATE},
            "columns": {
                "type": "object",
                "description": "by name of the field; null for a shard that does not have it",
                "additionalProperties": {"type": "array"},
            },
        },
    },
    "history": {
        "type": "object",
        "required": ["step", "newest", "points", "ids", "fields"],
        "properties": {
            "step": {"type": "number", "description": "seconds from one value to the next"},
            "newest": {"type": "number", "description": "Unix time of the last value"},
            "points": {**_COUNT, "description": "number of values of each shard in each series"},
            "ids": {"type": "array", "items": _TEXT},
            "fields": {
                "type": "object",
                "description": "for each series an item for each of `ids`: its values, oldest "
                "first, null where it did not answer; null in place of an array of nulls",
                "additionalProperties": {
                    "type": "array",
                    "items": {"type": ["array", "null"], "items": _NUMBER_OR_NONE},
                },
            },
        },
    },
    "shards": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["id", "shard_identifier", "labels", "state", "revision"],
            "properties": {
                "id": _TEXT,
                "shard_identifier": {**_TEXT, "description": "the same as `id`"},
                "labels": {"type": "object", "additionalProperties": _TEXT},
                "state": _STATE,
                "reason": _TEXT,
                "since": {**_NUMBER_OR_NONE, "description": "Unix time; null where unknown"},
                "role": _TEXT_OR_NONE,
                "version": _TEXT_OR_NONE,
                "run_id": _TEXT_OR_NONE,
                "interval": _NUMBER_OR_NONE,
                "age": _NUMBER_OR_NONE,
                "revision": _COUNT,
                "failures": _COUNT,
                "error": _TEXT,
            },
        },
    },
    "events": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["id", "shard_identifier", "shard", "type", "number", "seq", "time"],
            "properties": {
                "id": {**_TEXT, "description": "of the shard; empty for an event of the daemon"},
                "shard_identifier": {**_TEXT, "description": "the same as `id`"},
                "shard": {**_TEXT, "description": "the same as `id`; the former name"},
                "type": _TEXT,
                "old": _TEXT_OR_NONE,
                "new": _TEXT_OR_NONE,
                "reason": _TEXT,
                "message": _TEXT,
                "number": _COUNT,
                "seq": _COUNT,
                "time": {"type": "number"},
                "labels": {"type": "object", "additionalProperties": _TEXT},
            },
        },
    },
    "sources": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["name", "type", "state", "shards"],
            "properties": {
                "name": _TEXT,
                "type": _TEXT,
                "state": {"enum": ["waiting", "ok", "failed"]},
                "shards": _COUNT,
                "owned": _COUNT_OR_NONE,
                "missing": _COUNT_OR_NONE,
                "held": _COUNT_OR_NONE,
                "skipped": {"type": ["object", "null"], "additionalProperties": _COUNT},
                "notes": {"type": ["array", "null"], "items": _TEXT},
                "error": _TEXT_OR_NONE,
                "failures": _COUNT_OR_NONE,
                "last_success": _NUMBER_OR_NONE,
                "age": _NUMBER_OR_NONE,
                "last_duration": _NUMBER_OR_NONE,
                "reads": _COUNT_OR_NONE,
                "failed_reads": _COUNT_OR_NONE,
                "added": _COUNT_OR_NONE,
                "removed": _COUNT_OR_NONE,
            },
        },
    },
    "accept_source": {**_COUNT, "description": "number of shards that are removed"},
    "stats": {"type": "object"},
}
_TARGET_GROUPS: Final = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["targets", "labels"],
        "properties": {
            "targets": {"type": "array", "items": _TEXT},
            "labels": {"type": "object", "additionalProperties": _TEXT},
        },
    },
}
_ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "retryable"],
            "properties": {"code": _TEXT, "message": _TEXT, "retryable": {"type": "boolean"}},
        }
    },
}
_ERRORS: Final = {
    "400": "an argument is invalid",
    "401": "a token or a certificate is required",
    "403": "this client is not allowed to do this",
    "404": "no such shard",
    "409": "the shards have changed since the previous page: start again without `cursor`",
    "503": "temporarily unavailable; `error.retryable` says whether to retry",
    "504": "the requested polls took too long",
}


def stream_description(
    name: str, summary: str, arguments: Mapping[str, Argument]
) -> dict[str, Any]:
    """Return the OpenAPI path item of a stream of server-sent events.

    Args:
        name: of the operation.
        summary: what it sends, in one line.
        arguments: by name.
    """
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "parameters": _parameters(arguments),
            "responses": {
                "200": {
                    "description": "an endless stream",
                    "content": {"text/event-stream": {"schema": _TEXT}},
                },
                **_error_responses(),
            },
        }
    }


def document(more: Mapping[str, Mapping[str, Any]] = MappingProxyType({})) -> dict[str, Any]:
    """Return the document, OpenAPI 3.1.

    Args:
        more: OpenAPI path items that it also lists, by path.
    """
    paths: dict[str, Any] = {path: _path(route) for path, route in ROUTES.items()}
    paths.update(more)
    paths["/api/v1/stream"] = stream_description(
        "stream",
        f"Each new {', '.join(KINDS[:-1])} and {KINDS[-1]}, as server-sent events",
        STREAM_ARGUMENTS,
    )
    paths["/sd"] = {
        "get": {
            "operationId": "sd",
            "summary": "The live shards as targets, for the HTTP service discovery of Prometheus",
            "parameters": _parameters(SD_ARGUMENTS),
            "responses": {"200": _json("success", _TARGET_GROUPS), **_error_responses()},
        }
    }
    schema = {"type": "object", "required": ["status"]}
    for path, what in (("/healthz", "Liveness"), ("/readyz", "Readiness")):
        responses = {"200": _json("yes", schema)}
        if path == "/readyz":
            responses["503"] = _json("not yet", schema)
        name = path.strip("/")
        paths[path] = {
            "get": {"operationId": name, "summary": what, "security": [], "responses": responses}
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "zinfo",
            "version": __version__,
            "description": "INFO of Redis and Valkey servers, from the cache",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _path(route: Route) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["data"],
        "properties": {"data": _DATA[route.operation], **route.extra},
    }
    return {
        route.method.lower(): {
            "operationId": route.operation,
            "summary": route.summary,
            "parameters": _parameters(route.arguments),
            "responses": {"200": _json("success", schema), **_error_responses()},
        }
    }


def _parameters(arguments: Mapping[str, Argument]) -> list[dict[str, Any]]:
    return [_parameter(name, argument) for name, argument in arguments.items()]


def _parameter(name: str, argument: Argument) -> dict[str, Any]:
    style = {"style": "deepObject", "explode": True} if argument.kind == LABELS else {}
    return {
        "name": name,
        "in": "query",
        "description": argument.help,
        "required": argument.required,
        "schema": _SCHEMAS[argument.kind],
        **style,
    }


def _error_responses() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {status: _json(text, schema) for status, text in _ERRORS.items()}


def _json(text: str, schema: Mapping[str, object]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}
