"""FileSource: shards from files in the format of Prometheus' file_sd."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from zinfo.discovery.answer_builder import AnswerBuilder
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.source import Source
from zinfo.discovery.sources.decoding import decode_target_groups
from zinfo.discovery.sources.file_patterns import (
    MAX_FILES,
    check_file_pattern,
    has_wildcard,
    matching_files,
)
from zinfo.discovery.sources.file_reading import FileContent, FileState, file_state, read_file
from zinfo.discovery.sources.file_thread import FileThread
from zinfo.discovery.sources.target_groups import GroupFormat
from zinfo.discovery.target import Answer
from zinfo.errors import SourceError
from zinfo.loop.yielding import CooperativeYield

FILEPATH_LABEL = "__meta_filepath"
"""Label that Prometheus sets as well: the path of the file."""

_MAX_LINE = 300  # characters of an error

_RETRY_INTERVAL = 60.0  # seconds until a file that could not be decoded is tried again unchanged


@dataclass(slots=True)
class _File:
    """What is known of one file.

    Attributes:
        pattern: the pattern that it matches.
        answer: of its last good content; None before the first.
        good: digest of that content.
        state: of the file when it was read last; None if a later change may have the same state.
        digest: of the content that was decoded last.
        decode_error: why that content cannot be used; "" if it can.
        retry_at: monotonic clock at which it is decoded again, as the cause may be this machine.
        read_error: why the file cannot be read now; "" if it can.
    """

    pattern: str
    answer: Answer | None = None
    good: bytes = b""
    state: FileState | None = None
    digest: bytes = b""
    decode_error: str = ""
    retry_at: float = 0.0
    read_error: str = ""

    @property
    def error(self) -> str:
        """Why the present content is not used."""
        return self.read_error or self.decode_error


class _Listing(NamedTuple):
    """The files there are: state or error by path, with the pattern; and patterns that failed."""

    files: dict[str, tuple[str, FileState | str]]
    failed: dict[str, str]


class FileSource(Source):
    """Lists the targets of files.

    A file that cannot be read or decoded keeps the targets of its last good content, and the others
    are read. Of targets with the same id in several files the first one is used, in the order of
    the patterns, then of the names.

    Args:
        name: unique name of the source.
        files: patterns of paths that end in .json, .yml or .yaml; see `check_file_pattern`.
        rules: make the targets.
        scheme: `redis` or `rediss`, for targets that name none.
        interval: seconds between two looks at the state of the files.

    Raises:
        ValueError: a pattern is not valid.
    """

    kind = "file"
    backs_off = False  # a look at the state of files costs little, and a repaired file is soon used

    def __init__(
        self,
        name: str,
        files: Sequence[str],
        rules: TargetRules,
        *,
        scheme: str = "redis",
        interval: float = 2.0,
    ) -> None:
        super().__init__(name, interval)
        for pattern in files:
            check_file_pattern(pattern)
        self._patterns = tuple(dict.fromkeys(files))
        self._rules = rules
        self._scheme = scheme
        self._thread = FileThread()
        self._files: dict[str, _File] = {}
        self._matched: set[str] = set()  # patterns that have matched a file since the start
        self._decoded = 0  # contents that were decoded
        self._given: tuple[object, ...] | None = None  # what the last answer was made of
        self._refusal: SourceError | None = None  # why there was none

    def read(self) -> Answer | None:
        """Return the targets of all files; None if neither they nor their problems changed.

        Raises:
            SourceError: no file can be used, or there is none and never was.
        """
        listing = self._thread.run(partial(_list, self._patterns))
        known = self._files
        self._files = {
            path: known.get(path) or _File(pattern) for path, pattern in self._present(listing)
        }
        self._matched.update(one.pattern for one in self._files.values())
        for path, one in self._files.items():
            if path in listing.files:
                self._update(path, one, listing.files[path][1])
        problems, incomplete = self._problems(listing)
        self._require_usable(problems)
        paths = tuple(path for path, one in self._files.items() if one.answer is not None)
        given = (paths, self._decoded, tuple(problems), incomplete)
        if given == self._given:
            if self._refusal is not None:
                raise SourceError(str(self._refusal))
            return None
        self._refusal = None
        try:
            answer = self._merged(problems, incomplete=incomplete)
        except SourceError as error:
            self._given, self._refusal = given, error
            raise
        self._given = given
        for path in known.keys() - self._files.keys():
            _free(known[path].answer)
        return answer

    def close(self) -> None:
        """Forget what was given, so that the first read after another start returns it all."""
        self._given = None

    def _present(self, listing: _Listing) -> Iterator[tuple[str, str]]:
        """Yield paths and patterns: the files there are, and those in an unreadable directory."""
        for pattern in self._patterns:
            if pattern in listing.failed:
                yield from (
                    (path, pattern) for path, one in self._files.items() if one.pattern == pattern
                )
            yield from ((path, one) for path, (one, _) in listing.files.items() if one == pattern)

    def _update(self, path: str, one: _File, state: FileState | str) -> None:
        """Read a file again if it may have changed."""
        if isinstance(state, str):
            one.read_error, one.state = state, None
            return
        retry = bool(one.decode_error) and time.monotonic() >= one.retry_at
        if state == one.state and not one.read_error and not retry:
            return
        try:
            content = self._thread.run(partial(read_file, path))
        except SourceError as error:
            one.read_error = str(error)
            return
        one.read_error = ""
        if content.digest == one.good:
            one.decode_error = ""
        elif content.digest != one.digest or retry:
            self._decode(path, one, content)
        # Not before: if this greenlet is killed meanwhile, the file is read again.
        one.state = content.state if content.settled else None
        one.digest = content.digest

    def _decode(self, path: str, one: _File, content: FileContent) -> None:
        form = GroupFormat(
            self._rules,
            yaml=not path.lower().endswith(".json"),
            scheme=self._scheme,
            labels={FILEPATH_LABEL: path},
        )
        try:
            answer = decode_target_groups(content.parts, form)
        except SourceError as error:
            one.decode_error = str(error)
            one.retry_at = time.monotonic() + _RETRY_INTERVAL
            return
        before, one.answer = one.answer, answer
        one.good, one.decode_error = content.digest, ""
        self._decoded += 1
        _free(before)

    def _problems(self, listing: _Listing) -> tuple[list[str], bool]:
        """Return what is wrong, and whether something cannot be known."""
        problems = []
        incomplete = False
        for path, one in self._files.items():
            if one.error:
                problems.append(f"{path}: {one.error}")
                incomplete |= one.answer is None
        for pattern in self._patterns:
            unseen = pattern not in self._matched
            if pattern in listing.failed:
                problems.append(f"{pattern}: {listing.failed[pattern]}")
                incomplete |= unseen
            elif unseen and not has_wildcard(pattern) and pattern not in self._files:
                problems.append(f"{pattern}: no such file")
                incomplete = True
        return problems, incomplete

    def _require_usable(self, problems: list[str]) -> None:
        if any(not one.error for one in self._files.values()):
            return
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise SourceError(_line(problems[0]) + more)
        if not self._matched:
            raise SourceError(_line(f"no file matches {', '.join(self._patterns)}"))

    def _merged(self, problems: list[str], *, incomplete: bool) -> Answer:
        """Return a new answer: the engine may change its targets, and releases them."""
        yielder = CooperativeYield(background=True)
        # Each file has targets of the slice only; to hash them again costs more than the rest.
        builder = AnswerBuilder(replace(self._rules, slice=None))
        for problem in problems:
            builder.note(problem)
        if not self._files:
            builder.note("all files are gone")
        for path, one in self._files.items():
            if one.answer is None:
                continue
            for ident, target in one.answer.targets.items():
                builder.add_target(ident, target)
                yielder.maybe_yield()
            for reason, count in one.answer.skipped.items():
                builder.skip(reason, count)
            for note in one.answer.notes:
                builder.note(f"{path}: {note}")
        return builder.answer(incomplete=incomplete)


def _list(patterns: Sequence[str]) -> _Listing:
    """Find the files and their states; runs in a thread."""
    files: dict[str, tuple[str, FileState | str]] = {}
    failed: dict[str, str] = {}
    for pattern in patterns:
        try:
            paths = matching_files(pattern)
        except OSError as error:
            failed[pattern] = f"cannot be searched: {error.strerror}"
            continue
        for path in paths:
            if path not in files:
                files[path] = (pattern, _state_or_error(path))
        if len(files) > MAX_FILES:
            raise SourceError(f"more than {MAX_FILES} files match")
    return _Listing(files, failed)


def _state_or_error(path: str) -> FileState | str:
    try:
        return file_state(path)
    except SourceError as error:
        return str(error)


def _free(answer: Answer | None) -> None:
    """Release targets with yields: a hundred thousand at once would take tens of milliseconds."""
    if answer is None:
        return
    yielder = CooperativeYield(background=True)
    targets = answer.targets
    assert isinstance(targets, dict)
    while targets:
        targets.popitem()
        yielder.maybe_yield()


def _line(text: str) -> str:
    """Return a text with a path as one printable line."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text[:_MAX_LINE])
