"""One Chromium and one server for all tests here; each test has a fresh profile and database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from evox.embedded import chromium
from tests.browser.server import Server

HERE = Path(__file__).parent
QUIET = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    # Whatever asks for another host is refused before it leaves this one.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
PATIENCE = 60_000
"""Milliseconds; machines that run tests are busy."""
expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them on one worker of xdist, and with rows that the server can see."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("browser"))
            item.add_marker(pytest.mark.django_db(transaction=True))


@pytest.fixture(scope="package")
def server(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Server]:
    """EVOX, running."""
    with django_db_blocker.unblock():
        made = Server(tmp_path_factory.mktemp("web"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium; without one these tests are skipped, and said to be."""
    path = chromium.find()
    if path is None:
        pytest.skip(f"{chromium.MISSING}.")
    # Playwright keeps a loop of asyncio in this thread, which Django takes for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield found
        found.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


class Watched:
    """Browser contexts, and what went wrong in them."""

    def __init__(self, browser: Browser, server: Server) -> None:
        self._browser, self._server = browser, server
        self._contexts: list[BrowserContext] = []
        self.strays: list[str] = []
        """Requests to other hosts."""
        self.complaints: list[str] = []
        """Violations of the Content-Security-Policy, and errors of scripts."""

    def open(self, path: str = "/", *, user: User | None = None, **options: Any) -> Page:
        """A page of a fresh profile at `path`, logged in as `user`."""
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = self._browser.new_context(base_url=self._server.url, **options)
        self._contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.on("request", self._asked)
        context.on("console", lambda message: self._said(message.text))
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        if user is not None:
            context.add_cookies([self._server.session_of(user)])
        page = context.new_page()
        page.goto(path)
        return page

    def _asked(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts.hostname != "127.0.0.1":
            self.strays.append(request.url)

    def _said(self, text: str) -> None:
        if "Content Security Policy" in text or "Content-Security-Policy" in text:
            self.complaints.append(text)

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def watched(browser, server, transactional_db) -> Iterator[Watched]:
    """Opens pages, and fails the test when one asked elsewhere or broke the policy."""
    made = Watched(browser, server)
    yield made
    made.close()
    assert made.strays == []
    assert made.complaints == []


@pytest.fixture
def visit(watched) -> Callable[..., Page]:
    """Open a page."""
    return watched.open


@pytest.fixture
def admin(transactional_db) -> User:
    """Somebody who may do everything."""
    return User.objects.create_superuser("ann")
