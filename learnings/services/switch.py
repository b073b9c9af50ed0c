"""The switch that keeps everything learned from agents, at once and as a whole."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from agents.errors import InvalidInputError
from agents.services.records import audit
from learnings.models import THE_SWITCH, InjectionSwitch
from learnings.services.guidance import sync_guidance
from learnings.services.locks import hold_switch

REASON_LIMIT = 500


def state() -> InjectionSwitch | None:
    """The switch as it was last turned; None when nobody ever did, which is on."""
    return InjectionSwitch.objects.filter(pk=THE_SWITCH).first()


def is_on() -> bool:
    """Whether agents are told what was learned."""
    return not InjectionSwitch.objects.filter(pk=THE_SWITCH, on=False).exists()


def turn(*, on: bool, actor: str, reason: str, now: datetime) -> InjectionSwitch:
    """Turn it; from its commit on, briefings, answers and instructions follow.

    On, guidance is what the learnings that are told by then say. Turning it to where it stands
    changes nothing. Raises InvalidInputError of `reason` (empty, or over 500 characters).
    """
    reason = reason.strip()
    if not 1 <= len(reason) <= REASON_LIMIT:
        raise InvalidInputError("reason", f"Say why, in 1–{REASON_LIMIT} characters.")
    with transaction.atomic():
        hold_switch()
        standing = state()
        if (standing is None or standing.on) == on and standing is not None:
            return standing
        turned, _ = InjectionSwitch.objects.update_or_create(
            pk=THE_SWITCH, defaults={"on": on, "by": actor[:64], "reason": reason, "at": now}
        )
        verb = "injection_on" if on else "injection_off"
        audit(verb, ("injection", THE_SWITCH), actor=actor, reason=reason, now=now)
        sync_guidance()
    return turned
