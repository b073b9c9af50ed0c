"""Decisions about groups that are held for one. No Django here."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from agents.errors import EvoxError
from agents.states import AgentRole
from failures.states import GroupStatus

BY_HAND = (GroupStatus.RESOLVED, GroupStatus.IGNORED, GroupStatus.OPEN)
"""What somebody may say of a group; that it regressed, only its failures say."""
MOST_AT_ONCE = 200
"""So many groups are merged or split by one act: each is locked until it ends."""

Roots = Mapping[int, int | None]
"""The root of each group that has one."""


class GroupConflictError(EvoxError):
    """The groups aren't what the act takes them for. HTTP 409."""

    code = "group_conflict"
    status = 409


def may_decide(role: AgentRole) -> bool:
    """Whether an agent may merge, split and close groups: a lead."""
    return role in {AgentRole.LEAD, AgentRole.CEO}


def check_is_root(pk: int, roots: Roots) -> None:
    """Raise GroupConflictError for a group that is held for another."""
    root = roots.get(pk)
    if root is not None:
        raise GroupConflictError(f"Group {pk} is held for group {root}; name that one.")


def moved_by_merge(groups: Collection[int], into: int, roots: Roots) -> list[int]:
    """Which groups get `into` as their root: `groups`, and those whose root one of them was.

    `roots` has every group concerned. Raises GroupConflictError when one of them, or `into`, is
    held for another, or `into` is among them.
    """
    for pk in (into, *sorted(groups)):
        check_is_root(pk, roots)
    if into in groups:
        raise GroupConflictError(f"Group {into} can't be merged into itself.")
    return sorted(pk for pk, root in roots.items() if pk in groups or root in groups)


def check_split(members: Collection[int], root: int, roots: Roots) -> None:
    """Raise GroupConflictError unless all of `members` are held for `root`."""
    check_is_root(root, roots)
    for pk in sorted(members):
        if roots.get(pk) != root:
            raise GroupConflictError(f"Group {pk} is no member of group {root}.")


def check_undo(before: Roots, roots: Roots) -> None:
    """Raise GroupConflictError when a group would go back to what is no root any more.

    `before` has the root, if any, that each group had, `roots` what stands now.
    """
    for pk, root in sorted(before.items()):
        if root is not None and roots.get(root) is not None and before.get(root, root) is not None:
            raise GroupConflictError(
                f"Group {pk} can't go back to group {root}, which is held for group"
                f" {roots[root]} by now: undo that first, or split group {pk} off."
            )
