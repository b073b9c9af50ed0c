"""Which groups are held for one: the alias table."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from agents.models.fields import choices_of, exactly_when, one_of
from failures.models.failure import FailureGroup
from failures.states import AliasKind

_STANDS = Q(undone_at__isnull=True)


class GroupAlias(models.Model):
    """One group held for another: `group` shows as `root` while `undone_at` is empty.

    Rows of one merge share its number. A merge that moves a root's members along ends their older
    aliases and names them in `replaces`; its undo makes those stand again.
    """

    merge = models.UUIDField()
    group = models.ForeignKey(FailureGroup, on_delete=models.PROTECT, related_name="aliases")
    root = models.ForeignKey(FailureGroup, on_delete=models.PROTECT, related_name="root_aliases")
    kind = models.CharField(max_length=16, choices=choices_of(AliasKind))
    by = models.CharField(max_length=64)
    at = models.DateTimeField()
    reason = models.TextField(blank=True, default="")
    replaces = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "group aliases"
        constraints = [
            models.UniqueConstraint(
                name="groupalias_one_stands_per_group", fields=["group"], condition=_STANDS
            ),
            models.UniqueConstraint(name="groupalias_once_a_merge", fields=["merge", "group"]),
            models.CheckConstraint(name="groupalias_of_another", condition=~Q(group=F("root"))),
            models.CheckConstraint(
                name="groupalias_kind_known", condition=one_of("kind", AliasKind)
            ),
            models.CheckConstraint(name="groupalias_has_author", condition=~Q(by="")),
            models.CheckConstraint(
                name="groupalias_undone_by_somebody",
                condition=exactly_when(_STANDS, Q(undone_by="")),
            ),
        ]
        indexes = [
            # API and admin: the merges of this root, the newest first.
            models.Index(name="groupalias_of_root", fields=["root", "-id"]),
        ]

    def __str__(self) -> str:
        return f"{self.group} is held for {self.root}"
