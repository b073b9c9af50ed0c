"""What is proven: when an agent lived, when it said that it was away, when EVOX could hear."""

from __future__ import annotations

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value

from agents.models.agent import Agent
from agents.models.fields import choices_of, exactly_when, one_of
from agents.states import LifeState

_STRETCH = Func("started_at", "ended_at", function="tstzrange", output_field=DateTimeRangeField())
_ENDED = Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at"))
_PROVEN = Q(alive_until__gte=F("started_at"))


class LifeSegment(models.Model):
    """A stretch of an agent's life: proven alive, or away as it announced.

    The open one (without an end) is moved by each sign of life; it reaches to `alive_until` only.
    One that arrives later closes it there and opens the next, so the gap stays.
    """

    agent = models.ForeignKey(
        Agent,
        on_delete=models.PROTECT,
        related_name="life",
        db_index=False,  # lifesegment_no_overlap begins with it.
    )
    state = models.CharField(max_length=16, choices=choices_of(LifeState))
    started_at = models.DateTimeField()
    alive_until = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    promised_at = models.DateTimeField(null=True, blank=True)
    """Of its first heartbeat outside of any session: who sends one means to go on."""

    class Meta:
        ordering = ["-id"]
        constraints = [
            # A range of one id instead of the id: PostgreSQL's own operators do for it, where the
            # extension btree_gist would be needed for a plain number.
            ExclusionConstraint(
                name="lifesegment_no_overlap",
                expressions=[
                    (
                        Func("agent_id", "agent_id", Value("[]"), function="int8range"),
                        RangeOperators.OVERLAPS,
                    ),
                    (_STRETCH, RangeOperators.OVERLAPS),
                ],
            ),
            models.CheckConstraint(
                name="lifesegment_state_known", condition=one_of("state", LifeState)
            ),
            models.CheckConstraint(
                name="lifesegment_alive_has_proof",
                condition=exactly_when(
                    Q(state=LifeState.ALIVE.value), Q(alive_until__isnull=False)
                ),
            ),
            models.CheckConstraint(name="lifesegment_ends_after_start", condition=_ENDED),
            models.CheckConstraint(
                name="lifesegment_proof_after_start",
                condition=Q(alive_until__isnull=True) | _PROVEN,
            ),
            models.CheckConstraint(
                name="lifesegment_ends_with_its_proof",
                condition=Q(ended_at__isnull=True)
                | Q(alive_until__isnull=True)
                | Q(ended_at=F("alive_until")),
            ),
            models.UniqueConstraint(
                name="lifesegment_one_open",
                fields=["agent"],
                condition=Q(ended_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent.name} {self.state} since {self.started_at:%Y-%m-%d %H:%M}"


class ListeningSegment(models.Model):
    """A stretch in which EVOX could hear its agents: some web process was there."""

    started_at = models.DateTimeField()
    alive_until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            ExclusionConstraint(
                name="listeningsegment_no_overlap",
                expressions=[(_STRETCH, RangeOperators.OVERLAPS)],
            ),
            models.CheckConstraint(name="listeningsegment_ends_after_start", condition=_ENDED),
            models.CheckConstraint(name="listeningsegment_proof_after_start", condition=_PROVEN),
            models.CheckConstraint(
                name="listeningsegment_ends_with_proof",
                condition=Q(ended_at__isnull=True) | Q(ended_at=F("alive_until")),
            ),
            # One that isn't closed at a time: a constant is all that there is to be unique.
            models.UniqueConstraint(
                Value(1), name="listeningsegment_one_open", condition=Q(ended_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"since {self.started_at:%Y-%m-%d %H:%M}"
