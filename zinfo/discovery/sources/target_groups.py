"""Reads the target groups of Prometheus' file_sd and http_sd. Pure.

The format is a list of `{"targets": ["host:port", ...], "labels": {"name": "value", ...}}`, in JSON
or YAML: https://prometheus.io/docs/prometheus/latest/http_sd/ describes it, and Prometheus decodes
it in discovery/targetgroup/targetgroup.go. What Prometheus accepts means the same here. Where
it refuses a whole text for one bad group, only that group is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from zinfo.discovery.answer_builder import AnswerBuilder
from zinfo.discovery.rules import SkippedError, TargetRules
from zinfo.discovery.sources.documents import MAX_ITEMS, Pairs, Pause, parse_json, parse_yaml
from zinfo.discovery.target import Answer, Candidate
from zinfo.errors import SourceError
from zinfo.wire.addresses import DEFAULT_REDIS_PORT, parse_shard_url

SCHEME_LABEL = "__scheme__"
"""Label of a group: `redis` or `rediss`, in place of the scheme of the source."""

ID_LABEL = "__id__"
"""Label of a group: the id of its shard."""

CREDENTIALS_LABEL = "__credentials__"
"""Label of a group: the name of the credentials of its shards."""

MAX_LABELS = 256
"""Maximum number of labels of a group."""

MAX_GROUP_LABELS_SIZE = 16_384
"""Maximum number of characters of all names and values of a group's labels."""

_PORT = re.compile(r"\d{1,5}", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can have them alone, UTF-8 cannot


@dataclass(frozen=True, slots=True)
class GroupFormat:
    """How the text of a source is read.

    Attributes:
        rules: the rules of the source.
        yaml: whether the text is YAML; else it is JSON.
        scheme: `redis` or `rediss`, for targets that name none.
        labels: labels that are added to each group, such as `__meta_filepath`.
    """

    rules: TargetRules
    yaml: bool = False
    scheme: str = "redis"
    labels: Mapping[str, str] | None = None


def read_target_groups(data: bytes, form: GroupFormat, pause: Pause) -> Answer:
    """Return the targets of a text.

    Args:
        data: the text; at least its size must be bounded.
        form: how it is read.
        pause: called every few targets.

    Raises:
        SourceError: the text cannot be parsed, is not a list, or is too large.
    """
    document = parse_yaml(data, pause) if form.yaml else parse_json(data)
    reader = _Reader(form, pause)
    if document is None:  # what Go encodes for an empty list
        return reader.builder.answer()
    if type(document) is not list:
        raise SourceError("it is not a list of target groups")
    for group in document:
        reader.add_group(group)
    return reader.builder.answer()


class _Reader:
    def __init__(self, form: GroupFormat, pause: Pause) -> None:
        self.builder = AnswerBuilder(form.rules)
        self._form = form
        self._pause = pause
        self._items = 0
        self._unknown: set[str] = set()

    def add_group(self, group: object) -> None:
        self._count(1)
        if not isinstance(group, Pairs):
            self.builder.skip("a target group is not an object")
            return
        targets: object = None
        pairs = Pairs()
        try:
            for key, value in group:
                self._count(1)
                # As Go's JSON decoder: it ignores the case of a key, and the last one counts.
                name = key.lower() if isinstance(key, str) else ""
                if name == "targets":
                    targets = value
                elif name == "labels":
                    pairs = _pairs(value)
                    self._count(len(pairs))
                else:
                    self._note_unknown(name)
            found = targets if targets is not None else []
            if type(found) is not list:
                raise SkippedError("the targets of a group are not a list")
            labels = {**_labels(pairs), **(self._form.labels or {})}
            scheme = _scheme(labels, self._form.scheme)
        except SkippedError as error:
            self.builder.skip(str(error), len(targets) if type(targets) is list else 1)
            return
        for target in found:
            self._count(1)
            self._add_target(target, scheme, labels)

    def _add_target(self, target: object, scheme: str, labels: Mapping[str, str]) -> None:
        try:
            candidate = parse_target(target, scheme)
        except SkippedError as error:
            self.builder.skip(str(error))
            return
        self.builder.add(
            candidate._replace(
                labels=labels,
                ident=labels.get(ID_LABEL, ""),
                credentials=labels.get(CREDENTIALS_LABEL, ""),
            )
        )

    def _count(self, items: int) -> None:
        self._items += items
        if self._items > MAX_ITEMS:
            raise SourceError(f"it has more than {MAX_ITEMS} values")
        self._pause()

    def _note_unknown(self, key: str) -> None:
        if len(self._unknown) < 10 and key not in self._unknown:
            self._unknown.add(key)
            self.builder.note(f"a group has an unknown key: {key[:40]}")


def parse_target(target: object, scheme: str) -> Candidate:
    """Return the address of a target.

    Args:
        target: `host:port`, `host`, `[IPv6]:port`, or a shard's URL as for redis_exporter.
        scheme: the scheme of a target that has none.

    Raises:
        SkippedError: it is not an address, or it contains a user or password.
    """
    if type(target) is not str:
        raise SkippedError("a target is not text")
    if "://" in target:
        try:
            address = parse_shard_url(target)
        except ValueError:
            raise SkippedError("bad address") from None
        if address.username is not None or address.password is not None:
            raise SkippedError("a user or password in its address")
        return Candidate(address.host, address.port, address.path, address.scheme)
    if "@" in target:
        raise SkippedError("a user or password in its address")
    if target.startswith("["):
        host, bracket, rest = target[1:].partition("]")
        separator, port = rest[:1] if bracket else "[", rest[1:]
    else:
        host, separator, port = target.partition(":")
    if separator not in ("", ":") or (":" in port):
        raise SkippedError("bad address")
    if not separator:
        return Candidate(host, DEFAULT_REDIS_PORT, scheme=scheme)
    if not _PORT.fullmatch(port):
        raise SkippedError("bad port")
    return Candidate(host, int(port), scheme=scheme)


def _pairs(value: object) -> Pairs:
    if value is None:
        return Pairs()
    if not isinstance(value, Pairs):
        raise SkippedError("the labels of a group are not an object")
    return value


def _labels(pairs: Pairs) -> dict[str, str]:
    """Return the labels of a group; one with an empty value counts as absent, as in Prometheus."""
    if len(pairs) > MAX_LABELS:
        raise SkippedError(f"more than {MAX_LABELS} labels")
    labels = {}
    size = 0
    for name, value in pairs:
        if not isinstance(name, str) or not name:
            raise SkippedError("the name of a label is not text")
        text = _text(value)
        size += len(name) + len(text)
        if size > MAX_GROUP_LABELS_SIZE:
            raise SkippedError(f"labels of more than {MAX_GROUP_LABELS_SIZE} characters")
        labels[_utf8(name)] = _utf8(text)
    return {name: text for name, text in labels.items() if text}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    raise SkippedError("the value of a label is not text")


def _utf8(text: str) -> str:
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _scheme(labels: Mapping[str, str], default: str) -> str:
    scheme = labels.get(SCHEME_LABEL, default)
    if scheme not in ("redis", "rediss"):
        raise SkippedError(f"{SCHEME_LABEL} is not redis or rediss")
    return scheme
