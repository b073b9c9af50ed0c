"""What the server's entry point refuses before Django sees it."""

from __future__ import annotations

import json
from wsgiref.util import setup_testing_defaults

import pytest

from evox.wsgi import application


def call(charset: str) -> tuple[str, bytes]:
    environ: dict[str, object] = {}
    setup_testing_defaults(environ)
    environ |= {
        "PATH_INFO": "/healthz",
        "QUERY_STRING": "a",
        "CONTENT_TYPE": f"text/plain; charset={charset}",
        "HTTP_HOST": "127.0.0.1",
        "REMOTE_ADDR": "127.0.0.1",
    }
    statuses: list[str] = []
    body = b"".join(application(environ, lambda status, _: statuses.append(status)))
    return statuses[0], body


@pytest.mark.parametrize("charset", ["hex", "rot13", "punycode", "utf-16", "nonsense", "undefined"])
def test_an_odd_charset_is_refused_in_the_error_shape(charset):
    status, body = call(charset)

    assert status.startswith("415")
    assert json.loads(body)["error"]["code"] == "unsupported_media_type"


@pytest.mark.django_db
@pytest.mark.parametrize("charset", ["utf-8", "UTF8", "us-ascii"])
def test_utf8_passes(charset):
    assert call(charset)[0].startswith("200")
