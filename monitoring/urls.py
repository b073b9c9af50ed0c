"""Addresses of the eyes."""

from __future__ import annotations

from django.urls import path

import agents.urls  # noqa: F401 - registers row_id
from monitoring import views, views_act, views_detail

urlpatterns = [
    path("", views.home, name="home"),
    path("fragment", views.fragment, name="fragment"),
    path("act", views_act.act, name="act"),
    path("work", views_detail.work, name="work"),
    path("definitions", views_detail.definitions, name="definitions"),
    path("agents/<str:name>", views_detail.agent, name="agent"),
    path("incidents/<row_id:pk>", views_detail.incident, name="incident"),
    path("dispatches/<row_id:pk>", views_detail.dispatch, name="dispatch"),
    path("learnings/<row_id:pk>", views_detail.learning, name="learning"),
    path("healthz", views.healthz),
    path("readyz", views.readyz),
    path("evoxctl.py", views.evoxctl),
]
