"""DnsSource: lists the addresses of names, from their A and AAAA or SRV records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import ClassVar, NamedTuple

import dns.exception
import dns.name
from gevent.pool import Pool

from zinfo.discovery.answer_builder import AnswerBuilder
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.source import Source
from zinfo.discovery.sources.dns_records import AAAA, SRV, A, Record
from zinfo.discovery.sources.name_resolver import (
    RESOLV_CONF,
    LookupFailedError,
    LookupResult,
    NameResolver,
)
from zinfo.discovery.target import Answer, Candidate
from zinfo.errors import SourceError
from zinfo.loop.yielding import CooperativeYield

MAX_NAMES = 1000
"""Maximum number of names of one source."""

READ_TIMEOUT = 30.0
"""Seconds for all questions of one read; those without a reply by then have failed."""

NAME_LABEL = "__dns_name__"
"""Label with the name as it is configured; for `keep`, `drop` and ids."""

_CONCURRENT = 10  # questions at a time
_PIECE = 256  # records that are sorted at once
_MAX_REASONS = 3  # failures that an error names
_KIND_NAMES = {A: "A", AAAA: "AAAA", SRV: "SRV"}


class Question(NamedTuple):
    """A name and the type of records to look up."""

    name: str
    kind: int


class DnsSource(Source):
    """Lists the addresses that names have now.

    A name that begins with `_` is looked up as SRV record: each gives a host, by its name, and a
    port. Any other is looked up as A and AAAA record: each gives an IP address.

    Args:
        name: unique name of the source.
        names: the names in DNS.
        rules: make targets of what is found.
        port: TCP port of the shards; needed unless all names begin with `_`.
        scheme: `redis` or `rediss`.
        interval: seconds between two reads.
        resolv_conf: path of the file that names the name servers.
        server_port: port of the name servers.

    Raises:
        ValueError: a name is not one of DNS, `port` is missing, or there are no or too many names.
    """

    kind: ClassVar[str] = "dns"

    def __init__(
        self,
        name: str,
        names: Sequence[str],
        rules: TargetRules,
        *,
        port: int | None = None,
        scheme: str = "redis",
        interval: float = 10.0,
        resolv_conf: str = RESOLV_CONF,
        server_port: int = 53,
    ) -> None:
        super().__init__(name, interval)
        self._questions = tuple(dict.fromkeys(_questions(names, port)))
        self._rules = rules
        self._port = port or 0
        self._scheme = scheme
        self._resolver = NameResolver(resolv_conf, server_port)
        self._results: dict[Question, LookupResult] = {}  # the last ones, by question
        self._notes: tuple[str, ...] | None = None  # None before the first successful read

    def read(self) -> Answer | None:
        """Look all names up.

        A name that cannot be looked up has the records of its last successful look-up.

        Raises:
            SourceError: no name can be looked up, or resolv.conf cannot be used.
        """
        self._resolver.refresh()
        found, failures = self._look_up_all()
        if not found:
            raise SourceError(_reasons(failures))
        changed = any(self._results.get(question) != found[question] for question in found)
        self._results.update(found)
        notes = tuple(self._remarks(failures))
        if not changed and notes == self._notes:
            return None
        self._notes = None  # if the answer cannot be used, the next read makes it again
        answer = self._answer(notes, incomplete=any(map(self._is_unknown, failures)))
        self._notes = notes
        return answer

    def _look_up_all(self) -> tuple[dict[Question, LookupResult], dict[Question, str]]:
        """Return the results and the failures by question."""
        found: dict[Question, LookupResult] = {}
        failures: dict[Question, str] = {}

        def look_up(question: Question) -> None:
            try:
                found[question] = self._resolver.look_up(*question)
            except LookupFailedError as error:
                failures[question] = str(error)

        pool = Pool(_CONCURRENT)
        waiting = iter(self._questions)

        def work() -> None:
            for question in waiting:
                look_up(question)

        try:
            for _ in range(_CONCURRENT):
                pool.spawn(work)
            pool.join(READ_TIMEOUT)
        finally:
            pool.kill()
        return found, {
            question: failures.get(question, "no reply in time")
            for question in self._questions
            if question not in found
        }

    def _is_unknown(self, failed: Question) -> bool:
        """Return whether nothing is known of a name that could not be looked up now.

        Some name servers never reply to questions for AAAA records, so addresses of one family are
        enough.
        """
        kinds = (A, AAAA) if failed.kind != SRV else (SRV,)
        known = [self._results.get(Question(failed.name, kind)) for kind in kinds]
        return failed not in self._results and not any(one and one.records for one in known)

    def _remarks(self, failures: dict[Question, str]) -> Iterator[str]:
        by_name: dict[str, list[Question]] = {}
        for question in self._questions:
            by_name.setdefault(question.name, []).append(question)
        for name, questions in by_name.items():
            failed = [one for one in questions if one in failures]
            for one in failed:
                yield f"{name}: {_KIND_NAMES[one.kind]}: {failures[one]}"
            known = [self._results[one] for one in questions if one in self._results]
            if not failed and not any(one.records for one in known):
                exists = any(one.exists for one in known)
                yield f"{name}: {'no records' if exists else 'no such name'}"

    def _answer(self, notes: tuple[str, ...], *, incomplete: bool) -> Answer:
        builder, yielder = AnswerBuilder(self._rules), CooperativeYield(background=True)
        for question in self._questions:
            result = self._results.get(question)
            for record in _sorted(result.records if result else (), yielder.maybe_yield):
                self._add(builder, question, result.name if result else "", record)
                yielder.maybe_yield()
        for note in notes:
            builder.note(note)
        return builder.answer(incomplete=incomplete)

    def _add(self, builder: AnswerBuilder, question: Question, name: str, record: Record) -> None:
        is_service = question.kind == SRV
        if not record.host:
            builder.skip("bad name of a host" if is_service else "unusable address")
            return
        labels = {
            "hostname": record.host if is_service else name,
            NAME_LABEL: question.name,
        }
        port = record.port if is_service else self._port
        builder.add(Candidate(record.host, port, scheme=self._scheme, labels=labels))


def _sorted(records: Iterable[Record], pause: Callable[[], None]) -> Iterator[Record]:
    """Yield records in order; sorted in pieces, as thousands would hold the event loop."""
    rest, pieces = iter(records), []
    while piece := sorted(islice(rest, _PIECE)):
        pieces.append(piece)
        pause()
    return merge(*pieces)


def _questions(names: Sequence[str], port: int | None) -> Iterator[Question]:
    if not 0 < len(names) <= MAX_NAMES:
        raise ValueError(f"expected 1 to {MAX_NAMES} names")
    for name in names:
        try:
            labels = len(dns.name.from_text(name, origin=None))
        except (dns.exception.DNSException, UnicodeError):
            labels = 0
        if not name.strip(".") or not labels or not name.isprintable():
            raise ValueError(f"{name!r} is not a name in DNS")
        if name.startswith("_"):
            yield Question(name, SRV)
            continue
        if port is None:
            raise ValueError(f"{name} needs a port: only a name that begins with _ has its own")
        yield Question(name, A)
        yield Question(name, AAAA)


def _reasons(failures: dict[Question, str]) -> str:
    """Return the failures in one line, each name once."""
    by_name: dict[str, str] = {}
    for question, text in failures.items():
        by_name.setdefault(question.name, text)
    shown = [f"{name}: {text}" for name, text in islice(by_name.items(), _MAX_REASONS)]
    more = len(by_name) - len(shown)
    return ", ".join(shown) + (f", and {more} more" if more else "")
