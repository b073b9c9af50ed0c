"""The WSGI entry point."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterable
from email.message import Message
from functools import lru_cache
from typing import TYPE_CHECKING

from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "evox.settings")


def utf8_only(app: WSGIApplication) -> WSGIApplication:
    """Answer 415 to a charset that isn't UTF-8: Django would decode the query with it, and fail.

    It fails while it makes the request, before any of its middleware can help.
    """

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if _may_be_utf8(str(environ.get("CONTENT_TYPE", ""))):
            return app(environ, start_response)
        error = {"code": "unsupported_media_type", "message": "Bodies are UTF-8."}
        body = json.dumps({"error": error}).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("415 Unsupported Media Type", headers)
        return [body]

    return guarded


@lru_cache(maxsize=64)
def _may_be_utf8(content_type: str) -> bool:
    header = Message()
    header["Content-Type"] = content_type.replace("\n", " ")
    charset = header.get_content_charset()
    return charset is None or _is_utf8(charset)


def _is_utf8(charset: str) -> bool:
    try:
        return codecs.lookup(charset).name in {"utf-8", "ascii"}
    except (LookupError, ValueError):
        return False


application = utf8_only(get_wsgi_application())

from evox import listening  # noqa: E402 - it imports models, which need what was just set up.

listening.start()
