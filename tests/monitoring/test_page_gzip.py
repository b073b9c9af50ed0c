"""A page that many poll is compressed once; no answer tells by its length what is in it."""

from __future__ import annotations

import gzip

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory

from evox import gzip_pages
from evox.gzip_pages import KEPT, GzipPagesMiddleware
from tests.monitoring.clock import set_clock
from tests.monitoring.world import busy_day
from tests.wire import T0

PAGE = b"<p>" + b"An agent and how it stands. " * 200 + b"</p>"
TAKING = {"HTTP_ACCEPT_ENCODING": "gzip"}


@pytest.fixture(autouse=True)
def packed(monkeypatch):
    """What was compressed."""
    gzip_pages._compressed.cache_clear()
    made, compress = [], gzip_pages.compress_string

    def compressing(content, **options):
        made.append((content, options))
        return compress(content, **options)

    monkeypatch.setattr(gzip_pages, "compress_string", compressing)
    return made


def answer(content=PAGE, *, tag='"v1"', status=200, kind="text/html; charset=utf-8", **asked):
    response = HttpResponse(content, content_type=kind, status=status)
    if tag:
        response["ETag"] = tag
    request = RequestFactory().get("/fragment", **(asked or TAKING))
    return GzipPagesMiddleware(lambda _: response)(request)


def test_the_same_page_is_compressed_once(packed):
    first, second = answer(), answer()
    assert first["Content-Encoding"] == second["Content-Encoding"] == "gzip"
    assert gzip.decompress(second.content) == PAGE
    assert int(second["Content-Length"]) == len(second.content)
    assert first.content == second.content
    assert len(packed) == 1


def test_another_page_with_the_same_tag_is_not_taken_for_it(packed):
    answer()
    assert gzip.decompress(answer(PAGE + b"<p>More</p>").content) == PAGE + b"<p>More</p>"
    assert len(packed) == 2


def test_only_the_last_pages_are_kept(packed):
    for n in range(2 * KEPT):
        answer(PAGE + str(n).encode())
    assert gzip_pages._compressed.cache_info().currsize == KEPT
    assert len(packed) == 2 * KEPT


def test_its_length_is_padded_at_random(packed):
    answer()
    [(_, options)] = packed
    assert options["max_random_bytes"] == GzipPagesMiddleware.max_random_bytes > 0
    lengths = set()
    for _ in range(20):
        gzip_pages._compressed.cache_clear()
        lengths.add(len(answer().content))
    assert len(lengths) > 3


def test_the_tag_is_weak_once_compressed_and_stays_so(packed):
    assert answer()["ETag"] == 'W/"v1"'
    assert answer(tag='W/"v1"')["ETag"] == 'W/"v1"'


@pytest.mark.parametrize("takes", ["", "br", "identity"])
def test_who_does_not_take_it_so_gets_it_plain_and_caches_are_told(packed, takes):
    plain = answer(HTTP_ACCEPT_ENCODING=takes)
    assert (plain.content, plain["ETag"], plain["Vary"]) == (PAGE, '"v1"', "Accept-Encoding")
    assert "Content-Encoding" not in plain
    assert answer()["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "other",
    [{"tag": ""}, {"status": 404}, {"kind": "application/json"}, {"content": b"", "status": 304}],
    ids=["no tag", "not found", "no page", "not modified"],
)
def test_nothing_else_is_kept(packed, other):
    """A page without a tag may carry a login's token: each is compressed by itself."""
    for _ in range(2):
        answer(**other)
    assert packed == []
    assert gzip_pages._compressed.cache_info().currsize == 0


def test_a_stream_is_not_kept(packed):
    response = StreamingHttpResponse([PAGE], content_type="text/html")
    response["ETag"] = '"v1"'
    request = RequestFactory().get("/", **TAKING)
    sent = GzipPagesMiddleware(lambda _: response)(request)
    assert gzip.decompress(b"".join(sent.streaming_content)) == PAGE
    assert packed == []


@pytest.mark.django_db
def test_the_polled_page_is_compressed_once_for_all_who_poll(client, packed, monkeypatch):
    busy_day(T0)
    set_clock(monkeypatch, T0)
    first = client.get("/fragment", **TAKING)
    assert len(packed) == 1
    second = client.get("/fragment", **TAKING)
    assert second.content == first.content
    assert len(packed) == 1
