"""What each kind of incident leads to, as one table. No Django here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from failures.states import IncidentKind, Severity

PEER, LEAD, CEO = 1, 2, 3
"""The levels of the ladder: who is told. After how long says EVOX_ESCALATION_LADDER."""


@dataclass(frozen=True, kw_only=True)
class KindRule:
    """What a kind of incident leads to."""

    severity: Severity
    levels: tuple[int, ...] = ()
    """Which levels are told as time goes by."""
    tells_lead: bool = False
    """Whether the lead hears of it at once."""
    tells_dev: bool = False
    """Whether the channel dev hears of it at once."""
    born_resolved: bool = False
    """A record rather than a task: nothing is left to do."""


_FROM_LEAD = KindRule(severity=Severity.ERROR, levels=(CEO,), tells_lead=True)
_LEAD_ONLY = KindRule(severity=Severity.ERROR, tells_lead=True)
_WARNED = KindRule(severity=Severity.WARN, tells_lead=True, tells_dev=True)
_NOTED = KindRule(severity=Severity.INFO, born_resolved=True)
_OWN = KindRule(severity=Severity.CRITICAL, levels=(CEO,), tells_lead=True)

KINDS: Mapping[IncidentKind, KindRule] = {
    IncidentKind.STALLED: KindRule(severity=Severity.ERROR, levels=(PEER, LEAD, CEO)),
    IncidentKind.BLOCKED: _FROM_LEAD,
    IncidentKind.ERROR_LOOP: _FROM_LEAD,
    IncidentKind.SILENT: _FROM_LEAD,
    IncidentKind.EXHAUSTED: _LEAD_ONLY,
    IncidentKind.ROLLED_BACK: KindRule(severity=Severity.ERROR, tells_dev=True, born_resolved=True),
    IncidentKind.ROLLBACK_BLOCKED: _WARNED,
    IncidentKind.BASE_ALREADY_BROKEN: _WARNED,
    IncidentKind.BUILD_FAILED_ROOT: _WARNED,
    IncidentKind.BUILD_FLAKY: KindRule(severity=Severity.INFO, tells_dev=True, born_resolved=True),
    IncidentKind.VERIFY_INCONCLUSIVE: _NOTED,
    IncidentKind.ROLLBACK_MOOT: _NOTED,
    IncidentKind.FIXED_FORWARD: _NOTED,
    IncidentKind.VERIFY_DEFERRED: _NOTED,
    IncidentKind.NO_REVIEWER: _LEAD_ONLY,
    IncidentKind.WEBHOOK_FAILED: _OWN,
    IncidentKind.DELIVERY_DEAD: _OWN,
    IncidentKind.SELF: _OWN,
    IncidentKind.REPORTED: KindRule(severity=Severity.INFO, tells_dev=True),
}

SPOKEN_LEVELS: Mapping[str, Severity] = {
    "debug": Severity.INFO,
    "info": Severity.INFO,
    "warn": Severity.WARN,
    "error": Severity.ERROR,
    "critical": Severity.CRITICAL,
}


def rule_for(kind: IncidentKind, severity: Severity | None = None) -> KindRule:
    """The kind's rule; a reported one is as grave as its reporter says, and grave ones are told."""
    rule = KINDS[kind]
    if kind is not IncidentKind.REPORTED:
        return rule
    said = severity or rule.severity
    grave = said in {Severity.ERROR, Severity.CRITICAL}
    return KindRule(
        severity=said,
        tells_lead=grave,
        tells_dev=True,
        levels=(CEO,) if said is Severity.CRITICAL else (),
        born_resolved=said is Severity.INFO,
    )
