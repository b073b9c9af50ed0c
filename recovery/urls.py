"""Addresses of the three R's."""

urlpatterns: list[object] = []
