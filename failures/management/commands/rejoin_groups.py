"""`manage.py rejoin_groups`: after an update that changed the fingerprint's version."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from agents.clock import db_now
from failures.services.reversion import rejoin


class Command(BaseCommand):
    """Holds the groups that the new version makes for those that are known."""

    help = (
        "Join the groups of older fingerprint versions to those of the current one. It may be"
        " stopped and started again at any time, and be run while failures come in."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """How much is read at once."""
        parser.add_argument("--batch", type=int, default=200, help="groups at once")

    def handle(self, *args: Any, **options: Any) -> None:
        """Go through all groups twice, and say what was joined."""
        limit = max(1, options["batch"])
        for leading in (True, False):
            after: int | None = 0
            looked_at = joined = 0
            while after is not None:
                batch = rejoin(
                    after=after, limit=limit, leading=leading, actor="EVOX", now=db_now()
                )
                looked_at, joined = looked_at + batch.looked_at, joined + batch.joined
                after = batch.last
            which = "leading names" if leading else "all names"
            self.stdout.write(f"{which}: looked at {looked_at} groups, joined {joined}")
