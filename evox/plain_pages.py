"""HTML without what a reader can't see: control characters and marks that turn text around.

Whatever agents wrote is escaped by the templates; a right-to-left override would still show it in
another order, and an escape sequence would act where somebody reads the page by curl.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

# C0 but tab and line ends, and DEL.
_CONTROLS = bytes(n for n in (*range(32), 127) if n not in b"\t\n\r")
# In UTF-8: U+200E, U+200F, U+202A–202E, U+2066–2069. The same first byte makes the search fast.
_UNSEEN = re.compile(rb"\xe2(?:\x80[\x8e\x8f\xaa-\xae]|\x81[\xa6-\xa9])")


class PlainPagesMiddleware:
    """Takes them out of every HTML answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The answer, its HTML without them."""
        response = self.get_response(request)
        html = response.headers.get("Content-Type", "").startswith("text/html")
        if html and not response.streaming:
            content = response.content
            plain = _UNSEEN.sub(b"", content.translate(None, _CONTROLS))
            if len(plain) < len(content):
                response.content = plain
        return response
