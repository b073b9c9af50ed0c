"""Addresses of what was learned."""

from __future__ import annotations

from django.urls import path

from learnings.api import revision_views, verb_views, views

urlpatterns = [
    path("learnings", views.LearningListView.as_view()),
    path("learnings/<row_id:pk>", views.LearningDetailView.as_view()),
    path("learnings/<row_id:pk>/vote", views.LearningVoteView.as_view()),
    path("learning-revisions", revision_views.RevisionListView.as_view()),
    path("learning-revisions/<row_id:pk>/approve", revision_views.RevisionApproveView.as_view()),
    path("learning-revisions/<row_id:pk>/reject", revision_views.RevisionRejectView.as_view()),
    path("learnings/<row_id:pk>/approve", verb_views.ApproveView.as_view()),
    path("learnings/<row_id:pk>/reject", verb_views.RejectView.as_view()),
    path("learnings/<row_id:pk>/retire", verb_views.RetireView.as_view()),
    path("learnings/retire-derived", verb_views.RetireDerivedView.as_view()),
    path("learnings/injection", verb_views.InjectionView.as_view()),
    path("patterns", views.PatternListView.as_view()),
    path("agents/<str:name>/briefing", views.BriefingView.as_view()),
]
