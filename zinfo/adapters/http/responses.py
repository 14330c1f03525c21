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
    "changed": falcon.HTTP_409,
    "too_large": falcon.HTTP_413,
}

encode: Final = msgspec.json.Encoder().encode


def set_json(response: falcon.Response, value: object) -> None:
    """Set the response body to a value as JSON."""
    response.content_type = JSON
    response.data = encode(value)


def set_error(
    response: falcon.Response, status: str, code: str, message: str, *, retryable: bool = False
) -> None:
    """Set status and body of an error response."""
    response.status = status
    set_json(response, {"error": {"code": code, "message": message, "retryable": retryable}})


def handle_request_error(
    _request: falcon.Request, response: falcon.Response, error: RequestError, _params: Any
) -> None:
    """Respond with the error of a query operation; an error handler for falcon."""
    status = _STATUS.get(error.code, falcon.HTTP_500)
    set_error(response, status, error.code, error.message, retryable=error.retryable)


def serialize_http_error(
    _request: falcon.Request, response: falcon.Response, error: falcon.HTTPError
) -> None:
    """Give falcon's errors (unknown path or method, not authorised) the same form as ours."""
    status = str(error.status)  # as in `404 Not Found`
    title = error.title if error.title and error.title != status else status.partition(" ")[2]
    code = title.lower().replace(" ", "_")
    retryable = status.startswith(("429", "503"))
    set_error(response, status, code, error.description or title, retryable=retryable)
