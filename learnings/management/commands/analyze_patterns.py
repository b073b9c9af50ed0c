"""`manage.py analyze_patterns`: the weekly analysis, now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from agents.clock import db_now
from learnings.policy.record import summary
from learnings.services.analysis import analyse
from learnings.states import Trigger

BAR = 40


class Command(BaseCommand):
    """Looks through the failures of the last seven days and writes what is to be learned."""

    help = "Analyse the failures of the last seven days."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it, and say how many patterns there are and what was done about them.

        On a terminal a bar shows how far it is.
        """
        run = analyse(Trigger.COMMAND, now=db_now(), watch=self._show)
        self.stdout.write(f"patternsFound: {run.patterns_found}")
        self.stdout.write(f"did: {summary(run.did)}")

    def _show(self, what: str, done: int, of: int) -> None:
        if self.stderr.isatty():
            full = "█" * (BAR * done // (of or 1))
            end = "\n" if done >= of else "\r"
            self.stderr.write(f"{what} {full:░<{BAR}} {done:,} of {of:,}", ending=end)
            self.stderr.flush()
