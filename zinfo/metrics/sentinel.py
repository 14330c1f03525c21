"""Samples of a Sentinel: the primaries that it monitors (`master0:name=...,status=ok,...`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from zinfo.info.values import Value
from zinfo.metrics.names import exporter_family
from zinfo.metrics.sample import Fields, Sample, Sampler, label_of, maps_of, number_of

_STATUS: Final = exporter_family("sentinel_master_status", "1 if INFO's masterN: status is ok")
_SLAVES: Final = exporter_family("sentinel_master_slaves", "INFO's masterN: slaves")
_SENTINELS: Final = exporter_family("sentinel_master_sentinels", "INFO's masterN: sentinels")

LABELS: Final = frozenset(("master_name", "master_address", "master_status"))
"""Labels of the samples."""


def _master(_fields: Fields, _name: str, value: Value) -> Iterator[Sample]:
    for master in maps_of(value):
        labels = tuple(
            (f"master_{part}", label_of(master.get(part))) for part in ("name", "address")
        )
        if "status" in master:
            status = label_of(master["status"])
            yield Sample(_STATUS, (*labels, ("master_status", status)), int(status == "ok"))
        for part, of in (("slaves", _SLAVES), ("sentinels", _SENTINELS)):
            number = number_of(master.get(part))
            if number is not None:
                yield Sample(of, labels, number)


BY_PATTERN: Final[tuple[tuple[re.Pattern[str], Sampler], ...]] = (
    (re.compile("master[0-9]+"), _master),
)
