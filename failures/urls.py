"""Addresses of the failure log."""

from __future__ import annotations

from django.urls import path

from failures.api import group_views, incident_views, similar_views, views

urlpatterns = [
    path("incidents/<row_id:pk>", incident_views.IncidentDetailView.as_view()),
    path("incidents/<row_id:pk>/acknowledge", incident_views.AcknowledgeView.as_view()),
    path("incidents/<row_id:pk>/snooze", incident_views.SnoozeView.as_view()),
    path("incidents/<row_id:pk>/resolve", incident_views.ResolveView.as_view()),
    path("failures", views.FailureListView.as_view()),
    path("failures/similar", similar_views.SimilarView.as_view()),
    path("failures/<row_id:pk>", views.FailureDetailView.as_view()),
    path("failure-groups", group_views.GroupListView.as_view()),
    path("failure-groups/<row_id:pk>", group_views.GroupDetailView.as_view()),
    path("failure-groups/<row_id:pk>/merge", group_views.GroupMergeView.as_view()),
    path("failure-groups/<row_id:pk>/split", group_views.GroupSplitView.as_view()),
    path("failure-groups/<row_id:pk>/undo", group_views.GroupUndoView.as_view()),
]
