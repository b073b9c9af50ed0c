"""Addresses of what was learned."""

from __future__ import annotations

from django.urls import path

from learnings.api import views

urlpatterns = [
    path("learnings", views.LearningListView.as_view()),
    path("learnings/<row_id:pk>", views.LearningDetailView.as_view()),
    path("learnings/<row_id:pk>/vote", views.LearningVoteView.as_view()),
    path("patterns", views.PatternListView.as_view()),
    path("agents/<str:name>/briefing", views.BriefingView.as_view()),
]
