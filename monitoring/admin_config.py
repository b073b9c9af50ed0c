"""How Django finds EVOX's admin site, in place of `django.contrib.admin`."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.admin import ShowFacets, site
from django.contrib.admin.apps import AdminConfig


class EvoxAdminConfig(AdminConfig):
    """Django's admin with EVOX's site."""

    default_site = "monitoring.admin_site.EvoxAdminSite"

    def ready(self) -> None:
        """Register everything, then take out what is dear, and the key library's own model."""
        super().ready()
        registered = site._registry  # noqa: SLF001 - Django offers no other way.
        kinds: set[Any] = {type(model_admin) for model_admin in registered.values()}
        for model_admin in kinds:
            # Each choice of a filter would cost a count of the whole table.
            model_admin.show_facets = ShowFacets.NEVER
            model_admin.show_full_result_count = False
        generic = apps.get_model("rest_framework_api_key", "APIKey")
        if site.is_registered(generic):
            site.unregister(generic)
