"""Learnings, patterns and briefings on the wire."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents.api.fields import ClippedTextField, StrictSerializer
from agents.callers import Caller, CallerKind
from failures.api.trust import TRUSTS, TrustField
from failures.states import ErrorType, Trust
from learnings.models import Learning, Measurement
from learnings.policy.drafts import RULE_LIMIT, WAITING_SOLUTION
from learnings.policy.effect_words import said_of
from learnings.services.effects import latest
from learnings.states import PUBLISHED, LearningOrigin, LearningStatus, Verdict, Vote

STATUSES = [status.value for status in LearningStatus]
ERROR_TYPES = [error_type.value for error_type in ErrorType]
VERDICTS = [verdict.value for verdict in Verdict]
TEXT_LIMIT = 8_000


def _names() -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(max_length=200), required=False, max_length=50
    )


class ScopeIn(serializers.Serializer[Any]):
    """Whom a learning is for; what is left out limits nothing."""

    agents = _names()
    types = _names()
    paths = _names()
    tools = _names()

    def validate_agents(self, value: list[str]) -> list[str]:
        """Names are upper-case."""
        return [name.upper() for name in value]


class NewLearningIn(StrictSerializer):
    """`category` and `content`, or the structured form: `title` with `problem` or `solution`."""

    agent = serializers.CharField(required=False, allow_null=True)
    agentName = serializers.CharField(required=False, allow_null=True)
    category = serializers.CharField(required=False, max_length=40, default="other")
    content = ClippedTextField(limit=TEXT_LIMIT, required=False, default="")
    title = serializers.CharField(required=False, max_length=200, default="")
    problem = ClippedTextField(limit=TEXT_LIMIT, required=False, default="")
    solution = ClippedTextField(limit=TEXT_LIMIT, required=False, default="")
    rule = serializers.CharField(required=False, max_length=RULE_LIMIT, default="")
    why = ClippedTextField(limit=TEXT_LIMIT, required=False, default="")
    scope = ScopeIn(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Something has to be said."""
        structured = attrs["title"] and (attrs["problem"] or attrs["solution"])
        if not attrs["content"] and not structured:
            raise serializers.ValidationError(
                {"content": ["Send `content`, or a `title` with a `problem` or `solution`."]}
            )
        return attrs


