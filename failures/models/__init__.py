"""The rows of what went wrong."""

from failures.models.alias import GroupAlias
from failures.models.failure import Failure, FailureGroup
from failures.models.guidance import GuidanceShown
from failures.models.incident import Incident, IncidentEvent

__all__ = ["Failure", "FailureGroup", "GroupAlias", "GuidanceShown", "Incident", "IncidentEvent"]
