"""How times are written: Django prefers these to its own of the language."""
