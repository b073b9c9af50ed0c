"""A briefing as the Markdown that an agent puts before its work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import BaseRenderer

from learnings.policy.documents import briefing


class BriefingMarkdownRenderer(BaseRenderer):
    """`Accept: text/markdown`."""

    media_type = "text/markdown"
    format = "markdown"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> str:
        """The briefing, or the error's message."""
        if "error" in data:
            return f"{data['error']['message']}\n"
        return briefing(data)
