"""Where failures take `scrub` from; it lies with the agents, whose messages it masks too."""

from agents.masking import scrub, scrub_value

__all__ = ["scrub", "scrub_value"]
