"""The rows of the ground floor."""

from agents.models.agent import Agent, AgentKey, AgentSession
from agents.models.dispatch import Attempt, Dispatch
from agents.models.message import Channel, Message
from agents.models.record import AuditEntry, IdempotencyRecord, SystemBeat

__all__ = [
    "Agent",
    "AgentKey",
    "AgentSession",
    "Attempt",
    "AuditEntry",
    "Channel",
    "Dispatch",
    "IdempotencyRecord",
    "Message",
    "SystemBeat",
]
