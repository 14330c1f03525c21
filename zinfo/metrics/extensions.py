"""Samples of what is attached to a server: modules, scripting engines, and listening sockets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from zinfo.info.values import Value
from zinfo.metrics.names import exporter_family, exporter_labels, family
from zinfo.metrics.sample import Fields, Sample, Sampler, label_of, maps_of, number_of

_MODULE: Final = exporter_family("module_info", "labels describe a module; always 1")
_ENGINE: Final = family("scripting_engine_info", "gauge", "labels describe an engine; always 1")
_ENGINE_USED: Final = family(
    "scripting_engine_memory_used_bytes", "gauge", "INFO's engine_N: used_memory"
)
_ENGINE_OVERHEAD: Final = family(
    "scripting_engine_memory_overhead_bytes", "gauge", "INFO's engine_N: memory_overhead"
)
_LISTENER: Final = family("listener_info", "gauge", "labels describe a listener; always 1")

_MODULE_LABELS: Final = exporter_labels("module_info")
_ENGINE_LABELS: Final = {"engine": "name", "module": "module", "abi_version": "abi_version"}
_LISTENER_PARTS: Final = ("name", "bind", "port", "path")

LABELS: Final = frozenset((*_MODULE_LABELS, *_ENGINE_LABELS, "index"))
"""Labels of the samples, in addition to those with `LABEL_PREFIXES`."""
LABEL_PREFIXES: Final = ("listener_",)


def _module(_fields: Fields, _name: str, value: Value) -> Iterator[Sample]:
    for module in maps_of(value):
        labels = tuple((name, label_of(module.get(name))) for name in _MODULE_LABELS)
        yield Sample(_MODULE, labels, 1)


def _engine(_fields: Fields, _name: str, value: Value) -> Iterator[Sample]:
    for engine in maps_of(value):
        labels = tuple((name, label_of(engine.get(part))) for name, part in _ENGINE_LABELS.items())
        yield Sample(_ENGINE, labels, 1)
        for part, of in (("used_memory", _ENGINE_USED), ("memory_overhead", _ENGINE_OVERHEAD)):
            number = number_of(engine.get(part))
            if number is not None:
                yield Sample(of, labels, number)


def _listener(_fields: Fields, name: str, value: Value) -> Iterator[Sample]:
    index = ("index", label_of(name.removeprefix("listener")))
    for listener in maps_of(value):
        parts = ((part, label_of(listener.get(part))) for part in _LISTENER_PARTS)
        yield Sample(_LISTENER, (index, *((f"listener_{part}", text) for part, text in parts)), 1)


BY_NAME: Final[dict[str, Sampler]] = {"module": _module}
BY_PATTERN: Final[tuple[tuple[re.Pattern[str], Sampler], ...]] = (
    (re.compile("engine_[0-9]+"), _engine),
    (re.compile("listener[0-9]+"), _listener),
)
ALONE: Final = (_module, _engine, _listener)
"""Samplers that look at nothing but the field."""
