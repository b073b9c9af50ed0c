"""What each number means, in words that stand beside it. No database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What a number is, exactly enough to be counted again by hand."""

    title: str
    text: str
    unit: str = ""


DEFINITIONS: Mapping[str, Definition] = {
    "uptime": Definition(
        title="Availability",
        unit="%",
        text=(
            "Seconds in which an agent was expected and proven alive ÷ seconds in which it was"
            " expected and EVOX could hear it. A sign of life proves life for the agent's interval"
            " and grace. It is expected in its sessions, while it holds work, until its lease and"
            " its grace are over, and for 24 hours after a heartbeat outside of a session. Paused,"
            " retired, announced offline and not expected: excluded. EVOX itself not listening, and"
            " as long afterwards as a sign of life counts: unknown. Floored to two decimals."
            " The team's is the sum of its agents' seconds."
        ),
    ),
    "coverage": Definition(
        title="Coverage",
        unit="%",
        text=(
            "Seconds up or down ÷ all seconds of the window: what part of it the availability"
            " speaks of. An agent's window begins when it was made. Shown under 99 %."
        ),
    ),
    "productive": Definition(
        title="Productive time",
        unit="seconds",
        text=(
            "Seconds up in which the agent held work and no incident said that its work stood"
            " still. A stuck agent is alive, so this is a figure of its own."
        ),
    ),
    "error_rate": Definition(
        title="Error rate",
        unit="attempts",
        text=(
            "Failed attempts ÷ finished attempts, by when they ended. Finished is succeeded or"
            " failed. Without a verdict, and so in neither: running, cancelled, lost (the agent"
            " went silent), blocked, superseded, released. By type: the type of the failure that"
            " the attempt reported, and other when it reported none."
        ),
    ),
    "retry_success": Definition(
        title="Retries that worked",
        unit="dispatches",
        text=(
            "Of dispatches whose very first failure fell in the window and that were tried again:"
            " completed ÷ ended. Those under way are counted apart, in neither."
        ),
    ),
    "mtta": Definition(
        title="Time to acknowledge",
        unit="seconds",
        text=(
            "From an incident's opening to the first act of a person on it: acknowledged, snoozed"
            " or resolved. Of incidents opened in the window that a person acted on; median and"
            " 90th percentile. Records that are born resolved are left out."
        ),
    ),
    "mttr": Definition(
        title="Time to resolve",
        unit="seconds",
        text=(
            "From an incident's opening to its resolution, by whomever. Of incidents resolved in"
            " the window; median and 90th percentile. Records that are born resolved are left out."
        ),
    ),
    "self_healed": Definition(
        title="Healed by themselves",
        unit="incidents",
        text=(
            "Incidents resolved in the window by EVOX, without an act of a person on them ÷ all"
            " incidents resolved in the window. Records that are born resolved are left out."
        ),
    ),
    "ceo_interventions": Definition(
        title="Interventions of the CEO",
        unit="a day",
        text=(
            "Level-3 messages (each escalation to the CEO and each reminder of it) and manual acts"
            " by an agent or login with the CEO's name, on dispatches, pauses and incidents,"
            " in the window ÷ its days."
        ),
    ),
    "rollback": Definition(
        title="Breaking commits rolled back",
        unit="seconds",
        text=(
            "From the commit, by its machine's clock, to the received incident; 95th percentile of"
            " those rolled back in the window. Reports that waited for EVOX are counted apart."
        ),
    ),
    "escalation": Definition(
        title="Time to escalate",
        unit="seconds",
        text=(
            "From when work stood still, or its incident opened, to the first level that was told;"
            " 95th percentile of incidents first escalated in the window. Pauses count in."
        ),
    ),
    "reviews": Definition(
        title="Reviews triggered",
        unit="commits",
        text=(
            "Head commits of pull requests with a review's dispatch ÷ head commits that were to be"
            " reviewed, first seen in the window. One without counts after a minute."
        ),
    ),
    "same_mistake": Definition(
        title="Same mistake again",
        unit="repeats",
        text=(
            "The most failures, since a learning was told, of agents that had been told it, over"
            " all learnings in force. It has no window: it counts from the last revision on."
        ),
    ),
}
