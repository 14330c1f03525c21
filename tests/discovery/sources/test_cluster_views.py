"""Which node's view of its cluster counts."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.discovery.sources.cluster_nodes import ClusterNode, ClusterView
from zinfo.discovery.sources.cluster_views import AskedNode, choose_view

ALL = "abcdef"


def view(myself: str, nodes: str = ALL, *, slots: str = ALL, epoch: int = 1) -> ClusterView:
    """Return a view with nodes that have one letter as id."""
    made = {
        one: ClusterNode(one, f"host-{one}", 6379, "", "", False, one in slots, epoch)
        for one in nodes
    }
    return ClusterView(myself, made, {}, epoch)


def related_to(known: str) -> Callable[[ClusterView], bool]:
    return lambda one: not set(known).isdisjoint(one.nodes)


def chosen(
    seeds: list[ClusterView], members: list[ClusterView] | None = None, known: str = ""
) -> tuple[str, str, str]:
    """Return whose view counts, its nodes, and the notes."""
    asked = [AskedNode(f"host-{one.myself}", True, one) for one in seeds]
    asked += [AskedNode(f"host-{one.myself}", False, one) for one in members or []]
    choice = choose_view(asked, related_to(known) if known else None)
    best = choice.view
    return (
        (best.myself, "".join(best.nodes), "; ".join(choice.notes))
        if best
        else ("", "", "; ".join(choice.notes))
    )


def test_the_largest_view_counts() -> None:
    assert chosen([view("a", "abcde"), view("b"), view("c", "abcdef")]) == ("b", ALL, "")


def test_of_two_with_the_same_size_that_with_the_newest_failover_counts() -> None:
    assert chosen([view("a", epoch=3), view("b", epoch=7), view("c", epoch=3)])[0] == "b"


def test_a_node_that_knows_only_itself_has_no_vote() -> None:
    reset = view("z", "z", slots="")
    note = "seed host-z: knows only itself, no vote"
    assert chosen([reset, view("b")]) == ("b", ALL, note)
    assert chosen([reset], [view("b")], known=ALL) == ("b", ALL, note)
    assert chosen([reset]) == ("", "", note)
    assert chosen([], [reset], known="z") == ("", "", "")


def test_seeds_outside_the_cluster_are_listed_nevertheless() -> None:
    for outside in (view("z", "z", slots=""), view("z", "zb"), view("z", "zabc")):
        for seed, expected in ((True, ["z"]), (False, [])):
            asked = [AskedNode("z", seed, outside), AskedNode("b", True, view("b"))]
            choice = choose_view(asked, None)
            assert choice.view == asked[1].view
            assert [node.ident for node in choice.outside] == expected


def test_a_cluster_of_one_node_is_one_if_it_owns_slots() -> None:
    assert chosen([view("a", "a")]) == ("a", "a", "")
    assert chosen([view("a", "a")], known="ab") == ("a", "a", "")


def test_a_node_that_forgot_all_others_does_not_outvote_them() -> None:
    assert chosen([view("a", "a"), view("b")])[1] == ALL


def test_a_node_that_the_others_forgot_has_no_vote() -> None:
    rest = "abcde"
    note = "seed host-f: the nodes that it knows do not know it, no vote"
    assert chosen([view("f"), view("a", rest), view("b", rest)]) == ("a", rest, note)
    assert chosen([view("f"), view("a", rest)]) == ("a", rest, note)


def test_a_node_that_some_have_forgotten_stays_a_member() -> None:
    assert chosen([view("a", "abcde"), view("b"), view("f")])[1] == ALL


def test_the_view_of_a_forgotten_node_counts_if_no_other_replies() -> None:
    assert chosen([view("f")], known=ALL)[1] == ALL


def test_a_member_whose_address_another_cluster_uses_now_has_no_vote() -> None:
    other = view("u", "uvwxyzst")
    assert chosen([view("a", "abc")], [other], known="abc") == ("a", "abc", "")
    assert chosen([], [other], known="abc")[0] == ""


def test_a_seed_of_another_cluster_has_no_vote_beside_one_of_the_known() -> None:
    other = view("u", "uvwxyzst")
    note = "seed host-u: is a node of another cluster, no vote"
    assert chosen([other, view("a", "abc")], known="abc") == ("a", "abc", note)
    assert chosen([view("a", "abc"), other]) == ("u", "uvwxyzst", note.replace("host-u", "host-a"))


def test_a_cluster_that_was_made_again_is_found_at_its_seeds() -> None:
    assert chosen([view("u", "uvw")], known="abc")[1] == "uvw"


def test_a_node_behind_two_seeds_has_one_vote() -> None:
    reset = view("z", "z", slots="")
    assert chosen([reset, reset])[2].count("no vote") == 1


VIEWS = st.lists(
    st.tuples(
        st.sampled_from(ALL), st.sets(st.sampled_from(ALL)), st.booleans(), st.integers(0, 3)
    ),
    max_size=6,
)


@given(VIEWS, st.booleans())
@settings(max_examples=examples(500))
def test_no_larger_view_of_a_seed_is_ignored_without_a_note(
    drawn: list[tuple[str, set[str], bool, int]], slots: bool
) -> None:
    asked = [
        AskedNode(
            f"{number}",
            seed,
            view(one, "".join(sorted({one, *nodes})), slots=ALL if slots else "", epoch=epoch),
        )
        for number, (one, nodes, seed, epoch) in enumerate(drawn)
    ]
    choice = choose_view(asked, None)
    size = len(choice.view.nodes) if choice.view else 0
    seen: set[str] = set()
    for one in asked:
        if one.view.myself in seen:
            continue
        seen.add(one.view.myself)
        if one.seed and len(one.view.nodes) > size:
            assert any(f"seed {one.name}:" in note for note in choice.notes)
