"""Dispatches: pieces of work.

Lease columns are the dispatch's; `lease_epoch` grows by one on every claim and is never reset,
so it fences: whoever reports with an older epoch changes nothing.
"""

from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper

from agents.models.agent import Agent
from agents.models.fields import SameTruth, among, choices_of, one_of
from agents.states import FINISHED, DispatchStatus, Priority, Strategy

_PENDING = Q(status=DispatchStatus.PENDING.value)
_RUNNING = Q(status=DispatchStatus.RUNNING.value)
_COMPLETED = Q(status=DispatchStatus.COMPLETED.value)
_RETRYING = Q(status=DispatchStatus.RETRYING.value)
_BLOCKED = Q(status=DispatchStatus.BLOCKED.value)
_FINISHED = one_of("status", FINISHED)
_KEYED = Q(unique_key__isnull=False)


class DispatchQuerySet(models.QuerySet["Dispatch"]):
    """The predicates that sweeps apply twice: to list ids, and again under the lock.

    Each comes in the order of its index, the longest due first: in the order of ids, a sweep that
    finds nothing would walk through all that ever finished.
    """

    def due(self, *, now: datetime) -> DispatchQuerySet:
        """Waiting for an instant that has come."""
        return self.filter(_RETRYING, run_at__lte=now).order_by("run_at", "id")

    def lease_expired(self, *, now: datetime) -> DispatchQuerySet:
        """Held by an agent that gave no sign of life for a whole lease."""
        return self.filter(_RUNNING, lease_expires_at__lte=now).order_by("lease_expires_at", "id")

    def past_deadline(self, *, now: datetime) -> DispatchQuerySet:
        """Alive, perhaps, but running longer than any attempt may."""
        return self.filter(_RUNNING, deadline_at__lte=now).order_by("deadline_at", "id")

    def address_lapsed(self, *, now: datetime) -> DispatchQuerySet:
        """Kept for an agent that did not come for it in time."""
        return self.filter(_PENDING, agent_until__lte=now).order_by("agent_until", "id")

    def shutting_out(self, *, now: datetime) -> DispatchQuerySet:
        """Waiting for anybody but the agents that failed it."""
        found = self.filter(_PENDING, agent__isnull=True).exclude(excluded_agents=[])
        return found.order_by("id")

    def finished(self) -> DispatchQuerySet:
        """Nothing more happens to these by themselves."""
        return self.filter(_FINISHED)


