"""RunningSources: the sources of a `Discovery` in their order, each with its reader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from zinfo.discovery.source_entry import SourceEntry
from zinfo.discovery.source_reader import SourceReader
from zinfo.discovery.source_state import SourceState


class RunningSources:
    """Starts, replaces and stops the readers of sources, which are known by their names.

    Args:
        make_state: returns the state of a source that is new.
        make_reader: returns a reader for a source.
        entries: the sources, with unique names.
    """

    def __init__(
        self,
        make_state: Callable[[SourceEntry], SourceState],
        make_reader: Callable[[SourceState], SourceReader],
        entries: Iterable[SourceEntry],
    ) -> None:
        self._make_state = make_state
        self._make_reader = make_reader
        self._states = {entry.source.name: make_state(entry) for entry in entries}
        self._readers: dict[str, SourceReader] = {}

    def __iter__(self) -> Iterator[SourceState]:
        """Return an iterator over the sources of now, in their order."""
        return iter(tuple(self._states.values()))

    def __getitem__(self, name: str) -> SourceState:
        """Return the source with a name.

        Raises:
            KeyError: no source has it.
        """
        return self._states[name]

    def start(self) -> None:
        """Begin to read each source that is not being read."""
        for name, state in self._states.items():
            if name not in self._readers:
                self._readers[name] = reader = self._make_reader(state)
                reader.start()

    def stop(self) -> None:
        """End reading; the states stay."""
        for state in self:
            self._end(state)

    def forget(self) -> None:
        """Begin with all sources again, as if none had been read."""
        self._states = {name: self._make_state(one.entry) for name, one in self._states.items()}

    def replace(self, entries: Iterable[SourceEntry]) -> list[SourceState]:
        """Replace the sources, but do not start new ones.

        One with equal settings goes on. One with other settings keeps its state.

        Args:
            entries: the sources, with unique names.

        Returns:
            The sources that are gone.
        """
        before, self._states = self._states, {}
        for entry in entries:
            state = before.pop(entry.source.name, None)
            if state is None:
                state = self._make_state(entry)
            else:
                self._change(state, entry)
            self._states[state.name] = state
        for state in before.values():
            self._end(state)
        return list(before.values())

    def _change(self, state: SourceState, entry: SourceEntry) -> None:
        if entry.settings is None or entry.settings != state.entry.settings:
            self._end(state)
            state.entry = entry
        else:
            if entry.source is not state.entry.source:
                entry.source.close()
            state.entry = state.entry._replace(guard=entry.guard)
        state.membership.guard = entry.guard

    def _end(self, state: SourceState) -> None:
        reader = self._readers.pop(state.name, None)
        if reader is not None:
            reader.stop()
        state.entry.source.close()
