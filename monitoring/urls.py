"""Addresses of the eyes."""

urlpatterns: list[object] = []
