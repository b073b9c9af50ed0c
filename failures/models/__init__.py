"""The rows of what went wrong."""

from failures.models.failure import Failure, FailureGroup
from failures.models.guidance import GuidanceShown
from failures.models.incident import Incident, IncidentEvent

__all__ = ["Failure", "FailureGroup", "GuidanceShown", "Incident", "IncidentEvent"]
