"""`manage.py reset_admin`: a new password for the account `admin`."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Gives `admin` a new password, making the account when it is missing, and prints it."""

    help = "Set a new password for the account `admin`."

    def handle(self, *args: Any, **options: Any) -> None:
        """Set it and show it."""
        password = settings.EVOX_ADMIN_PASSWORD or secrets.token_urlsafe(12)
        user, _ = get_user_model().objects.get_or_create(username="admin")
        user.is_staff = user.is_superuser = user.is_active = True
        user.set_password(password)
        user.save(update_fields=["is_staff", "is_superuser", "is_active", "password"])
        self.stdout.write(f"Admin: log in as admin, password {password} (shown this once).")
