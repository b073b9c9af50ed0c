"""The Celery application: `celery -A evox worker`, `celery -A evox beat`."""

from __future__ import annotations

import os
import sys

from celery import Celery

from evox import env

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "evox.settings")
if "pytest" not in sys.modules:
    env.require_servers()

app = Celery("evox")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
