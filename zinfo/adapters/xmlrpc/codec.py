"""Decodes XML-RPC calls and encodes XML-RPC responses. Pure: no socket, no clock.

The standard library's marshaller supports only 32-bit integers, writes control characters that no
parser accepts, and builds a whole document at once. This one generates pieces, so that the caller
can yield to the event loop between them.
"""

from __future__ import annotations

import math
import re
import xmlrpc.client
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from xml.parsers import expat
from xml.sax.saxutils import escape

CONTENT_TYPE = "text/xml; charset=utf-8"

FAULT_UNKNOWN = 1  # KeyError: unknown shard, or a shard that has not been polled yet
FAULT_BAD_CALL = 2  # TypeError or ValueError: wrong arguments, unknown method, malformed call
FAULT_FAILED = 3  # any other error

MAX_ELEMENTS = 5000
"""Maximum number of elements of a call. The most ids that fit into a request make 4,300."""

_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<methodResponse>'
_END = "</methodResponse>\n"

# Characters that XML 1.0 does not allow (https://www.w3.org/TR/xml/#charsets): parsers reject them.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACEMENT = "\ufffd"


def parse_call(body: bytes) -> tuple[str, list[object]]:
    """Return method name and parameters of a `methodCall` document.

    Raises:
        ValueError: it is malformed, or has a document type, whose entities could expand without
            bound.
    """
    target = xmlrpc.client.Unmarshaller()
    target.xml("", None)  # no encoding: expat has decoded the text already
    parser = expat.ParserCreate()
    elements = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal elements
        elements += 1
        if elements > MAX_ELEMENTS:
            raise ValueError(f"more than {MAX_ELEMENTS:,} elements")
        target.start(tag, attributes)

    parser.StartElementHandler = start
    parser.EndElementHandler = target.end
    parser.CharacterDataHandler = target.data
    parser.StartDoctypeDeclHandler = _reject_doctype
    try:
        parser.Parse(body, True)
        params: list[object] = [*target.close()]
    except Exception as error:
        # The unmarshaller raises many types for malformed documents, IndexError among them.
        raise ValueError(f"not an XML-RPC call: {error or type(error).__name__}") from None
    method = target.getmethodname()
    if method is None:
        raise ValueError("not an XML-RPC call: the method name is missing")
    return method, params


def _reject_doctype(*_declaration: object) -> None:
    raise ValueError("document types are not allowed")


def response(value: object) -> Iterator[bytes]:
    """Return a `methodResponse` with one value, as one piece."""
    yield f"{_HEAD}<params><param>{encode(value)}</param></params>{_END}".encode()


def array_response(values: Iterable[object]) -> Iterator[bytes]:
    """Return a `methodResponse` with an array; generates one piece for each value."""
    yield f"{_HEAD}<params><param><value><array><data>".encode()
    for value in values:
        yield encode(value).encode()
    yield f"</data></array></value></param></params>{_END}".encode()


def fault(code: int, text: str) -> Iterator[bytes]:
    """Return a `methodResponse` with a fault, as one piece."""
    value = encode({"faultCode": code, "faultString": text})
    yield f"{_HEAD}<fault>{value}</fault>{_END}".encode()


def encode(value: object) -> str:
    """Return a `<value>` element.

    XML-RPC cannot represent some values, which become strings: integers beyond 64 bits, `nan` and
    `inf`. None becomes an empty string, because not every client supports the extension `<nil/>`.
    Integers beyond 32 bits become `<i8>`, an extension that most clients support.

    Raises:
        TypeError: the value is neither number, text, list nor map.
    """
    pieces: list[str] = []
    _write(value, pieces)
    return "".join(pieces)


def _write(value: object, out: list[str]) -> None:
    if isinstance(value, Mapping):
        out.append("<value><struct>")
        for name, item in value.items():
            out.append(f"<member><name>{_text(str(name))}</name>")
            _write(item, out)
            out.append("</member>")
        out.append("</struct></value>")
    elif isinstance(value, (list, tuple)):
        out.append("<value><array><data>")
        for item in value:
            _write(item, out)
        out.append("</data></array></value>")
    else:
        out.append(f"<value>{_scalar(value)}</value>")


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return f"<boolean>{value:d}</boolean>"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _double(value)
    if value is None or isinstance(value, str):
        return f"<string>{_text(value or '')}</string>"
    raise TypeError(f"XML-RPC cannot represent {type(value).__name__}")


def _integer(value: int) -> str:
    if -(1 << 31) <= value < 1 << 31:
        return f"<int>{value}</int>"
    if -(1 << 63) <= value < 1 << 63:
        return f"<i8>{value}</i8>"
    return f"<string>{value}</string>"


def _double(value: float) -> str:
    if not math.isfinite(value):
        return f"<string>{value}</string>"
    text = repr(value)  # the shortest form that is read as the same number
    # A double of the specification has digits and a decimal point, but no exponent.
    return f"<double>{format(Decimal(text), 'f') if 'e' in text else text}</double>"


def _text(value: str) -> str:
    # Parsers turn a literal carriage return into a line feed; a character reference is preserved.
    return escape(_FORBIDDEN.sub(_REPLACEMENT, value), {"\r": "&#13;"})
