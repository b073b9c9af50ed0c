"""Decisions about learnings that need no database."""
