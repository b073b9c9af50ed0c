"""How far a text on the wire may be relied on."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from failures.states import Trust

TRUSTS = [trust.value for trust in Trust]


class TrustField(serializers.ChoiceField):
    """Says of all texts beside it the same: `untrusted` or `reviewed`."""

    def __init__(self, trust: Trust, **kwargs: Any) -> None:
        super().__init__(choices=TRUSTS, read_only=True, **kwargs)
        self.trust = trust

    def get_attribute(self, instance: Any) -> str:
        """It asks nothing of the row."""
        return self.trust.value
