"""The rows of the three R's: retry, rollback, review."""

from recovery.models.breaker import AgentBreaker
from recovery.models.github import PullRequest, WebhookDelivery, WebhookDeliveryQuerySet
from recovery.models.rollback import Rollback, RollbackPause

__all__ = [
    "AgentBreaker",
    "PullRequest",
    "Rollback",
    "RollbackPause",
    "WebhookDelivery",
    "WebhookDeliveryQuerySet",
]
