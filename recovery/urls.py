"""Addresses of the three R's."""

from __future__ import annotations

from django.urls import path

import agents.urls  # noqa: F401 - registers the converter row_id
from recovery import webhooks
from recovery.api import incident_views, operator_views, rollback_views, views

urlpatterns = [
    path("incidents", incident_views.IncidentListView.as_view()),
    path("dispatches/claim", views.ClaimView.as_view()),
    path("dispatches/<row_id:pk>/progress", views.ProgressView.as_view()),
    path("dispatches/<row_id:pk>/complete", views.CompleteView.as_view()),
    path("dispatches/<row_id:pk>/fail", views.FailView.as_view()),
    path("dispatches/<row_id:pk>/block", views.BlockView.as_view()),
    path("dispatches/<row_id:pk>/retry", operator_views.RetryView.as_view()),
    path("dispatches/<row_id:pk>/cancel", operator_views.CancelView.as_view()),
    path("dispatches/<row_id:pk>/reassign", operator_views.ReassignView.as_view()),
    path("dispatches/<row_id:pk>/unblock", operator_views.UnblockView.as_view()),
    path("agents/<str:name>/heartbeat", views.HeartbeatView.as_view()),
    path("rollbacks/policy", rollback_views.PolicyView.as_view()),
    path("rollbacks/pause", rollback_views.PauseView.as_view()),
    path("rollbacks/resume", rollback_views.ResumeView.as_view()),
    path("webhooks/github", webhooks.github),
]
