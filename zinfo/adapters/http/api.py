"""The query operations over HTTP, as JSON."""

from __future__ import annotations

import falcon

from zinfo.adapters.http.auth import require
from zinfo.adapters.http.responses import put
from zinfo.adapters.http.routes import Question, arguments_of
from zinfo.query.operations import Operations
from zinfo.wire.codec import unpack
from zinfo.wire.query_messages import Request


class Api:
    """Answers one kind of question.

    Args:
        operations: gives the answers.
        question: which.
    """

    def __init__(self, operations: Operations, question: Question) -> None:
        self._operations = operations
        self._question = question

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Answer with `{"data": ..., ...}`."""
        rights = require(request, self._question.operation)
        args = arguments_of(request.query_string, self._question.arguments)
        answer = self._operations.run(Request(self._question.operation, args), rights)
        put(response, {"data": unpack(answer.body), **answer.extra})
