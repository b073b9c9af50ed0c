#!/usr/bin/env python3
"""Django's command line for EVOX."""

import os
import sys

OFFLINE = {"help", "--help", "-h", "version", "--version"}


def main() -> None:
    """Run one management command; ends with one line when EVOX's servers cannot be found."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "evox.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("manage.py: Django is not installed here; run .venv/bin/python manage.py instead.")
    from evox import env

    if len(sys.argv) > 1 and sys.argv[1] not in OFFLINE:
        env.require_servers()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
