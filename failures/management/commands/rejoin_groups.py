"""`manage.py rejoin_groups`: after an update that changed the fingerprint's version."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from agents.clock import db_now
from failures.services.reversion import is_behind, rejoin_all


class Command(BaseCommand):
    """Holds the groups that the new version makes for those that are known."""

    help = (
        "Join the groups of older fingerprint versions to those of the current one. It may be"
        " stopped and started again at any time, and be run while failures come in."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """How much is read at once, for how long, and whether to ask first."""
        parser.add_argument("--batch", type=int, default=200, help="groups at once")
        parser.add_argument(
            "--seconds", type=float, help="begin no batch after so long, and say what is left to do"
        )
        parser.add_argument(
            "--if-behind", action="store_true", help="only where it wasn't done since the update"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Go through all groups twice, and say what was joined."""
        if options["if_behind"] and not is_behind():
            return
        ends_at = time.monotonic() + (options["seconds"] or float("inf"))
        looked_at, joined = Counter[bool](), Counter[bool]()
        for batch in rejoin_all(limit=max(1, options["batch"]), actor="EVOX", clock=db_now):
            looked_at[batch.leading] += batch.looked_at
            joined[batch.leading] += batch.joined
            if time.monotonic() > ends_at:
                self.stdout.write(
                    f"{joined.total()} failure groups were carried over to the new fingerprint;"
                    " `manage.py rejoin_groups` does what is left."
                )
                return
        for leading, which in ((True, "leading names"), (False, "all names")):
            self.stdout.write(
                f"{which}: looked at {looked_at[leading]} groups, joined {joined[leading]}"
            )
