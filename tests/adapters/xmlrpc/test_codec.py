"""XML-RPC encoding, decoded by the parser of the standard library."""

from __future__ import annotations

import math
import xmlrpc.client
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zinfo.adapters.xmlrpc.codec import array_response, encode, fault, parse_call, response

SCALARS = (
    st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc"), inner, max_size=4),
)


def read(pieces: Iterable[bytes]) -> object:
    """Return the value in a response, as a Python client decodes it."""
    (value,), _ = xmlrpc.client.loads(b"".join(pieces))
    return value


@given(VALUES)
def test_values_are_decoded_unchanged(value: object) -> None:
    assert read(response(value)) == value


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_parsed(text: str) -> None:
    value = read(response(text))
    assert isinstance(value, str)
    assert len(value) == len(text)


def test_characters_that_xml_forbids_are_replaced_and_no_others() -> None:
    assert read(response("a\0b\x1b\t\n\r\x7f\ud800\uffff\U0001f600<&>\"'")) == (
        "a\ufffdb\ufffd\t\n\r\x7f\ufffd\ufffd\U0001f600<&>\"'"
    )


@pytest.mark.parametrize(
    ("value", "xml"),
    [
        (2147483647, "<int>2147483647</int>"),
        (2147483648, "<i8>2147483648</i8>"),
        (-2147483648, "<int>-2147483648</int>"),
        (-2147483649, "<i8>-2147483649</i8>"),
        (1 << 63, "<string>9223372036854775808</string>"),
        (True, "<boolean>1</boolean>"),
        (0.5, "<double>0.5</double>"),
        (1e38, f"<double>1{'0' * 38}</double>"),
        (1e-7, "<double>0.0000001</double>"),
        (math.nan, "<string>nan</string>"),
        (-math.inf, "<string>-inf</string>"),
        (None, "<string></string>"),
    ],
)
def test_each_scalar_is_encoded_without_uncommon_extensions(value: object, xml: str) -> None:
    assert encode(value) == f"<value>{xml}</value>"


def test_an_unsupported_type_is_rejected() -> None:
    with pytest.raises(TypeError, match="cannot represent object"):
        encode(object())


def test_an_array_is_generated_in_pieces() -> None:
    made: list[int] = []

    def values() -> Iterator[int]:
        for number in (1, 2):
            made.append(number)
            yield number

    pieces = array_response(values())
    next(pieces)
    assert made == []
    next(pieces)
    assert made == [1]
    assert read([*array_response(iter([1, 2]))]) == [1, 2]


def test_clients_raise_a_fault() -> None:
    with pytest.raises(xmlrpc.client.Fault) as caught:
        read(fault(2, "<&\0"))
    assert (caught.value.faultCode, caught.value.faultString) == (2, "<&\ufffd")


def test_a_call_is_decoded_to_method_and_parameters() -> None:
    params = (["a", "b"], True, 1.5, {"keys": ["c"]}, 1 << 40, None)
    body = xmlrpc.client.dumps(params[:4], "Get.Infos").encode()
    assert parse_call(body) == ("Get.Infos", [["a", "b"], True, 1.5, {"keys": ["c"]}])
    assert parse_call(b"<methodCall><methodName>m</methodName></methodCall>") == ("m", [])
    with_long = xmlrpc.client.dumps(([],), "m").replace("<data>", "<data><value><i8>5</i8></value>")
    assert parse_call(with_long.encode("utf-8")) == ("m", [[5]])


BOMB = b"""<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">]>
<methodCall><methodName>&a;</methodName></methodCall>"""


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no element found"),
        (b"hello", "syntax error"),
        (b"\xff\xfe\x00", "not an XML-RPC call"),
        (b"<html></html>", "not an XML-RPC call"),
        (b"<methodCall></methodCall>", "not an XML-RPC call"),
        (b"<params></params>", "method name is missing"),
        (b"<methodCall><methodName>m</methodName><params><param><value></data>", "tag"),
        (b"<methodCall><methodName>m</methodName><struct></struct></array></methodCall>", "tag"),
        (b"<a><methodName>m</methodName><value><int>x</int></value></a>", "invalid literal"),
        (BOMB, "document types are not allowed"),
        (b"".join(fault(1, "x")), "not an XML-RPC call"),
    ],
)
def test_a_malformed_call_is_a_value_error(body: bytes, why: str) -> None:
    with pytest.raises(ValueError, match="not an XML-RPC call") as caught:
        parse_call(body)
    assert why in str(caught.value)


@given(st.binary(max_size=300) | st.text("<>/methodCallparsvinudt &;![]\"='?").map(str.encode))
def test_any_bytes_are_either_a_call_or_a_value_error(body: bytes) -> None:
    try:
        method, params = parse_call(body)
    except ValueError:
        return
    assert isinstance(method, str)
    assert isinstance(params, list)
