"""A browser that looks at a server of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import call_command
from django.urls import reverse
from playwright.sync_api import Page, sync_playwright

from agents.clock import db_now
from failures.models import Incident
from learnings.models import Learning
from tests.browser.server import Server

WIDE = {"viewport": {"width": 1280, "height": 900}}
SETTLED = 1_300
"""Milliseconds until ages were counted at least once."""


class Camera:
    """Fills the database, opens pages, and keeps pictures of them."""

    def __init__(self, browser: str, data: Path, folder: Path, *, only: str = "") -> None:
        call_command("migrate", verbosity=0)
        self._folder, self._only = folder, only
        self._server = Server(data)
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=browser, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        self._user: User | None = None

    def __enter__(self) -> Camera:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._browser.close()
        self._playwright.stop()
        self._server.stop()

    def wants(self, name: str) -> bool:
        """Whether a picture of that name was asked for."""
        return self._only in name

    def fill(self, fill: Callable[[datetime], None]) -> None:
        """Begin anew with that state, and somebody who may act."""
        call_command("flush", interactive=False, verbosity=0)
        fill(db_now())
        self._user = User.objects.create_superuser("ann")

    def shoot(self, address: str, name: str, **look: Any) -> None:
        """The whole page at `address`."""
        page = self._open(address, **look)
        self._keep(page, name)
        page.context.close()

    def crop(self, address: str, file: Path, *, height: int) -> None:
        """The top of the page."""
        page = self._open(address, viewport={"width": 1280, "height": height})
        page.screenshot(path=str(file))
        page.context.close()

    def details(self, looks: Mapping[str, Any]) -> None:
        """What the page links to."""
        incident = Incident.objects.filter(kind="exhausted").get()
        pages = {
            "work": "/work",
            "definitions": "/definitions",
            "agent": "/agents/SAM",
            "incident": f"/incidents/{Incident.objects.filter(kind='blocked').get().pk}",
            "dispatch": f"/dispatches/{incident.dispatch_id}",
            "learning": f"/learnings/{Learning.objects.latest('id').pk}",
            "unknown": "/incidents/999",
            "login": "/admin/login/",
        }
        for name, address in pages.items():
            for suffix, look in looks.items():
                self.shoot(address, f"page-{name}{suffix}", **look)

    def admin(self, looks: Mapping[str, Any]) -> None:
        """The index, the health page, and each list, form and row, in each look."""
        for suffix, look in looks.items():
            self._admin(suffix, **look)

    def _admin(self, suffix: str, **look: Any) -> None:
        page = self._open("/admin/", **look)
        self._keep(page, f"admin-index{suffix}")
        page.goto("/admin/health/")
        self._keep(page, f"admin-health{suffix}")
        for model in admin.site._registry:
            name = f"{model._meta.app_label}-{model._meta.model_name}"
            address = reverse(f"admin:{name.replace('-', '_')}_changelist")
            page.goto(address)
            self._keep(page, f"admin-{name}{suffix}")
            row = page.locator("#result_list tbody th a")
            if not row.count():
                print(f"admin-{name}: no row")
            else:
                row.first.click()
                self._keep(page, f"admin-{name}-row{suffix}")
            if page.goto(f"{address}add/").status == 200:
                self._keep(page, f"admin-{name}-add{suffix}")
        page.context.close()

    def stale(self) -> None:
        """The page after its server was stopped, once stale and once grey."""
        page = self._open("/", **WIDE)
        page.clock.install()
        page.reload()
        self._server.stop()
        page.clock.fast_forward(30_000)
        self._keep(page, "stale", wait=200)
        page.clock.fast_forward(120_000)
        self._keep(page, "stale-grey", wait=200)
        page.context.close()
        self._server.start()

    def _open(self, address: str, **look: Any) -> Page:
        context = self._browser.new_context(base_url=self._server.url, **look)
        if self._user is not None and "login" not in address:
            context.add_cookies([self._server.session_of(self._user)])
        page = context.new_page()
        page.goto(address)
        return page

    def _keep(self, page: Page, name: str, *, wait: int | None = None) -> None:
        page.wait_for_timeout(SETTLED if wait is None and page.locator(".evox").count() else 50)
        file = self._folder / f"{name}.png"
        page.screenshot(path=str(file), full_page=True)
        width = page.evaluate("document.documentElement.scrollWidth")
        print(f"{file.name}: {width} px wide", flush=True)
