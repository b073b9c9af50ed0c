"""Pages are sent gzipped. The API's answers are not: they are small, and its callers on this host.

Django pads what it compresses by a random length, so the size tells nothing of the CSRF token.
A page with an entity tag is asked for again and again by many, and carries no token: what came of
compressing it is kept.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_vary_headers
from django.utils.text import compress_string

KEPT = 16


class GzipPagesMiddleware(GZipMiddleware):
    """Django's, for HTML alone."""

    def process_response(self, request: HttpRequest, response: Any) -> HttpResponseBase:
        """The answer, gzipped when it is a page and the caller takes it so."""
        if not response.headers.get("Content-Type", "").startswith("text/html"):
            return response  # type: ignore[no-any-return]
        tag = response.headers.get("ETag", "")
        if tag and response.status_code == 200 and not response.streaming:
            patch_vary_headers(response, ("Accept-Encoding",))
            if "gzip" in request.headers.get("Accept-Encoding", ""):
                response.content = _compressed(response.content, self.max_random_bytes)
                response.headers["Content-Length"] = str(len(response.content))
                response.headers["Content-Encoding"] = "gzip"
                response.headers["ETag"] = tag if tag.startswith("W/") else f"W/{tag}"
            return response  # type: ignore[no-any-return]
        return super().process_response(request, response)


@lru_cache(maxsize=KEPT)
def _compressed(content: bytes, padding: int) -> bytes:
    return compress_string(content, max_random_bytes=padding)
