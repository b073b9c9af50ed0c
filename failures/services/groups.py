"""What the team says of a group: resolved, ignored, open again."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from agents.callers import Caller, CallerKind
from agents.errors import InvalidInputError, NotFoundError, NotYoursError
from agents.policy import clip
from agents.services.records import audit
from agents.states import AgentRole, IllegalMoveError, check_move
from failures import policy_groups as policy
from failures import queries
from failures.models import FailureGroup
from failures.policy import MESSAGE_LIMIT
from failures.states import GROUP_MOVES, GroupStatus

VERBS = {
    GroupStatus.RESOLVED: "resolve",
    GroupStatus.IGNORED: "ignore",
    GroupStatus.OPEN: "reopen",
}


def check_may_decide(caller: Caller) -> None:
    """Raise NotYoursError unless the caller may close, merge and split groups."""
    agent = caller.agent if caller.kind is CallerKind.AGENT else None
    if agent is not None and not policy.may_decide(AgentRole(agent.role)):
        raise NotYoursError("Groups of failures are for the lead to decide on.")


def set_status(
    pk: int, to: GroupStatus, *, resolution: str = "", actor: str, now: datetime
) -> FailureGroup:
    """Say where the root `pk` stands; its members keep their own words for when they are split.

    What is resolved says how; the next failure of any member makes it regressed. Returns the root.
    Raises NotFoundError, InvalidInputError of `resolution`, GroupConflictError for a member, and
    IllegalMoveError.
    """
    said = clip(resolution.strip(), MESSAGE_LIMIT)
    if to is GroupStatus.RESOLVED and not said:
        raise InvalidInputError("resolution", "Say how it was resolved.")
    with transaction.atomic():
        group = FailureGroup.objects.select_for_update(no_key=True).filter(pk=pk).first()
        if group is None:
            raise NotFoundError(f"There is no failure group {pk}.")
        policy.check_is_root(pk, {pk: group.merged_into_id})
        if to not in policy.BY_HAND:
            raise IllegalMoveError("failure group", group.status, to.value)
        old = GroupStatus(group.status)
        group.status = check_move(GROUP_MOVES, old, to, noun="failure group").value
        if to is GroupStatus.RESOLVED:
            group.resolution, group.resolved_by, group.resolved_at = said, actor[:64], now
        group.save(update_fields=["status", "resolution", "resolved_by", "resolved_at"])
        data = {"from": old.value}
        audit(VERBS[to], ("failure_group", pk), actor=actor, reason=said, data=data, now=now)
    return queries.group_by_id(pk)
