"""Writer: writes the samples of one shard as lines, by the plan of its INFO's layout."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeAlias, TypeGuard, TypeVar

from zinfo.info.kinds import STATS_PREFIXES
from zinfo.info.values import Value, cache_entry
from zinfo.metrics.label_sets import LabelSets
from zinfo.metrics.map_lines import Map, MapLines
from zinfo.metrics.names import Family, family_of
from zinfo.metrics.plan import MAX_RULES, PIECE_FIELDS, Plan, plan_of, rule_of
from zinfo.metrics.sample import MAX_LABEL, Fields, Number, Sample, Sampler, number_or_flag
from zinfo.metrics.samples import combined_samples, other_samples, parts_of
from zinfo.metrics.shard_lines import ShardLines

_MAX_BOUND: Final = 256  # plans of one scrape whose lines are looked up already

Entry = TypeVar("Entry")


class Shard(NamedTuple):
    """What is written of a shard.

    Attributes:
        text: its labels, in the text format.
        state: samples about the shard.
        fields: its INFO; None if there is no current one.
        time: wall clock of the INFO's arrival, seconds since the Unix epoch.
    """

    text: str
    state: Sequence[Sample]
    fields: Fields | None
    time: float


# The position of a field, its sampler, and the metric that it has if its value is a number.
_Sampled: TypeAlias = "tuple[int, Sampler | None, Family | None]"


class _Bound(NamedTuple):
    """A plan, with the lines of the page that its samples are added to."""

    plan: Plan
    numbers: Sequence[tuple[int, list[str], str]]  # position, lines, start of each line
    metrics: Mapping[str, object]  # the names of the metrics of `numbers`, in this order
    excluded: Sequence[int]  # positions of the other numbers
    sampled: Sequence[_Sampled]
    lists: bool  # whether there are statistics whose value is not one map


class Writer:
    """Writes the samples of one shard after another, each label set of a shard once.

    Args:
        lines: receives the lines; the caller removes those of a shard before the next one.
        yield_point: called between pieces of a large INFO; may yield to the event loop.
    """

    def __init__(self, lines: ShardLines, yield_point: Callable[[], None]) -> None:
        self._lines = lines
        self._yield_point = yield_point
        self._bound: dict[int, _Bound] = {}  # by the identity of the plan, which they keep
        self._maps: dict[str, MapLines] = {}  # by field

    def write(self, shard: Shard) -> None:
        """Write all samples of a shard."""
        samples = LabelSets(self._lines)
        samples.add(shard.state)
        fields = shard.fields
        if fields is not None:
            samples.add(combined_samples(fields, shard.time))
            self.write_fields(samples, fields, fields, shard.text)
        else:
            samples.write(shard.text)

    def write_fields(self, samples: LabelSets, some: Fields, fields: Fields, text: str) -> None:
        """Write samples of fields, and those that were collected before.

        Of the lines of one metric, first is the one without labels of its own, and last are those
        with labels that are not parts of statistics.

        Args:
            samples: collected samples, which are written, too.
            some: the fields that are written.
            fields: all fields of the INFO.
            text: the labels of the shard, in the text format.
        """
        shown: set[str] = set()
        names, values, maps = self._split(some, fields, samples, shown)
        bound = self._bind(plan_of(tuple(names), self._yield_point))
        others = self._write_numbers(bound, values, text + "} ")
        self._add_samples(samples, (*bound.sampled, *others), fields, names, values)
        if not bound.metrics.keys().isdisjoint(samples.without_labels):
            self._erase_numbers(bound, values, samples.without_labels)
        if bound.lists:
            maps = self._all_maps(some)
        samples.write_without_labels(text)
        lead = text and text + ","
        for piece in self._pieces(maps):
            for map_lines, value in piece:
                map_lines.write(fields, value, lead)
        samples.write_labelled(text)

    def write_map(self, name: str, value: Value, text: str, shown: set[str]) -> None:
        """Write the samples of one field with statistics of a command or error, or of a database.

        Args:
            name: of the field.
            value: of the field.
            text: the labels of the shard, in the text format.
            shown: long names before this one in the same INFO.
        """
        if _is_first(name, shown):
            lead = text and text + ","
            self._map_lines(name).write({}, parts_of(name, value), lead)

    def _split(
        self, some: Fields, fields: Fields, samples: LabelSets, shown: set[str]
    ) -> tuple[list[str], list[Value], list[tuple[MapLines, Map]]]:
        """Return names and values of the fields that are no maps, and the others.

        Servers of one version differ mostly in the maps (commands, errors, databases), so that few
        plans are needed for the rest.
        """
        names: list[str] = []
        values: list[Value] = []
        maps: list[tuple[MapLines, Map]] = []
        known = self._maps.get
        for piece in self._pieces(some.items()):
            for name, value in piece:
                if type(value) is not dict:
                    names.append(name)
                    values.append(value)
                elif (map_lines := known(name)) is not None:
                    maps.append((map_lines, value))
                elif not (rule := rule_of(name)).has_parts:
                    samples.add(_samples_of(fields, name, value, rule.sampler))
                elif _is_first(name, shown):
                    maps.append((self._map_lines(name), value))
        return names, values, maps

    def _all_maps(self, some: Fields) -> list[tuple[MapLines, Map]]:
        """Return the statistics in the reply's order, if some of them are not one map."""
        shown: set[str] = set()
        return [
            (self._map_lines(name), parts_of(name, value))
            for piece in self._pieces(some.items())
            for name, value in piece
            if rule_of(name).has_parts and _is_first(name, shown)
        ]

    def _add_samples(
        self,
        samples: LabelSets,
        sampled: Sequence[_Sampled],
        fields: Fields,
        names: Sequence[str],
        values: Sequence[Value],
    ) -> None:
        for piece in self._pieces(sampled):
            for at, sampler, of in piece:
                samples.add(_samples_of(fields, names[at], values[at], sampler, of))

    def _write_numbers(self, bound: _Bound, values: Sequence[Value], tail: str) -> list[_Sampled]:
        """Write the fields that are numbers; return the positions of others with samples."""
        # The metric of a list may have another name than that of a number.
        others: list[_Sampled] = [(at, None, None) for at in bound.excluded if _is_list(values[at])]
        for piece in self._pieces(bound.numbers):
            for position, lines, start in piece:
                value = values[position]
                if type(value) is int or type(value) is float:
                    lines.append(f"{start}{tail}{value}\n")
                elif type(value) is not str or number_or_flag(value) is not None:
                    others.append((position, None, None))
        return others

    def _erase_numbers(
        self, bound: _Bound, values: Sequence[Value], metrics: Collection[str]
    ) -> None:
        for metric, (position, lines, _start) in zip(bound.metrics, bound.numbers, strict=True):
            if metric in metrics and _is_number(values[position]):
                lines.pop()

    def _bind(self, plan: Plan) -> _Bound:
        found = self._bound.get(id(plan))
        if found is None:
            found = self._make_bound(plan)
            if len(self._bound) >= _MAX_BOUND:
                self._bound.clear()
            self._bound[id(plan)] = found
        return found

    def _make_bound(self, plan: Plan) -> _Bound:
        numbers = {
            of.name: (position, found.lines, found.start)
            for position, of in zip(plan.numbers, plan.families, strict=True)
            if (found := self._lines.lines_of(of)) is not None
        }
        excluded: list[int] = []
        if len(numbers) < len(plan.numbers):
            excluded = sorted({*plan.numbers} - {position for position, *_ in numbers.values()})
        samplers = dict(zip(plan.sampled, plan.samplers, strict=True))
        # In this order: of samples with equal labels the first is written.
        sampled = [
            (position, samplers.pop(position, None), contest.family)
            for contest in plan.contests
            for position in contest.positions
        ]
        return _Bound(
            plan,
            tuple(numbers.values()),
            numbers,
            tuple(excluded),
            (*sampled, *((at, sampler, None) for at, sampler in samplers.items())),
            bool(plan.statistics),
        )

    def _map_lines(self, field: str) -> MapLines:
        found = self._maps.get(field)
        if found is None:
            found = MapLines(self._lines, field)
            # Long names are not cached, and so pass `_is_first` in each INFO.
            cache_entry(self._maps, field, found, MAX_RULES)
        return found

    def _pieces(self, entries: Collection[Entry]) -> Iterable[Collection[Entry]]:
        """Yield the entries at once if there are as many as usual, else with yield points."""
        return (entries,) if len(entries) < PIECE_FIELDS else self._small_pieces(entries)

    def _small_pieces(self, entries: Collection[Entry]) -> Iterator[Collection[Entry]]:
        rest = iter(entries)
        while piece := tuple(islice(rest, PIECE_FIELDS)):
            yield piece
            self._yield_point()


def _samples_of(
    fields: Fields, name: str, value: Value, sampler: Sampler | None, of: Family | None = None
) -> Iterable[Sample]:
    if sampler is not None:
        return sampler(fields, name, value)
    if _is_number(value):
        return (Sample(of or family_of(name), (), value),)
    return other_samples(fields, name, value)


def _is_first(field: str, shown: set[str]) -> bool:
    """Return whether no field before has the same labels, as these show only part of long names."""
    if len(field) <= MAX_LABEL:
        return True
    prefix = next((one for one in STATS_PREFIXES if field.startswith(one)), "")
    label = field[: len(prefix) + MAX_LABEL]
    if label in shown:
        return False
    shown.add(label)
    return True


def _is_number(value: Value) -> TypeGuard[Number]:
    return type(value) is int or type(value) is float


def _is_list(value: Value) -> bool:
    return type(value) is list
