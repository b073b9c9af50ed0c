"""Where a learning stands, who made it, and why an analysis ran. No Django here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class LearningStatus(StrEnum):
    """Whether agents are told."""

    PROPOSED = "proposed"
    """Waits for a person; told to nobody."""
    ACTIVE = "active"
    """Approved: in its document, in guidance and in briefings."""
    WATCH = "watch"
    """Still told, but the mistake came back to agents that knew of it."""
    RETIRED = "retired"
    """Was told once; never again."""
    REJECTED = "rejected"
    """Was never told."""


class LearningOrigin(StrEnum):
    """Who wrote it."""

    RULE = "rule"
    """EVOX's own template, about a group of like failures."""
    AGENT = "agent"
    PERSON = "person"


class Vote(StrEnum):
    """What somebody who got a learning thinks of it."""

    HELPFUL = "helpful"
    HARMFUL = "harmful"
    IRRELEVANT = "irrelevant"


class Trigger(StrEnum):
    """Why an analysis ran."""

    WEEKLY = "weekly"
    SWEEP = "sweep"
    COMMAND = "command"


class Approval(StrEnum):
    """EVOX_LEARNING_APPROVAL: who lets a learning of template text become active."""

    AUTO = "auto"
    REVIEW = "review"


_L = LearningStatus
LEARNING_MOVES: Mapping[LearningStatus, frozenset[LearningStatus]] = {
    _L.PROPOSED: frozenset({_L.ACTIVE, _L.REJECTED}),
    _L.ACTIVE: frozenset({_L.WATCH, _L.RETIRED}),
    _L.WATCH: frozenset({_L.ACTIVE, _L.RETIRED}),
    _L.RETIRED: frozenset(),
    _L.REJECTED: frozenset(),
}

TOLD = (LearningStatus.ACTIVE, LearningStatus.WATCH)
LIVE = (LearningStatus.PROPOSED, *TOLD)
PUBLISHED = (*TOLD, LearningStatus.RETIRED)


class Verdict(StrEnum):
    """Whether a learning helped, as far as was measured."""

    WORKING = "working"
    NOT_WORKING = "not_working"
    UNPROVEN = "unproven"


class RevisionSource(StrEnum):
    """Where the words of a revision come from."""

    DIAGNOSIS = "diagnosis"
    """The lead was asked for rule and reason."""
    RESOLUTION = "resolution"
    """An agent noted what had helped it."""


class RevisionStatus(StrEnum):
    """What became of new words for a learning."""

    PROPOSED = "proposed"
    """Waits for a person."""
    APPLIED = "applied"
    """They are the learning's."""
    REJECTED = "rejected"
    """Refused by a person, or nothing that could be used."""
    SUPERSEDED = "superseded"
    """Others were applied first."""


_R = RevisionStatus
REVISION_MOVES: Mapping[RevisionStatus, frozenset[RevisionStatus]] = {
    _R.PROPOSED: frozenset({_R.APPLIED, _R.REJECTED, _R.SUPERSEDED}),
    _R.APPLIED: frozenset(),
    _R.REJECTED: frozenset(),
    _R.SUPERSEDED: frozenset(),
}
