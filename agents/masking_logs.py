"""Log lines without secrets: those of EVOX, and of whatever else logs in its processes."""

from __future__ import annotations

import logging

from agents.masking import scrub


class ScrubbingFormatter(logging.Formatter):
    """A formatter whose whole line is scrubbed: message, arguments, traceback and all."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, secrets masked."""
        return scrub(super().format(record))
