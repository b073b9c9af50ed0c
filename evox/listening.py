"""While a web process is there, it says so: else nobody could tell a silent agent from a deaf EVOX.

A thread of its own, since an agent that died and a page that nobody opens make no request.
"""

from __future__ import annotations

import logging
import threading
import time

from django.db import DatabaseError, connection

from agents.clock import db_now
from agents.services import life, records

logger = logging.getLogger(__name__)

WEB = "web"


def start() -> threading.Thread:
    """Begin to say it, until the process ends."""
    thread = threading.Thread(target=_say_it_forever, name="listening", daemon=True)
    thread.start()
    return thread


def say_it() -> None:
    """Say once that this process can hear agents. Raises DatabaseError when it can't."""
    try:
        now = db_now()
        life.listen(now=now)
        records.beat(WEB, now=now)
    finally:
        connection.close()  # Back to the pool: there is nothing to do with it for a while.


def _say_it_forever() -> None:
    could = True
    while True:
        try:
            say_it()
            could = True
        except DatabaseError as error:
            if could:
                logger.warning("EVOX can't say that it hears its agents: %s", error)
            could = False
        time.sleep(life.HEARD_EVERY.total_seconds())
