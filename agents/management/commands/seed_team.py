"""`manage.py seed_team`: the starting team and channels."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from agents.clock import db_now
from agents.models import Agent
from agents.services.agents import seed_team


class Command(BaseCommand):
    """Makes MAX, SAM, LEO, ALEX, QUINN and the channels dev and ceo where they are missing."""

    help = "Make the starting team and channels."

    def add_arguments(self, parser: CommandParser) -> None:
        """`--if-empty` leaves a database with agents alone."""
        parser.add_argument("--if-empty", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed, and say who was made."""
        if options["if_empty"] and Agent.objects.exists():
            return
        made = seed_team(now=db_now())
        self.stdout.write(f"Team: {', '.join(made)}." if made else "The team is complete.")
