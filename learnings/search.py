"""The words that a learning is found by; its index and its queries must say the same."""

from __future__ import annotations

from failures.search import vector_of

LEARNING_WORDS = vector_of("title", "rule", "problem")
