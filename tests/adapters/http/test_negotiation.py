"""Which format and which content coding a client gets, from what scrapers and browsers send."""

from __future__ import annotations

import pytest

from tests.metrics.accept_headers import (
    CHROME,
    PROMETHEUS_2,
    PROMETHEUS_3,
    PROMETHEUS_3_TEXT_ONLY,
    PROMETHEUS_3_WITH_PROTOBUF,
    VMAGENT,
)
from zinfo.adapters.http.negotiation import coding_of, text_format_of

OPEN, OPEN_DRAFT, TEXT = "openmetrics-text 1.0.0", "openmetrics-text 0.0.1", "plain 0.0.4"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (PROMETHEUS_2, OPEN),
        (PROMETHEUS_3, OPEN),  # Grafana Alloy and the OpenTelemetry Collector send the same
        (PROMETHEUS_3_WITH_PROTOBUF, OPEN),
        (PROMETHEUS_3_TEXT_ONLY, TEXT),
        (VMAGENT, TEXT),
        (CHROME, TEXT),
        ("*/*", TEXT),  # curl
        ("", TEXT),
        ("application/openmetrics-text", OPEN),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", OPEN),
        ('Application/OpenMetrics-Text ; Version="1.0.0" ; Q=0.9 , */* ; q=0.1', OPEN),
        ("application/openmetrics-text;version=0.0.1,text/plain;q=0.5", OPEN_DRAFT),
        ("application/openmetrics-text;version=2.0.0,*/*;q=0.5", TEXT),
        ("application/openmetrics-text;version=1.0.0;q=0", TEXT),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.6", TEXT),
        ("application/openmetrics-text,text/plain", OPEN),
        ("text/plain,application/openmetrics-text", TEXT),
        ("text/*;q=0.5,application/*;q=0.7", OPEN),
        ("text/plain;q=0,*/*", OPEN),
        (
            "text/plain;version=0.0.4;q=0.2,text/plain;q=0.9,application/openmetrics-text;q=0.5",
            OPEN,
        ),
        ("application/json", TEXT),
        ("*/*;q=0", TEXT),
        ("application/openmetrics-text;q=x", TEXT),
        ("application/openmetrics-text;q=-1", TEXT),
        (";;,=,q=1;;/,\x00", TEXT),
        ("x," * 100_000 + "application/openmetrics-text", TEXT),
    ],
)
def test_a_client_gets_the_format_that_it_prefers(accept: str, expected: str) -> None:
    found = text_format_of(accept)
    assert f"{found.media_type.partition('/')[2]} {found.version}" == expected


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("gzip", "gzip"),  # Prometheus, vmagent, Go in general
        ("gzip, deflate, br, zstd", "zstd"),  # a browser
        ("deflate, gzip;q=1.0, *;q=0.5", "gzip"),
        ("zstd;q=0.5, gzip", "gzip"),
        ("zstd;q=0.5, gzip;q=0.5", "zstd"),
        ("GZIP ; Q=0.3", "gzip"),
        ("gzip;q=0", "identity"),
        ("deflate, gzip ; q=0.0, br", "identity"),
        ("gzip;q=0.0, zstd;q=0.000", "identity"),
        ("identity, gzip;q=0.5", "identity"),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("identity", "identity"),
        ("", "identity"),
        ("*", "identity"),
        ("xgzip, gzipped", "identity"),
        ("gzip;q=high", "identity"),
        ("gzip;q=1;q=0", "identity"),
    ],
)
def test_a_client_gets_the_coding_that_it_prefers(accept_encoding: str, expected: str) -> None:
    assert coding_of(accept_encoding, ("zstd", "gzip")) == expected


def test_a_coding_that_is_not_available_is_not_chosen() -> None:
    assert coding_of("zstd, gzip;q=0.1", ("gzip",)) == "gzip"
    assert coding_of("zstd", ("gzip",)) == "identity"
