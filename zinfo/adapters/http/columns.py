"""A page of columns as JSON: arrays of numbers and texts in place of packed numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from zinfo.adapters.http.responses import encode
from zinfo.loop.yielding import CooperativeYield
from zinfo.wire.column_pages import page_from_body


def columns_as_json(body: object, args: Mapping[str, object]) -> bytes:
    """Return the decoded body of a reply to `get_columns` as JSON; yields to the event loop.

    Args:
        body: with ids.
        args: of the request, which was valid.
    """
    names = list(dict.fromkeys(cast("list[str]", args["keys"])))
    page, yielder = page_from_body(body, len(names)), CooperativeYield(low_priority=True)

    def encoded(values: Sequence[object]) -> msgspec.Raw:
        yielder.maybe_yield()  # a page has up to 100,000 values
        return msgspec.Raw(encode(list(values)))

    return encode(
        {
            "ids": encoded(page.ids or []),
            "ages": encoded(memoryview(page.ages).cast("d")),  # msgspec encodes infinity as null
            "states": encoded(page.states),
            "columns": {
                name: encoded(column.values())
                for name, column in zip(names, page.columns, strict=True)
            },
        }
    )
