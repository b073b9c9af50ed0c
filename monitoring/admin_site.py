"""The admin site: Django's own, with EVOX's health on its index and a page of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path
from django.urls.base import reverse

from monitoring.admin_export import export_csv
from monitoring.page_access import shown_zone
from monitoring.views import page_context


class EvoxAdminSite(AdminSite):
    """Everybody with a login may log in, since the page takes viewers; staff alone get further."""

    site_title = "EVOX"
    site_header = "EVOX"
    index_title = "Everything"
    site_url = "/"
    enable_nav_sidebar = False  # The lists need the room.
    index_template = "monitoring/admin_index.html"
    login_form = AuthenticationForm

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.add_action(export_csv, "export_csv")

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Django's, and the health page, which takes viewers, too."""
        return [path("health/", self.health, name="health"), *super().get_urls()]

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's
        """Django's, with times in EVOX_TIME_ZONE."""
        guarded = super().admin_view(view, cacheable)

        def in_zone(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            with shown_zone():
                response = guarded(request, *args, **kwargs)
                # What a template answers is rendered only later, in another zone.
                return response.render() if isinstance(response, TemplateResponse) else response

        return in_zone

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Django's index with the health fragment above it."""
        return super().index(request, {**page_context(request), **(extra_context or {})})

    def health(self, request: HttpRequest) -> HttpResponse:
        """The fragment as a page of the admin, for whoever is logged in."""
        if not (request.user.is_authenticated and request.user.is_active):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        context = {**self.each_context(request), **page_context(request), "title": "Health"}
        with shown_zone():
            return TemplateResponse(request, "monitoring/admin_health.html", context).render()
