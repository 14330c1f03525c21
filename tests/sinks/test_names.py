"""Encoded ids: the published vectors, and that every text has exactly one token."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.sinks.nats.names import Names, decode, encode

VECTORS = {
    "db-1:6379": "db-1=3A6379",
    "10.0.0.7:6379": "10=2E0=2E0=2E7=3A6379",
    "[2001:db8::7]:6379": "=5B2001=3Adb8=3A=3A7=5D=3A6379",
    "cache_a/blue": "cache_a=2Fblue",
    "50%=half~": "50=25=3Dhalf=7E",
    "zürich 1": "z=C3=BCrich=201",
    "": "=",
}


@pytest.mark.parametrize("text", VECTORS)
def test_vectors_hold_in_both_directions(text: str) -> None:
    assert encode(text) == VECTORS[text]
    assert decode(VECTORS[text]) == text


@given(st.text(st.characters(), max_size=60))
@settings(max_examples=examples(100))
def test_any_text_is_one_token_of_a_key_and_comes_back(text: str) -> None:
    token = encode(text)
    assert re.fullmatch("[-_=a-zA-Z0-9]+", token)
    assert decode(token) == text


@pytest.mark.parametrize(
    "token", ["", "a.b", "a:b", "=3a", "=4", "=61", "==", "é", "a\n", "=FF", "*", ">", "=7E."]
)
def test_what_encode_never_returns_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match=r"encoding of an id|encoded id"):
        decode(token)


def test_a_subject_of_the_bucket_has_the_id_of_its_shard() -> None:
    names = Names(bucket="b")
    assert names.shard_subject("10.0.0.7:6379") == "$KV.b.shard.10=2E0=2E0=2E7=3A6379"
    assert names.shard_of("$KV.b.shard.10=2E0=2E0=2E7=3A6379") == "10.0.0.7:6379"
    for subject in ("$KV.b.sink.zinfo", "$KV.other.shard.a", "shard.a"):
        with pytest.raises(ValueError, match="not the subject of a shard"):
            names.shard_of(subject)
