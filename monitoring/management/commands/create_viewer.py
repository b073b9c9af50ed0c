"""`manage.py create_viewer ceo`: a login that reads the page and can do nothing."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError, CommandParser

GROUP = "viewer"
"""Has no permissions: it only says in the admin's list of users who they are."""


class Command(BaseCommand):
    """Makes the login, or gives it a new password, and prints that once."""

    help = "Make a login that reads the page, its details and the admin's health, and acts on none."

    def add_arguments(self, parser: CommandParser) -> None:
        """The name to log in by."""
        parser.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it and print its password."""
        name = options["name"].strip()
        users = get_user_model().objects
        if not name or len(name) > 150:
            raise CommandError("A name has 1–150 characters.")
        user = users.filter(username=name).first()
        if user is not None and (user.is_staff or user.is_superuser):
            raise CommandError(f"{name} is staff already, and so no viewer.")
        password = secrets.token_urlsafe(12)
        if user is None:
            user = users.create_user(name, password=password)
        else:
            user.set_password(password)
            user.save(update_fields=["password"])
        user.groups.add(Group.objects.get_or_create(name=GROUP)[0])
        self.stdout.write(f"Viewer: log in as {name}, password {password} (shown this once).")
