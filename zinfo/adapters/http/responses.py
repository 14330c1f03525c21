"""JSON bodies and status codes of the API."""

from __future__ import annotations

from typing import Any, Final

import falcon
import msgspec

from zinfo.errors import RequestError

JSON: Final = "application/json"

_STATUS: Final = {
    "bad_request": falcon.HTTP_400,
    "unknown_op": falcon.HTTP_404,
    "unknown_shard": falcon.HTTP_404,
    "not_polled": falcon.HTTP_503,
    "not_allowed": falcon.HTTP_403,
    "busy": falcon.HTTP_503,
    "deadline": falcon.HTTP_504,
    "too_large": falcon.HTTP_413,
}

encode: Final = msgspec.json.Encoder().encode


def put(response: falcon.Response, value: object) -> None:
    """Answer with a value as JSON."""
    response.content_type = JSON
    response.data = encode(value)


def put_error(
    response: falcon.Response, status: str, code: str, message: str, *, retryable: bool = False
) -> None:
    """Answer with an error."""
    response.status = status
    put(response, {"error": {"code": code, "message": message, "retryable": retryable}})


def refused(
    _request: falcon.Request, response: falcon.Response, error: RequestError, _params: Any
) -> None:
    """Turn a query's error into an answer; a handler of falcon's."""
    status = _STATUS.get(error.code, falcon.HTTP_500)
    put_error(response, status, error.code, error.message, retryable=error.retryable)


def as_json(_request: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> None:
    """Write an error of falcon's own (no such path, no such method, not let in) as ours are."""
    status = str(error.status)  # as in `404 Not Found`
    title = error.title if error.title and error.title != status else status.partition(" ")[2]
    code = title.lower().replace(" ", "_")
    put_error(response, status, code, error.description or title)
