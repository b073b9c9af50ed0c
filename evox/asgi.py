"""The ASGI entry point, for servers that want one."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "evox.settings")

application = get_asgi_application()
