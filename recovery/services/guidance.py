"""Known fixes that go out with a claim."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agents.services.leases import Claimed
from failures.services.guidance import Shown, note_shown
from failures.states import GuidanceVia
from recovery import policy


def note_instructions(claimed: Sequence[Claimed], *, now: datetime) -> None:
    """Write down which known fixes these claims deliver; none costs no statement."""
    told = [(one, policy.guidance_in(one.attempt.instructions)) for one in claimed]
    note_shown(
        [
            Shown(
                group_id=guidance.group,
                text=guidance.text,
                agent=one.attempt.agent,
                attempt=one.attempt,
                via=GuidanceVia.INSTRUCTIONS,
            )
            for one, guidance in told
            if guidance is not None
        ],
        now=now,
    )
