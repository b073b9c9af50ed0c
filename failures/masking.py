"""Where failures take `scrub` from; it lies with the agents, whose messages it masks too."""

from agents.masking import Scrubber, scrub, scrub_value

__all__ = ["Scrubber", "scrub", "scrub_value"]