class Dispatch(models.Model):
    """A piece of work, and where it stands."""

    title = models.CharField(max_length=200)
    command = models.TextField()
    payload = models.JSONField(default=dict, blank=True)
    ticket_id = models.CharField(max_length=64, blank=True, default="")
    priority = models.PositiveSmallIntegerField(
        choices=choices_of(Priority), default=Priority.NORMAL.value
    )
    rank_at = models.DateTimeField()
    """Orders the queue; static, see agents.policy.rank_at."""
    status = models.CharField(max_length=16, choices=choices_of(DispatchStatus))
    reason = models.TextField(blank=True, default="")
    """Why it stands where it stands, as a sentence."""
    run_at = models.DateTimeField(null=True, blank=True)
    """When a retrying dispatch may be claimed again."""

    agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="dispatches"
    )
    """To whom it is addressed; while running, who holds it. None: open to all who can."""
    agent_until = models.DateTimeField(null=True, blank=True)
    """Until when a pending dispatch is kept for `agent`; None: a person addressed it."""
    open_to_all = models.BooleanField(default=True)
    """Whether it was created open: where it goes back to when its holder is lost."""
    excluded_agents = ArrayField(models.BigIntegerField(), default=list, blank=True)
    """Ids of agents that shall not get it while another can."""
    required_skills = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    unique_key = models.CharField(max_length=200, null=True, blank=True)

    attempt = models.PositiveIntegerField(default=0)
    """Tries that count: claims, less the lost and released ones."""
    crash_count = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField(default=4)
    max_crashes = models.PositiveIntegerField(default=3)
    next_strategy = models.CharField(
        max_length=32, choices=choices_of(Strategy), default=Strategy.FIRST_TRY.value
    )
    instructions = models.TextField(blank=True, default="")
    """What the next attempt is told to do differently."""
    last_fingerprint = models.CharField(max_length=80, blank=True, default="")

    lease_epoch = models.PositiveBigIntegerField(default=0)
    lease_seconds = models.PositiveIntegerField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)
    last_progress_at = models.DateTimeField(null=True, blank=True)
    last_marker = models.CharField(max_length=200, blank=True, default="")
    unmarked_notes = models.PositiveSmallIntegerField(default=0)
    """Notes in a row without a marker: they count as progress three times."""
    expected_progress_every = models.DurationField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    superseded_by = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="supersedes",
        db_index=False,  # Nearly always null: dispatch_superseded holds the few that are not.
    )

    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=64, blank=True, default="")
    updated_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = DispatchQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "dispatches"
        constraints = [
            models.CheckConstraint(
                name="dispatch_status_known", condition=among("status", DispatchStatus)
            ),
            models.CheckConstraint(
                name="dispatch_retrying_has_run_at",
                condition=SameTruth(_RETRYING, Q(run_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="dispatch_running_has_lease",
                condition=SameTruth(
                    _RUNNING,
                    Q(lease_expires_at__isnull=False)
                    & Q(deadline_at__isnull=False)
                    & Q(lease_seconds__isnull=False),
                ),
            ),
            models.CheckConstraint(
                name="dispatch_running_has_agent", condition=~_RUNNING | Q(agent__isnull=False)
            ),
            models.CheckConstraint(
                name="dispatch_finished_has_time",
                condition=SameTruth(among("status", FINISHED), Q(finished_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="dispatch_blocked_has_reason", condition=~_BLOCKED | ~Q(reason="")
            ),
            models.CheckConstraint(
                name="dispatch_attempts_within_max", condition=Q(attempt__lte=F("max_attempts"))
            ),
            # Else one row that nobody may claim would fail every claim that meets it.
            models.CheckConstraint(
                name="dispatch_pending_has_a_try",
                condition=~_PENDING
                | Q(attempt__lt=F("max_attempts"), crash_count__lt=F("max_crashes")),
            ),
            models.CheckConstraint(
                name="dispatch_crashes_within_max", condition=Q(crash_count__lte=F("max_crashes"))
            ),
            models.CheckConstraint(
                name="dispatch_priority_known", condition=Q(priority__lte=Priority.LOW.value)
            ),
            models.UniqueConstraint(
                name="dispatch_one_running_per_key",
                fields=["unique_key"],
                condition=_RUNNING & _KEYED,
            ),
            # A follow-up may wait behind a running one of the same key, but only one.
            models.UniqueConstraint(
                name="dispatch_one_waiting_per_key",
                fields=["unique_key"],
                condition=(_PENDING | _RETRYING | _BLOCKED) & _KEYED,
            ),
        ]
        # Each index costs every claim and report that changes its columns or its condition, so each
        # leaves out the rows that nobody looks for in it.
        indexes = [
            # Push: the latest work on a ticket, however its letters are written.
            models.Index(
                Upper("ticket_id"), "id", name="dispatch_ticket", condition=~Q(ticket_id="")
            ),
            # Failure: did work that it held up get done since?
            models.Index(
                name="dispatch_got_past",
                fields=["last_fingerprint", "finished_at"],
                condition=_COMPLETED & ~Q(last_fingerprint=""),
            ),
            # Claim: work addressed to this agent, in order.
            models.Index(
                name="dispatch_addressed", fields=["agent", "rank_at", "id"], condition=_PENDING
            ),
            # Claim: open work, in order.
            models.Index(
                name="dispatch_open",
                fields=["rank_at", "id"],
                condition=_PENDING & Q(agent__isnull=True),
            ),
            # Sweep: retries and late starts whose time has come.
            models.Index(
                name="dispatch_due", fields=["run_at", "id"], condition=Q(run_at__isnull=False)
            ),
            # Sweep: leases that ran out.
            models.Index(
                name="dispatch_lease",
                fields=["lease_expires_at", "id"],
                condition=Q(lease_expires_at__isnull=False),
            ),
            # Sweep: attempts past their deadline.
            models.Index(
                name="dispatch_deadline",
                fields=["deadline_at", "id"],
                condition=Q(deadline_at__isnull=False),
            ),
            # Sweep: kept for an agent that did not come.
            models.Index(
                name="dispatch_kept",
                fields=["agent_until", "id"],
                condition=_PENDING & Q(agent_until__isnull=False),
            ),
            # Sweep: kept from some agents, who may be all that are left.
            models.Index(
                name="dispatch_shutting_out",
                fields=["id"],
                condition=_PENDING & Q(agent__isnull=True) & ~Q(excluded_agents=[]),
            ),
            # Who was replaced by this one?
            models.Index(
                name="dispatch_superseded",
                fields=["superseded_by"],
                condition=Q(superseded_by__isnull=False),
            ),
            # API and page: the newest by status. Most are completed: those are met along the key.
            models.Index(
                name="dispatch_by_status",
                fields=["status", "-id"],
                condition=one_of(
                    "status", [s for s in DispatchStatus if s is not DispatchStatus.COMPLETED]
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.title}"
