"""Addresses of the eyes."""

from __future__ import annotations

from django.urls import path

from monitoring import views

urlpatterns = [
    path("", views.home, name="home"),
    path("fragment", views.fragment, name="fragment"),
    path("healthz", views.healthz),
    path("readyz", views.readyz),
    path("evoxctl.py", views.evoxctl),
]
