"""XML-RPC in bytes: a call to its method and parameters, values to XML. Pure: no socket, no clock.

The standard library's marshaller ends at 32 bits, writes control characters that no parser takes,
and makes a whole document at once; this one gives pieces, so that others have a turn in between.
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

FAULT_UNKNOWN = 1  # a KeyError: no such shard, or no INFO of it
FAULT_BAD_CALL = 2  # a TypeError or ValueError: wrong arguments, unknown method, not XML-RPC at all
FAULT_FAILED = 3  # anything else

MAX_ELEMENTS = 5000
"""Elements of a call; as many ids of one letter as fit into a request have 4,300."""

_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<methodResponse>'
_END = "</methodResponse>\n"

# What is no character in XML 1.0 (https://www.w3.org/TR/xml/#charsets): parsers end at one.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACEMENT = "\ufffd"


def parse_call(body: bytes) -> tuple[str, list[object]]:
    """Return method name and parameters of a `methodCall` document.

    Raises:
        ValueError: it is none; document types, whose entities could grow without bound, included.
    """
    target = xmlrpc.client.Unmarshaller()
    target.xml("", None)  # its default is to decode text, which expat has done
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
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(body, True)
        params: list[object] = [*target.close()]
    except Exception as error:
        # The unmarshaller stumbles over wrong documents in many ways, IndexError among them.
        raise ValueError(f"not an XML-RPC call: {error or type(error).__name__}") from None
    method = target.getmethodname()
    if method is None:
        raise ValueError("not an XML-RPC call: it names no method")
    return method, params


def _refuse_doctype(*_declaration: object) -> None:
    raise ValueError("document types are not taken")


def response(value: object) -> Iterator[bytes]:
    """Return a `methodResponse` with one value, as one piece."""
    yield f"{_HEAD}<params><param>{encode(value)}</param></params>{_END}".encode()


def array_response(values: Iterable[object]) -> Iterator[bytes]:
    """Return a `methodResponse` with an array: a piece for each value, made when asked for."""
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

    XML-RPC has no form for some values, so those become text: integers beyond 64 bits, `nan` and
    `inf`. None becomes empty text, as `<nil/>` is an extension that not every client knows.
    Integers beyond 32 bits are `<i8>`, an extension, too, but one that is known far and wide.

    Raises:
        TypeError: something that is neither number, text, list nor map.
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
    raise TypeError(f"XML-RPC has no form for {type(value).__name__}")


def _integer(value: int) -> str:
    if -(1 << 31) <= value < 1 << 31:
        return f"<int>{value}</int>"
    if -(1 << 63) <= value < 1 << 63:
        return f"<i8>{value}</i8>"
    return f"<string>{value}</string>"


def _double(value: float) -> str:
    if not math.isfinite(value):
        return f"<string>{value}</string>"
    text = repr(value)  # the shortest form that gives the same number again
    # The specification's double has digits and a point, but no exponent.
    return f"<double>{format(Decimal(text), 'f') if 'e' in text else text}</double>"


def _text(value: str) -> str:
    # Parsers turn a bare carriage return into a line feed, so it goes as a character reference.
    return escape(_FORBIDDEN.sub(_REPLACEMENT, value), {"\r": "&#13;"})
