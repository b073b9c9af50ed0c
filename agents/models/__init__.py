"""The rows of the ground floor."""

from agents.models.agent import Agent, AgentKey, AgentSession
from agents.models.attempt import Attempt
from agents.models.delivery import Delivery, DeliveryAttempt, Sink
from agents.models.dispatch import Dispatch
from agents.models.message import Channel, Message
from agents.models.pause import Pause
from agents.models.record import AuditEntry, IdempotencyRecord, SystemBeat
from agents.models.segment import LifeSegment, ListeningSegment

__all__ = [
    "Agent",
    "AgentKey",
    "AgentSession",
    "Attempt",
    "AuditEntry",
    "Channel",
    "Delivery",
    "DeliveryAttempt",
    "Dispatch",
    "IdempotencyRecord",
    "LifeSegment",
    "ListeningSegment",
    "Message",
    "Pause",
    "Sink",
    "SystemBeat",
]
