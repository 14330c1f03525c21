"""One request to the daemons of a fleet: which were asked, have answered, and are missing. Pure.

`FleetRequest` is for all shards, or for the reply of each daemon; `IdsRequest` for some shards. A
daemon whose answer is not needed is waited for a little longer, as its copies may be newer: a tenth
of the timeout, and in a request for all shards at least twice as long as the others took.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Generic, TypeVar

from zinfo.client.fleet_coverage import (
    NO_REPLY,
    MemberReport,
    MissingSlice,
    coverage,
    problem_of_sources,
)
from zinfo.client.fleet_members import Member
from zinfo.client.fleet_merge import EntryMerge
from zinfo.client.fleet_owners import Owners
from zinfo.errors import MissingSlicesError, NoAnswerError, RequestError, ZinfoError

HEDGE: Final = 0.1
"""Share of the timeout after which the other copy of a shard is asked, too."""

Client = TypeVar("Client")


class Asked(Generic[Client]):
    """A call to one daemon.

    Args:
        member: the daemon.
        ids: of the shards; empty for all.

    Attributes:
        member: the same.
        ids: the same.
        done: whether it has ended.
        error: with which it ended; None for none.
        waiting: number of sources of shards that the daemon had not read before the call.
    """

    def __init__(self, member: Member[Client], ids: Collection[str] = ()) -> None:
        self.member = member
        self.ids = ids
        self.done = False
        self.error: ZinfoError | None = None
        self.waiting = 0

    def fail(self, error: ZinfoError) -> None:
        """End it with an error."""
        self.error, self.done = error, True

    @property
    def answered(self) -> bool:
        """Whether the daemon has answered without an error."""
        return self.done and self.error is None

    @property
    def vouches(self) -> bool:
        """Whether the daemon has answered, and knows all of its shards."""
        return self.answered and not self.waiting

    @property
    def problem(self) -> str:
        """Why there is no answer, or not one about all shards of the daemon."""
        if self.answered:
            return problem_of_sources(self.waiting)
        if self.error is None or isinstance(self.error, TimeoutError):
            return NO_REPLY
        return str(self.error)


class FleetRequest(Generic[Client]):
    """A request to all daemons.

    Args:
        members: the daemons.
        names: reports of the names without an address.
        began: local clock.
        timeout: seconds.

    Attributes:
        members: the same.
        until: local clock when the request times out.
    """

    def __init__(
        self,
        members: Sequence[Member[Client]],
        names: Sequence[MemberReport],
        began: float,
        timeout: float,
    ) -> None:
        self.members = members
        self.until = began + timeout
        self._began = began
        self._timeout = timeout
        self._names = names
        self._asked: list[Asked[Client]] = []

    def ask(self, member: Member[Client], ids: Collection[str] = ()) -> Asked[Client]:
        """Note that a daemon is asked."""
        asked = Asked(member, ids)
        self._asked.append(asked)
        return asked

    def hedge_at(self) -> float:
        """Return the local clock when a daemon without an answer counts as slow."""
        return self._began + HEDGE * self._timeout

    def patient_until(self, now: float) -> float:
        """Return the local clock until which to wait for answers that are not needed.

        Args:
            now: local clock when all needed answers had come.
        """
        return min(self.until, max(self.hedge_at(), now + (now - self._began)))

    def end(self, now: float) -> None:
        """Note which daemons are slow, as nothing waits for the calls that have not ended.

        Args:
            now: local clock.
        """
        if now >= self.hedge_at():
            for asked in self._asked:
                if not asked.done:
                    asked.member.problem = NO_REPLY

    def covered(self) -> bool:
        """Return whether the daemons that have answered have all shards."""
        return coverage(self._reports()).complete

    def only_silent_left(self) -> bool:
        """Return whether only daemons without an answer were silent in the request before, too."""
        return all(asked.done or asked.member.problem for asked in self._asked)

    def missing(self) -> tuple[MissingSlice, ...]:
        """Return what is needed for all shards and has not answered."""
        return coverage(self._reports()).missing

    def unanswered(self) -> Collection[str]:
        """Return the requested shards for which no daemon that must know has answered."""
        return ()

    def failures(self) -> dict[Member[Client], ZinfoError]:
        """Return the daemons that have not answered, with the error of each."""
        return {
            asked.member: asked.error or NoAnswerError("no reply in time")
            for asked in self._asked
            if not asked.answered
        }

    def silent(self) -> tuple[MissingSlice, ...]:
        """Return all daemons that have not answered."""
        answered = {asked.member.endpoint for asked in self._asked if asked.answered}
        silent = [one for one in self._reports() if one.endpoint not in answered]
        return tuple(MissingSlice(one.endpoint, one.slice, one.problem) for one in silent)

    def check(self) -> None:
        """Check that a daemon has answered.

        Raises:
            RequestError: those that answered have all refused the request.
            MissingSlicesError: none has answered.
        """
        if any(asked.answered for asked in self._asked):
            return
        for asked in self._asked:
            if isinstance(asked.error, RequestError):
                raise asked.error
        raise MissingSlicesError(self.silent())

    def _reports(self) -> list[MemberReport]:
        problems = {id(asked.member): asked.problem for asked in self._asked if not asked.vouches}
        answered = {id(asked.member) for asked in self._asked if asked.vouches}
        return [
            *(
                member.report(
                    answers=id(member) in answered,
                    problem="" if id(member) in answered else problems.get(id(member), NO_REPLY),
                )
                for member in self.members
            ),
            *self._names,
        ]


class IdsRequest(FleetRequest[Client]):
    """A request for some shards; more arguments than for `FleetRequest`.

    Args:
        ids: of the shards.
        merge: takes the entries of the replies.
    """

    def __init__(
        self,
        members: Sequence[Member[Client]],
        names: Sequence[MemberReport],
        began: float,
        timeout: float,
        ids: Collection[str],
        merge: EntryMerge,
    ) -> None:
        super().__init__(members, names, began, timeout)
        self.ids = list(dict.fromkeys(ids))
        self._merge = merge
        self._owners = Owners(members)
        self._slices = [member.slice for member in members]

    def first(self) -> list[Asked[Client]]:
        """Return the calls to begin with."""
        return [self.ask(*one) for one in self._owners.first(self.ids).items()]

    def probed(self) -> list[Asked[Client]]:
        """Return the daemons that were silent and are not asked for anything.

        A call that only sends `hello` finds out whether they reply again.
        """
        known = {id(asked.member) for asked in self._asked}
        return [
            Asked(member)
            for member in self.members
            if member.problem and not member.late and id(member) not in known
        ]

    def others(self) -> list[Asked[Client]]:
        """Return the calls for the other copies of shards whose first copy is not enough."""
        known = {asked.member: list(asked.ids) for asked in self._asked}
        wanted = [one for one in self.ids if not self._merge.is_current(one)]
        return [self.ask(*one) for one in self._owners_now().others(wanted, known).items()]

    def current(self) -> bool:
        """Return whether there is a copy of each shard whose daemon gets replies from it."""
        return all(map(self._merge.is_current, self.ids))

    def covered(self) -> bool:
        """Return whether daemons that must know have answered for each shard."""
        return not self.unanswered()

    def missing(self) -> tuple[MissingSlice, ...]:
        """Return the daemons that may have the shards for which no daemon has answered."""
        unanswered = self.unanswered()
        if not unanswered:
            return ()
        owners = self._owners_now()
        lacking = {id(owner) for shard in unanswered for owner in owners.of(shard)}
        lacking |= {id(member) for member in owners.anyone}
        silent = [
            MissingSlice(report.endpoint, report.slice, report.problem)
            for report, member in zip(self._reports(), self.members, strict=False)
            if not report.answers and id(member) in lacking
        ]
        names = [MissingSlice(name.endpoint, name.slice, name.problem) for name in self._names]
        return (*silent, *names) or super().missing()

    def _owners_now(self) -> Owners[Client]:
        """Return the owners by the slices that are known now, which replies to `hello` change."""
        slices = [member.slice for member in self.members]
        if slices != self._slices:
            self._owners, self._slices = Owners(self.members), slices
        return self._owners

    def unanswered(self) -> list[str]:
        """Return the requested shards for which no daemon that must know has answered."""
        unknown = [shard for shard in self.ids if not self._merge.has_info(shard)]
        if not unknown:
            return []
        owners = self._owners_now()
        if len(owners.anyone) == len(self.members):
            return [] if super().covered() else unknown
        answered = [(asked.member, set(asked.ids)) for asked in self._asked if asked.vouches]
        replied = {id(member) for member, _ in answered}
        # A daemon that never answered counts as one of the slices.
        if any(member.known and id(member) not in replied for member in owners.anyone):
            return unknown
        return [
            shard
            for shard in unknown
            if not any(member in owners.of(shard) and shard in ids for member, ids in answered)
        ]
