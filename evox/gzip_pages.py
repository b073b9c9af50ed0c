"""Pages are sent gzipped. The API's answers are not: they are small, and its callers on this host.

Django pads what it compresses by a random length, so the size tells nothing of the CSRF token.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware


class GzipPagesMiddleware(GZipMiddleware):
    """Django's, for HTML alone."""

    def process_response(self, request: HttpRequest, response: Any) -> HttpResponseBase:
        """The answer, gzipped when it is a page and the caller takes it so."""
        if not response.headers.get("Content-Type", "").startswith("text/html"):
            return response  # type: ignore[no-any-return]
        return super().process_response(request, response)
