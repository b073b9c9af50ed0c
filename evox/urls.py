"""Every address of the house."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

handler400 = "agents.api.errors.bad_request"
handler404 = "agents.api.errors.not_found"
handler500 = "agents.api.errors.server_error"

urlpatterns = [
    path("", include("monitoring.urls")),
    path("api/v1/", include("recovery.urls")),
    path("api/v1/", include("agents.urls")),
    path("api/v1/", include("failures.urls")),
    path(
        "api/schema/",
        SpectacularAPIView.as_view(authentication_classes=[], permission_classes=[]),
        name="schema",
    ),
    path(
        "api/docs/",
        SpectacularSwaggerSplitView.as_view(authentication_classes=[], permission_classes=[]),
        name="docs",
    ),
    path("admin/", admin.site.urls),
]
