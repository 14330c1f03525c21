"""The OpenAPI document of the HTTP door, made from the table that the door itself goes by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from zinfo._version import __version__
from zinfo.adapters.http.routes import (
    COUNT,
    FLAG,
    LABELS,
    MAX_COUNT,
    MAX_SECONDS,
    QUESTIONS,
    SECONDS,
    TEXT,
    TEXTS,
    Argument,
    Question,
)
from zinfo.adapters.http.stream import ARGUMENTS as STREAM_ARGUMENTS
from zinfo.adapters.http.stream_selection import KINDS

_SCHEMAS: Final[dict[str, dict[str, object]]] = {
    TEXTS: {"type": "array", "items": {"type": "string"}},
    TEXT: {"type": "string"},
    FLAG: {"type": "boolean"},
    SECONDS: {"type": "number", "minimum": 0, "maximum": MAX_SECONDS},
    COUNT: {"type": "integer", "minimum": 0, "maximum": MAX_COUNT},
    LABELS: {"type": "object", "additionalProperties": {"type": "string"}},
}
_TEXT: Final = {"type": "string"}
_TEXT_OR_NONE: Final = {"type": ["string", "null"]}
_NUMBER_OR_NONE: Final = {"type": ["number", "null"]}
_COUNT: Final = {"type": "integer", "minimum": 0}

_DATA: Final[dict[str, dict[str, object]]] = {
    "get_infos": {
        "type": "array",
        "items": {
            "type": "object",
            "description": "INFO's fields by name, and `meta`",
            "required": ["meta"],
            "properties": {
                "meta": {
                    "type": "object",
                    "required": ["shard_identifier", "info_age"],
                    "properties": {
                        "shard_identifier": _TEXT,
                        "info_age": {"type": "number", "description": "seconds"},
                        "state": _TEXT,
                        "revision": _COUNT,
                        "time": {"type": "number", "description": "Unix time"},
                        "error": _TEXT,
                    },
                }
            },
        },
    },
    "shards": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["id", "labels", "state", "revision"],
            "properties": {
                "id": _TEXT,
                "labels": {"type": "object", "additionalProperties": _TEXT},
                "state": {"enum": ["new", "up", "loading", "busy", "down"]},
                "reason": _TEXT,
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
            "required": ["shard", "type", "number", "seq", "time"],
            "properties": {
                "shard": _TEXT,
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
    "stats": {"type": "object"},
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
_PROBLEMS: Final = {
    "400": "the arguments make no sense",
    "401": "a token or a certificate is needed",
    "403": "this client may not",
    "404": "no such shard",
    "503": "not now; `error.retryable` tells whether later",
    "504": "the polls that were asked for took too long",
}


def document() -> dict[str, Any]:
    """Return the document, OpenAPI 3.1."""
    paths: dict[str, Any] = {path: _path(question) for path, question in QUESTIONS.items()}
    paths["/api/v1/stream"] = {
        "get": {
            "operationId": "stream",
            "summary": f"{', '.join(KINDS)} as they come, as server-sent events",
            "parameters": _parameters(STREAM_ARGUMENTS),
            "responses": {
                "200": {
                    "description": "a stream that does not end",
                    "content": {"text/event-stream": {"schema": _TEXT}},
                },
                **_problems(),
            },
        }
    }
    for path, what in (("/healthz", "whether zinfo lives"), ("/readyz", "whether it is ready")):
        answers = {"200": _json("it is", {"type": "object", "required": ["status"]})}
        if path == "/readyz":
            answers["503"] = _json("not yet", {"type": "object", "required": ["status"]})
        name = path.strip("/")
        paths[path] = {
            "get": {"operationId": name, "summary": what, "security": [], "responses": answers}
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


def _path(question: Question) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["data"],
        "properties": {"data": _DATA[question.operation], **question.extra},
    }
    return {
        "get": {
            "operationId": question.operation,
            "summary": question.summary,
            "parameters": _parameters(question.arguments),
            "responses": {"200": _json("the answer", schema), **_problems()},
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
        "schema": _SCHEMAS[argument.kind],
        **style,
    }


def _problems() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {status: _json(text, schema) for status, text in _PROBLEMS.items()}


def _json(text: str, schema: Mapping[str, object]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}
