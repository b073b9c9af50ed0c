"""`manage.py ensure_admin`: somebody who can log in to the admin."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Makes the account `admin` when no staff account exists, and prints its password once."""

    help = "Make the admin account when there is none."

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it, or say that it is there."""
        users = get_user_model().objects
        staff = users.filter(is_superuser=True, is_active=True).order_by("id").first()
        if staff is not None:
            self.stdout.write(f"Admin: log in as {staff.get_username()}.")
            return
        password = settings.EVOX_ADMIN_PASSWORD or secrets.token_urlsafe(12)
        users.create_superuser("admin", password=password)
        shown = "EVOX_ADMIN_PASSWORD" if settings.EVOX_ADMIN_PASSWORD else password
        self.stdout.write(f"Admin: log in as admin, password {shown} (shown this once).")
