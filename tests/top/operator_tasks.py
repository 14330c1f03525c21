"""Ten tasks of an operator. docs/how-to/answer-questions.md says how each is done in both views."""

from __future__ import annotations

from typing import NamedTuple


class OperatorTask(NamedTuple):
    """A task.

    Attributes:
        question: what the operator wants to know, as the page of the docs has it.
        typed: the keys in the terminal; a line feed is Enter.
    """

    question: str
    typed: str


FULLEST = OperatorTask("the fullest primary of a site", "/role=primary site=eu-central-1\nsfull\n")
HEALTHY = OperatorTask("whether a cluster is healthy", "tcluster\n")
CHANGED = OperatorTask("what changed in the last minutes", "e")
LAGGING = OperatorTask("replicas that lag", "/lag>20s\n")
DOWN = OperatorTask("why a shard is down, and since when", "p")
EVICTING = OperatorTask("shards that evict keys", "/evicted>1\n")
COMPARED = OperatorTask("how two shards differ", "\n=0001.\n")
CLIENTS = OperatorTask("who has the most clients", "sclients\n")
VERSIONS = OperatorTask("which version runs where", "tversion\n")
REFUSING = OperatorTask("shards that refuse connections", "/reason=refused\n")

TASKS = (
    *(FULLEST, HEALTHY, CHANGED, LAGGING, DOWN),
    *(EVICTING, COMPARED, CLIENTS, VERSIONS, REFUSING),
)
