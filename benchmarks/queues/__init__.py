"""Queue speed: EVOX beside three queues for PostgreSQL from PyPI, in one run on one server."""
