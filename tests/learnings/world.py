"""What the tests of learnings tell each other about the world."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.models import Agent, Message
from failures.models import Failure
from failures.services.guidance import log_and_answer
from failures.services.log import NewFailure, log_failure, resolve_failure
from failures.states import ErrorType, ResolutionOutcome
from learnings.models import Learning


@dataclass
class World:
    now: datetime

    def agent(self, name: str) -> Agent:
        return Agent.objects.get(name=name)

    def fail(
        self,
        message: str = "Missing import",
        *,
        times: int = 1,
        by: str = "SAM",
        at: datetime | None = None,
        error_type: str = "build",
        **fields: Any,
    ) -> Failure:
        for _ in range(times):
            failure = log_failure(
                NewFailure(
                    agent=self.agent(by),
                    error_type=ErrorType(error_type),
                    message=message,
                    **fields,
                ),
                now=at or self.now,
            )
        return failure

    def fail_and_hear(
        self, message: str = "Missing import", *, by: str = "SAM", at: datetime | None = None
    ) -> Failure:
        """As over REST: the answer tells what is known, and that is written down."""
        report = NewFailure(agent=self.agent(by), error_type=ErrorType.BUILD, message=message)
        return log_and_answer(report, now=at or self.now)

    def inbox(self, name: str = "MAX") -> list[str]:
        """What was written to somebody about learnings."""
        mine = Message.objects.filter(to_agent__name=name, subject_kind="learning").order_by("id")
        return list(mine.values_list("text", flat=True))

    def resolve(self, failure: Failure, text: str, outcome: str = "fixed") -> None:
        resolve_failure(failure, resolution=text, outcome=ResolutionOutcome(outcome))

    def posts(self) -> list[str]:
        return list(Message.objects.filter(channel__name="dev").values_list("text", flat=True))

    def the_learning(self) -> Learning:
        return Learning.objects.get()
