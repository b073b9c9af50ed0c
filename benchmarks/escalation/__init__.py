"""Whether escalation holds under hard kills, at scale, and with several beats and workers."""