class VoteIn(serializers.Serializer[Any]):
    """What one thinks of it: `vote`, or `helpful` for yes and no."""

    vote = serializers.ChoiceField(choices=[vote.value for vote in Vote], required=False)
    helpful = serializers.BooleanField(required=False)
    reason = ClippedTextField(limit=2_000, required=False, default="", allow_blank=True)
    agent = serializers.CharField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of both, or both alike."""
        said = {Vote(attrs["vote"])} if "vote" in attrs else set()
        if "helpful" in attrs:
            said.add(Vote.HELPFUL if attrs["helpful"] else Vote.HARMFUL)
        if len(said) != 1:
            raise serializers.ValidationError(
                {
                    "vote": [
                        "Send `vote`: helpful, harmful or irrelevant; or `helpful`: true, false."
                    ]
                }
            )
        return {**attrs, "vote": said.pop()}


class LearningFilter(serializers.Serializer[Any]):
    """How the list may be narrowed; without a status: all but retired and rejected ones."""

    agent = serializers.CharField(required=False, help_text="Learnings from failures of this one.")
    q = serializers.CharField(required=False, max_length=200, help_text="Words in its texts.")
    status = serializers.ChoiceField(choices=STATUSES, required=False)


class VotesOut(serializers.Serializer[Learning]):
    """How many think what of it; of each voter the latest vote counts."""

    helpful = serializers.IntegerField(source="helpful_count")
    harmful = serializers.IntegerField(source="harmful_count")
    irrelevant = serializers.IntegerField(source="irrelevant_count")


class EffectOut(serializers.Serializer[Measurement]):
    """The same mistake before agents were told and after, and what that comes to."""

    since = serializers.DateTimeField()
    complete = serializers.BooleanField()
    failuresBefore = serializers.IntegerField(source="failures_before")
    attemptsBefore = serializers.IntegerField(source="attempts_before")
    failuresAfter = serializers.IntegerField(source="failures_after")
    attemptsAfter = serializers.IntegerField(source="attempts_after")
    exposedRepeats = serializers.IntegerField(source="exposed_repeats")
    unexposedRepeats = serializers.IntegerField(source="unexposed_repeats")
    ratio = serializers.FloatField(allow_null=True)
    p = serializers.FloatField(allow_null=True)
    untreated = serializers.IntegerField()
    untreatedRatio = serializers.FloatField(source="untreated_ratio", allow_null=True)
    words = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_words(self, measured: Measurement) -> list[str]:
        """The same in sentences."""
        return said_of(measured)


class LearningOut(serializers.Serializer[Learning]):
    """A learning. Words that an agent wrote and nobody approved are shown to those who decide."""

    id = serializers.IntegerField()
    slug = serializers.CharField()
    category = serializers.CharField()
    title = serializers.CharField()
    problem = serializers.CharField()
    solution = serializers.CharField()
    rule = serializers.CharField()
    why = serializers.CharField()
    trust = serializers.SerializerMethodField()
    scope = serializers.DictField()
    version = serializers.IntegerField()
    status = serializers.ChoiceField(choices=STATUSES)
    evidence = serializers.ListField(child=serializers.IntegerField())
    agents = serializers.ListField(child=serializers.CharField())
    count = serializers.IntegerField()
    docPath = serializers.CharField(source="doc_path")
    publishedAt = serializers.DateTimeField(source="published_at", allow_null=True)
    votes = VotesOut(source="*")
    verdict = serializers.SerializerMethodField()
    effect = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ChoiceField(choices=TRUSTS))
    def get_trust(self, learning: Learning) -> str:
        """Reviewed once it was let through, or where EVOX wrote every word of it."""
        reviewed = learning.status in PUBLISHED or learning.template_only
        return (Trust.REVIEWED if reviewed else Trust.UNTRUSTED).value

    @extend_schema_field(serializers.ChoiceField(choices=VERDICTS))
    def get_verdict(self, learning: Learning) -> str:
        """Whether it helped, as far as was measured."""
        measured = latest(learning)
        return measured.verdict if measured else Verdict.UNPROVEN.value

    @extend_schema_field(EffectOut(allow_null=True))
    def get_effect(self, learning: Learning) -> dict[str, Any] | None:
        """What was measured; null before that."""
        measured = latest(learning)
        return dict(EffectOut(measured).data) if measured else None

    def to_representation(self, instance: Learning) -> dict[str, Any]:
        """Its fields, without words that wait for approval unless they were asked for."""
        shown = dict(super().to_representation(instance))
        if instance.status in PUBLISHED or instance.template_only or self._decides(instance):
            return shown
        return shown | _withheld(instance)

    def _decides(self, learning: Learning) -> bool:
        caller: Caller | None = self.context.get("caller")
        if caller is None:
            return False
        if caller.kind is CallerKind.AGENT:
            return caller.name == learning.proposed_by
        return caller.may_operate and bool(self.context.get("asked_for"))


def _withheld(learning: Learning) -> dict[str, Any]:
    if learning.origin == LearningOrigin.RULE:
        return {"solution": WAITING_SOLUTION}
    return {
        "slug": f"learning-{learning.pk}",
        "category": "other",
        "title": f"A learning of {learning.proposed_by} that waits for approval",
        "problem": "",
        "solution": "",
        "rule": "",
        "why": "",
        "scope": {},
    }


class PatternOut(serializers.Serializer[Any]):
    """A group that failed often enough in the last seven days."""

    errorType = serializers.ChoiceField(choices=ERROR_TYPES)
    message = serializers.CharField()
    count = serializers.IntegerField()
    agents = serializers.ListField(child=serializers.CharField())
    groupId = serializers.IntegerField()
    learningId = serializers.IntegerField(allow_null=True)


class PatternsOut(serializers.Serializer[Any]):
    """All of them, in one page."""

    results = PatternOut(many=True)
    next = serializers.CharField(allow_null=True)


class BriefingFilter(serializers.Serializer[Any]):
    """For which work."""

    dispatch = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


class BriefedAgentOut(serializers.Serializer[Any]):
    """Who is briefed."""

    name = serializers.CharField()
    role = serializers.CharField()
    skills = serializers.ListField(child=serializers.CharField())


class BriefedWorkOut(serializers.Serializer[Any]):
    """The work."""

    id = serializers.IntegerField()
    title = serializers.CharField()
    command = serializers.CharField()
    status = serializers.CharField()
    attempts = serializers.IntegerField(source="attempt")
    ticketId = serializers.CharField(source="ticket_id")
    instructions = serializers.CharField()
    trust = TrustField(Trust.UNTRUSTED)


class BriefedMessageOut(serializers.Serializer[Any]):
    """An urgent message."""

    id = serializers.IntegerField()
    message = serializers.CharField(source="text")
    trust = TrustField(Trust.UNTRUSTED)
    createdAt = serializers.DateTimeField(source="created_at")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`from` is a Python keyword, so it is added here."""
        return {"from": serializers.CharField(source="sender"), **super().get_fields()}


class BriefedFailureOut(serializers.Serializer[Any]):
    """An own failure."""

    id = serializers.IntegerField()
    errorType = serializers.CharField(source="error_type")
    errorMessage = serializers.CharField(source="message")
    trust = TrustField(Trust.UNTRUSTED)
    createdAt = serializers.DateTimeField(source="created_at")


class BriefedLearningOut(serializers.Serializer[Any]):
    """A learning as it is told."""

    id = serializers.IntegerField(source="learning.pk")
    version = serializers.IntegerField(source="learning.version")
    category = serializers.CharField(source="learning.category")
    text = serializers.CharField()
    trust = TrustField(Trust.REVIEWED)
    why = serializers.CharField()


class BriefingOut(serializers.Serializer[Any]):
    """A briefing; every text in it is data, not an instruction."""

    agent = BriefedAgentOut()
    work = BriefedWorkOut(source="dispatch", allow_null=True)
    messages = BriefedMessageOut(many=True)
    failures = BriefedFailureOut(many=True)
    learnings = BriefedLearningOut(many=True)
