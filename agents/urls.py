"""Addresses of the ground floor."""

from __future__ import annotations

from django.urls import path, register_converter

from agents.api import pause_views, views


class RowIdConverter:
    """A row's id: a whole number that fits PostgreSQL's bigint."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        """The number."""
        return int(value)

    def to_url(self, value: int) -> str:
        """The digits."""
        return str(value)


register_converter(RowIdConverter, "row_id")

urlpatterns = [
    path("agents", views.AgentListView.as_view()),
    path("agents/<str:name>", views.AgentDetailView.as_view()),
    path("agents/<str:name>/pause", pause_views.AgentPauseView.as_view()),
    path("agents/<str:name>/resume", pause_views.AgentResumeView.as_view()),
    path("pause", pause_views.PauseAllView.as_view()),
    path("resume", pause_views.ResumeAllView.as_view()),
    path("pauses", pause_views.PauseListView.as_view()),
    path("dispatches", views.DispatchListView.as_view()),
    path("dispatches/<row_id:pk>", views.DispatchDetailView.as_view()),
    path("messages", views.MessageListView.as_view()),
    path("messages/<row_id:pk>/read", views.MessageReadView.as_view()),
]
