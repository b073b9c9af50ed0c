"""`manage.py create_key SAM`: a key for an agent, or for an operator."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agents.clock import db_now
from agents.errors import EvoxError
from agents.services import agents as services


class Command(BaseCommand):
    """Prints a new key, once: only its hash is kept."""

    help = "Make a key for an agent (registering it), or with --operator for an operator."

    def add_arguments(self, parser: CommandParser) -> None:
        """The agent's name, or --operator."""
        parser.add_argument("agent", nargs="?")
        parser.add_argument("--operator", metavar="LABEL", help="an operator key of this name")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it and print it."""
        name, label = options["agent"], options["operator"]
        if bool(name) == bool(label):
            raise CommandError("Name an agent, or --operator LABEL.")
        try:
            agent = services.register_agent(name, now=db_now()) if name else None
            self.stdout.write(services.create_key(agent, label=label or ""))
        except EvoxError as error:
            raise CommandError(str(error)) from None
