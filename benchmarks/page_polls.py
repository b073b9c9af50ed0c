"""The page's fragment as browsers poll it: the WSGI application in this process, a login's cookie.

Each viewer asks every POLL_SECONDS with the entity tag it saw last, in real time, and THREADS
answer, as the server's do. So the first of each quarter of a minute, and after a change once the
version is no longer held, makes the page anew; its time counts, and so does what it costs the
others.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

RATE = 20
POLL_SECONDS = 5
VIEWERS = RATE * POLL_SECONDS
THREADS = 4
WARM = 10
DISPATCH_ID = 3
"""Whose first attempt is ended anew: to the page that is a change as any other."""


@dataclass
class Polled:
    """Milliseconds of server time, by what came of it."""

    warm: list[float] = field(default_factory=list)
    """200, from the body that is remembered."""
    cold: list[float] = field(default_factory=list)
    """200, made for this very request."""
    same: list[float] = field(default_factory=list)
    """304."""

    @property
    def full(self) -> list[float]:
        """Every 200."""
        return self.warm + self.cold

    @property
    def all(self) -> list[float]:
        """Every poll."""
        return self.full + self.same


class Browser:
    """One login, many viewers."""

    def __init__(self, period: str) -> None:
        from django.conf import settings
        from django.contrib.auth import get_user_model
        from django.test import Client

        from evox.wsgi import application

        user, _ = get_user_model().objects.get_or_create(
            username="ann", defaults={"is_staff": True, "is_superuser": True}
        )
        client = Client()
        client.force_login(user)
        name = settings.SESSION_COOKIE_NAME
        self._cookie = f"{name}={client.cookies[name].value}"
        self._application: Any = application
        self._period = period

    def poll(self, etag: str) -> tuple[int, str, float]:
        """Status, entity tag, and milliseconds from the call to the last byte and the clean-up."""
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/fragment",
            "QUERY_STRING": f"period={self._period}",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "HTTP_HOST": "127.0.0.1:8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_COOKIE": self._cookie,
            "HTTP_ACCEPT_ENCODING": "gzip",
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(),
        }
        if etag:
            environ["HTTP_IF_NONE_MATCH"] = etag
        answer: list[Any] = []
        began = time.perf_counter()
        body = self._application(environ, lambda status, headers: answer.extend((status, headers)))
        b"".join(body)
        body.close()
        took = (time.perf_counter() - began) * 1000
        return int(answer[0][:3]), dict(answer[1]).get("ETag", ""), took


def polled(*, period: str, seconds: int, changes: float) -> Polled:
    """Poll for so long, with so many changes a second of what the page shows."""
    from monitoring import views

    browser, found, mine = Browser(period), Polled(), threading.local()
    etags = [""] * VIEWERS
    make: Callable[..., Any] = views.page

    def telling(**asked: Any) -> Any:
        mine.made = True
        return make(**asked)

    def poll(viewer: int) -> None:
        mine.made = False
        status, etags[viewer], took = browser.poll(etags[viewer])
        {200: found.cold if mine.made else found.warm, 304: found.same}[status].append(took)

    views.page = telling  # type: ignore[assignment]
    change = _changes(changes)
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            # Imports, compiles, connects; each connection plans what it has prepared for good at
            # the sixth time. Afterwards the fragment is made anew all the same.
            for _ in range(WARM * THREADS):
                views.FRAGMENTS.forget()
                pool.submit(browser.poll, "").result()
            views.FRAGMENTS.forget()
            polls = []
            for number in _beats(seconds * RATE):
                next(change)
                polls.append(pool.submit(poll, number % VIEWERS))
            for one in polls:
                one.result()
    finally:
        views.page = make
    return found


def _beats(count: int) -> Iterator[int]:
    """Numbers, at RATE; late ones follow at once."""
    began = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, began + number / RATE - time.monotonic()))
        yield number


def _changes(a_second: float) -> Iterator[None]:
    """At each step maybe end an attempt anew, so that the given number comes out."""
    from agents.clock import db_now
    from agents.models import Attempt

    chance = random.Random(0)
    while True:
        if chance.random() < a_second / RATE:
            Attempt.objects.filter(dispatch_id=DISPATCH_ID, lease_epoch=2).update(ended_at=db_now())
        yield


def p95(took: list[float]) -> float:
    """The 95th percentile; 0 of nothing."""
    return statistics.quantiles(took, n=20, method="inclusive")[-1] if len(took) > 1 else sum(took)


def said(what: str, took: list[float]) -> None:
    """One line of figures."""
    if took:
        print(
            f"{what:>34}: {len(took):5} × median {statistics.median(took):7.2f} ms, "
            f"p95 {p95(took):7.2f} ms, max {max(took):7.2f} ms",
            flush=True,
        )


def tell(name: str, found: Polled) -> None:
    """Print what came of one minute."""
    said(f"{name}: 200", found.full)
    said(f"{name}: 200, made anew", found.cold)
    said(f"{name}: 200, remembered", found.warm)
    said(f"{name}: 304", found.same)
    said(f"{name}: all polls", found.all)
