"""ClaimWatcher: makes live what several sources list; the first source with a shard owns it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gevent.lock import BoundedSemaphore

from zinfo.discovery.answer_builder import MAX_REASONS, OTHER_REASONS
from zinfo.discovery.claims import Claims
from zinfo.discovery.credentials import CredentialsError, CredentialSet
from zinfo.discovery.membership import Health
from zinfo.discovery.shard_spec import ShardSpec
from zinfo.discovery.source_state import Member, SourceState
from zinfo.discovery.spec_watcher import SpecWatcher
from zinfo.discovery.target import Target
from zinfo.loop.yielding import CooperativeYield
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard, ShardState

logger = logging.getLogger(__name__)


class _Claim(NamedTuple):
    """What was applied to a shard.

    Attributes:
        state: the source that owns it.
        member: what that source says of it.
        refusal: why it is not watched, as counted in `state.refused`; "" if it is.
    """

    state: SourceState
    member: Member
    refusal: str


class ClaimWatcher(SpecWatcher):
    """Keeps each shard as the first source says that has it.

    Args:
        publisher: the registry to keep up to date.
        credentials: the named credentials of targets.
        shard_class: class of the shards.
    """

    def __init__(
        self,
        publisher: ShardPublisher,
        *,
        credentials: CredentialSet | None = None,
        shard_class: type[RedisShard] = RedisShard,
    ) -> None:
        super().__init__(publisher, shard_class=shard_class)
        self._credentials = credentials or CredentialSet()
        self._claims: Claims[SourceState, Member] = Claims()
        self._applied: dict[str, _Claim] = {}
        self._turns = BoundedSemaphore(1)
        self._yielder = CooperativeYield(background=True)
        self._run = self._turn = object()  # `stop` makes another one

    def stop(self) -> None:
        """End what is being applied, and remove the shards."""
        self._run = object()
        self._applied.clear()
        self._claims.set_order(())
        super().stop()

    def set_order(self, states: Iterable[SourceState]) -> bool:
        """Set the sources in the order of precedence; return whether other ones may own a shard."""
        return self._claims.set_order((one, one.membership.members) for one in states)

    def settle(self, shard_id: str, *, again: bool = False) -> None:
        """Make a shard what the source says that owns it now, or remove it if none does.

        Args:
            shard_id: id of the shard.
            again: whether to do so even if the source says the same as before.
        """
        owner, before = self._claims.owner_of(shard_id), self._applied.get(shard_id)
        if owner is None:
            if before is not None:
                self._count(before, -1)
                del self._applied[shard_id]
                self.drop(shard_id)
            return
        state, member = owner
        if (
            before is not None
            and before.state is state
            and before.member is member
            and not (again or before.refusal)
        ):
            return
        refusal = self._put_member(shard_id, state, member)
        self._applied[shard_id] = claim = _Claim(state, member, refusal)
        self._count(claim, 1, before)
        if before is not None:
            self._count(before, -1, claim)

    def settle_all(self, shard_ids: Iterable[str], *, again: bool = False) -> None:
        """Settle many shards in a turn; ends early if the turn has ended.

        Args:
            shard_ids: ids of the shards; an iterator is read with yields.
            again: as for `settle`.
        """
        for shard_id in shard_ids:
            if self.turn_has_ended:
                return
            self.settle(shard_id, again=again)
            self.pause()

    def settle_credentials(self) -> None:
        """Apply the credentials again, in a turn, to each target that names some."""
        for shard_id in list(self._applied):
            claim = self._applied.get(shard_id)
            if claim is not None and isinstance(claim.member, Target) and claim.member.credentials:
                self.settle_all((shard_id,), again=True)
            self.pause()

    def settle_everything(self) -> None:
        """Settle, in a turn, all shards to which a source had a claim."""
        self.settle_all(list(self._applied))

    def health_of(self, shard_id: str) -> Health:
        """Return what the poller knows of a shard."""
        shard = self.publisher.find_shard(shard_id)
        if shard is None or shard.state is ShardState.NEW:
            return Health.UNKNOWN
        return Health.DOWN if shard.state is ShardState.DOWN else Health.ANSWERING

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Have a turn in which only the caller applies something, and in which `pause` yields.

        It begins when all earlier ones are over: one answer is followed at a time, so that all of
        them together take 2 ms of an iteration of the event loop.
        """
        run = self._run
        with self._turns:
            self._turn, self._yielder = run, CooperativeYield(background=True)
            yield

    @property
    def turn_has_ended(self) -> bool:
        """Whether `stop` was called since the caller of `turn` asked for its turn."""
        return self._turn is not self._run

    def pause(self) -> None:
        """Yield to the event loop if the turn has run for 2 ms."""
        self._yielder.maybe_yield()

    def _put_member(self, shard_id: str, state: SourceState, member: Member) -> str:
        """Make a shard live, or return why it must not be; its old connection then ends, too."""
        try:
            self.put(shard_id, self._describe(shard_id, member))
        except (CredentialsError, ValueError) as error:
            self.drop(shard_id)
            if not state.refused.total():
                logger.warning("source %s: shard %s is skipped: %s", state.name, shard_id, error)
            reason = str(error)
            known = reason in state.refused or len(state.refused) < MAX_REASONS
            return reason if known else OTHER_REASONS
        return ""

    def _describe(self, shard_id: str, member: Member) -> ShardSpec:
        if isinstance(member, ShardSpec):
            return member
        options = self._credentials.options_for(member.url, member.credentials)
        return ShardSpec(options, id=shard_id, labels=member.labels)

    def _count(self, claim: _Claim, step: int, other: _Claim | None = None) -> None:
        """Count a claim that begins (1) or ends (-1).

        Args:
            claim: the claim.
            step: 1 or -1.
            other: the claim to the same shard that ends or begins at the same time.
        """
        state = claim.state
        if claim.refusal:
            state.refused[claim.refusal] += step
            if not state.refused[claim.refusal]:
                del state.refused[claim.refusal]
            return
        state.owned += step
        if other is None or other.refusal:  # else it was, or stays, live
            state.added += step > 0
            state.removed += step < 0
