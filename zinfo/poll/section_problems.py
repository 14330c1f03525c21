"""Reports which of the chosen sections of INFO servers do not have."""

from __future__ import annotations

import logging

from zinfo.poll.poll_state import ShardPollState
from zinfo.poll.state_machine import ShardStateMachine

logger = logging.getLogger(__name__)

_MAX_LOGGED = 20  # different warnings


class SectionProblems:
    """Emits an event for each shard, and logs each text once: many servers have one version.

    Args:
        state_machine: emits the events.
    """

    def __init__(self, state_machine: ShardStateMachine) -> None:
        self._state_machine = state_machine
        self._logged: set[str] = set()

    def report(self, state: ShardPollState, problem: str) -> None:
        """Report what the server of a shard lacks, if that is not known yet; "" for nothing."""
        if problem and problem != state.sections_problem and not state.removed:
            self._state_machine.on_sections_unsupported(state.shard, problem)
            if problem not in self._logged and len(self._logged) < _MAX_LOGGED:
                self._logged.add(problem)
                logger.warning("shard %s: %s", state.shard.id, problem)
        state.sections_problem = problem
