"""Pauses: an agent, or all, given no work and held to no clock for a while."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import F, OuterRef, Q

from agents.models.agent import Agent


class PauseQuerySet(models.QuerySet["Pause"]):
    """Which pauses hold, and whom."""

    def running(self, *, now: datetime) -> PauseQuerySet:
        """Begun and not over at `now`."""
        not_lifted = Q(lifted_at__isnull=True) | Q(lifted_at__gt=now)
        return self.filter(not_lifted, started_at__lte=now, until__gt=now)

    def expired(self, *, now: datetime) -> PauseQuerySet:
        """Over by their time, and not yet closed."""
        return self.filter(lifted_at__isnull=True, until__lte=now)

    def holding(self, agent: Agent | OuterRef) -> PauseQuerySet:
        """Those of this agent (or of an outer query's), and those of everybody."""
        return self.filter(Q(agent=agent) | Q(agent__isnull=True))


class Pause(models.Model):
    """From when until when an agent rests; without an agent, everybody does (the kill switch).

    It ends at `until` by itself, or at `lifted_at` when somebody lifts it sooner.
    """

    agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="pauses"
    )
    reason = models.CharField(max_length=500)
    started_by = models.CharField(max_length=64)
    started_at = models.DateTimeField()
    until = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=64, blank=True, default="")

    objects = PauseQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="pause_ends_after_its_start", condition=Q(until__gt=F("started_at"))
            ),
            models.CheckConstraint(
                name="pause_lifted_after_its_start",
                condition=Q(lifted_at__isnull=True) | Q(lifted_at__gte=F("started_at")),
            ),
            models.CheckConstraint(name="pause_has_reason", condition=~Q(reason="")),
            models.UniqueConstraint(
                name="pause_one_a_time",
                fields=["agent"],
                condition=Q(lifted_at__isnull=True),
                nulls_distinct=False,
            ),
        ]
        # Clocks: which pauses overlap this stretch of time?
        indexes = [models.Index(name="pause_by_end", fields=["until"])]

    def __str__(self) -> str:
        return f"{self.agent or 'Everybody'} until {self.until:%Y-%m-%d %H:%M}"
