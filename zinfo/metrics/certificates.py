"""Samples of the TLS certificates of Valkey: `tls_server_cert_serial` and similar fields.

A server without a certificate has the serial `none` and the rest of its validity 0. That is not the
validity of a certificate that has just expired, so neither is exposed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from zinfo.info.values import Value
from zinfo.metrics.names import family, family_of
from zinfo.metrics.sample import Fields, Sample, Sampler, each, label_of, number_of

_CERTIFICATE: Final = family("tls_certificate_info", "gauge", "INFO's tls_*_cert_serial; always 1")

LABELS: Final = frozenset(("certificate", "serial"))
"""Labels of the samples."""

_SERIAL: Final = re.compile("tls_([a-z]+)_cert_serial")
_EXPIRY: Final = re.compile("tls_([a-z]+)_cert_expires_in_seconds")
_ABSENT: Final = "none"


def certificate_of(field: str) -> str | None:
    """Return the certificate that a field is about; None for other fields."""
    found = _SERIAL.fullmatch(field) or _EXPIRY.fullmatch(field)
    return None if found is None else found[1]


def _serial(_fields: Fields, name: str, value: Value) -> Iterator[Sample]:
    found = _SERIAL.fullmatch(name)
    if found is not None and value != _ABSENT:
        yield Sample(_CERTIFICATE, (("certificate", found[1]), ("serial", label_of(value))), 1)


def _expiry(fields: Fields, name: str, value: Value) -> Iterator[Sample]:
    found = _EXPIRY.fullmatch(name)
    if found is None or fields.get(f"tls_{found[1]}_cert_serial") == _ABSENT:
        return
    for labels, item in each(value):
        number = number_of(item)
        if number is not None:
            yield Sample(family_of(name), labels, number)


BY_PATTERN: Final[tuple[tuple[re.Pattern[str], Sampler], ...]] = (
    (_SERIAL, _serial),
    (_EXPIRY, _expiry),
)
ALONE: Final = (_serial,)
"""Samplers that look at nothing but the field."""
SERIAL_SAMPLER: Final[Sampler] = _serial
EXPIRY_SAMPLER: Final[Sampler] = _expiry
"""The samplers of the serials, and of the rest of the validity."""
