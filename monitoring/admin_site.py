"""The admin site: Django's own, with EVOX's health on its index and a page of it."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path
from django.utils import timezone

from monitoring.views import page_context


class EvoxAdminSite(AdminSite):
    """Everybody with a login may log in, since the page takes viewers; staff alone get further."""

    site_title = "EVOX"
    site_header = "EVOX"
    index_title = "Everything"
    site_url = "/"
    index_template = "monitoring/admin_index.html"
    login_form = AuthenticationForm

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Django's, and the health page."""
        own = [path("health/", self.admin_view(self.health), name="health")]
        return [*own, *super().get_urls()]

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Django's index with the health fragment above it."""
        return _rendered(super().index(request, {**page_context(request), **(extra_context or {})}))

    def health(self, request: HttpRequest) -> HttpResponse:
        """The fragment as a page of the admin."""
        context = {**self.each_context(request), **page_context(request), "title": "Health"}
        return _rendered(TemplateResponse(request, "monitoring/admin_health.html", context))


def _rendered(response: TemplateResponse) -> TemplateResponse:
    with timezone.override(ZoneInfo(settings.EVOX_TIME_ZONE)):
        response.render()
    return response
