"""The rows of what was learned."""

from learnings.models.learning import Learning, LearningQuerySet
from learnings.models.measurement import Measurement
from learnings.models.revision import LearningRevision
from learnings.models.run import THE_SWITCH, AnalysisRun, InjectionSwitch
from learnings.models.told import Feedback, Injection

__all__ = [
    "THE_SWITCH",
    "AnalysisRun",
    "Feedback",
    "Injection",
    "InjectionSwitch",
    "Learning",
    "LearningQuerySet",
    "LearningRevision",
    "Measurement",
]
