"""What holds for all tests."""

from __future__ import annotations

from evox import listening

# Several import the web's entry point, and none of them is a web process: a thread of it would
# write into the database of whichever test happens to run.
listening.start = lambda: None
