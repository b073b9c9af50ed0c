"""The rows of the three R's: retry, rollback, review."""

from recovery.models.breaker import AgentBreaker
from recovery.models.github import PullRequest, WebhookDelivery, WebhookDeliveryQuerySet
from recovery.models.reviews import Repository, ReviewHead
from recovery.models.rollback import Rollback, RollbackPause

__all__ = [
    "AgentBreaker",
    "PullRequest",
    "Repository",
    "ReviewHead",
    "Rollback",
    "RollbackPause",
    "WebhookDelivery",
    "WebhookDeliveryQuerySet",
]
