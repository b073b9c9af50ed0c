"""How Django finds EVOX's admin site, in place of `django.contrib.admin`."""

from __future__ import annotations

from django.apps import apps
from django.contrib.admin import site
from django.contrib.admin.apps import AdminConfig


class EvoxAdminConfig(AdminConfig):
    """Django's admin with EVOX's site."""

    default_site = "monitoring.admin_site.EvoxAdminSite"

    def ready(self) -> None:
        """Register everything, then take out the key library's own model: ours is AgentKey."""
        super().ready()
        generic = apps.get_model("rest_framework_api_key", "APIKey")
        if site.is_registered(generic):
            site.unregister(generic)
