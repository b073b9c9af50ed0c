"""GitHub's deliveries, each kept once, and the pull requests that they speak of."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q

from agents.models import Dispatch
from agents.models.fields import choices_of, one_of
from recovery.states import DONE, DeliveryStatus, PullState

_FAILED = Q(status=DeliveryStatus.FAILED.value)
_DONE = one_of("status", DONE)


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    """The predicate that the sweep applies twice: to list ids, and again under the lock."""

    def due(self, *, now: datetime) -> WebhookDeliveryQuerySet:
        """Failed, and the time of their next try has come."""
        return self.filter(_FAILED, next_try_at__lte=now)


class WebhookDelivery(models.Model):
    """One delivery of GitHub's webhook; a redelivery has the same guid."""

    guid = models.CharField(max_length=100, unique=True)
    event = models.CharField(max_length=64)
    action = models.CharField(max_length=64, blank=True, default="")
    repository_id = models.BigIntegerField(null=True, blank=True)
    number = models.BigIntegerField(null=True, blank=True)
    """The pull request's."""
    body = models.JSONField(null=True, blank=True)
    """None when the body was JSON's null."""
    received_at = models.DateTimeField()
    status = models.CharField(
        max_length=16,
        choices=choices_of(DeliveryStatus),
        default=DeliveryStatus.RECEIVED.value,
    )
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)
    """When the sweep tries a failed one again; None: it gave up, a redelivery still works."""
    done_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, default="")
    note = models.TextField(blank=True, default="")
    """What came of it, as a sentence."""
    dispatch = models.ForeignKey(
        Dispatch, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    """The review that it made or changed."""
    dispatched = models.BooleanField(default=False)
    """Whether the reviewer got work through it."""

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.CheckConstraint(
                name="webhookdelivery_status_known", condition=one_of("status", DeliveryStatus)
            ),
            models.CheckConstraint(
                name="webhookdelivery_done_has_time",
                condition=(_DONE & Q(done_at__isnull=False)) | (~_DONE & Q(done_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="webhookdelivery_failed_has_error",
                condition=(_FAILED & ~Q(error="")) | (~_FAILED & Q(error="")),
            ),
            models.CheckConstraint(
                name="webhookdelivery_only_failed_waits",
                condition=_FAILED | Q(next_try_at__isnull=True),
            ),
            models.CheckConstraint(
                name="webhookdelivery_dispatched_has_one",
                condition=Q(dispatched=False) | Q(dispatch__isnull=False),
            ),
        ]
        indexes = [
            # Sweep: failed deliveries whose next try is due.
            models.Index(
                name="webhookdelivery_due",
                fields=["next_try_at", "id"],
                condition=_FAILED & Q(next_try_at__isnull=False),
            ),
            # Admin: what GitHub said of one pull request, the newest first.
            models.Index(name="webhookdelivery_of_pull", fields=["repository_id", "number", "-id"]),
        ]

    def __str__(self) -> str:
        return f"{self.event}.{self.action} {self.guid}"


class PullRequest(models.Model):
    """A pull request as the newest delivery showed it. Its texts are strangers': data."""

    repository_id = models.BigIntegerField()
    repository = models.CharField(max_length=255)
    """owner/name; a repository may be renamed, its id stays."""
    number = models.BigIntegerField()
    title = models.TextField()
    body = models.TextField(blank=True, default="")
    author = models.CharField(max_length=100)
    branch = models.CharField(max_length=255)
    base = models.CharField(max_length=255)
    head_sha = models.CharField(max_length=64)
    base_sha = models.CharField(max_length=64)
    before_sha = models.CharField(max_length=64, blank=True, default="")
    """What the newest push replaced: orders two pushes of the same second."""
    state = models.CharField(max_length=8, choices=choices_of(PullState))
    draft = models.BooleanField(default=False)
    is_fork = models.BooleanField(default=False)
    head_repo = models.CharField(max_length=255, blank=True, default="")
    """owner/name of where the branch lives; empty once that repository was deleted."""
    url = models.CharField(max_length=500)
    updated_at = models.DateTimeField()
    """GitHub's own time of the change, in whole seconds."""

    class Meta:
        ordering = ["-updated_at"]
        # Admin: those that changed last.
        indexes = [models.Index(name="pullrequest_updated", fields=["updated_at"])]
        constraints = [
            models.UniqueConstraint(name="pullrequest_unique", fields=["repository_id", "number"]),
            models.CheckConstraint(
                name="pullrequest_state_known", condition=one_of("state", PullState)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.repository}#{self.number}"
