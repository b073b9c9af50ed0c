"""Chaos: a whole EVOX whose parts are killed under it, and the books checked at the end."""
