"""Every address of the house."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularSwaggerSplitView

from evox import compat, compat_learn, compat_talk
from evox.schema import SchemaView
from monitoring.api.health import HealthView
from monitoring.api.metrics import MetricsView
from recovery import webhooks

handler400 = "agents.api.errors.bad_request"
handler404 = "agents.api.errors.not_found"
handler500 = "agents.api.errors.server_error"

urlpatterns = [
    path("logFailure", compat.LogFailure.as_view()),
    path("logIncident", compat.LogIncident.as_view()),
    path("getNextDispatchForAgent", compat.NextDispatch.as_view()),
    path("markDispatchRunning", compat.MarkRunning.as_view()),
    path("markDispatchCompleted", compat.MarkCompleted.as_view()),
    path("markDispatchFailed", compat.MarkFailed.as_view()),
    path("createDispatch", compat.CreateDispatch.as_view()),
    path("api/heartbeat", compat.Heartbeat.as_view()),
    path("reportBlocked", compat_talk.ReportBlocked.as_view()),
    path("postToChannel", compat_talk.PostToChannel.as_view()),
    path("v2/sendMessage", compat_talk.SendMessage.as_view()),
    path("v2/getMessages", compat_talk.GetMessages.as_view()),
    path("alerts", compat_talk.Alerts.as_view()),
    path("alerts/acknowledge", compat_talk.AcknowledgeAlert.as_view()),
    path("learnings", compat_learn.Learnings.as_view()),
    path("submitLearning", compat_learn.SubmitLearning.as_view()),
    path("bootContext", compat_learn.BootContext.as_view()),
    path("systemHealth", compat_learn.SystemHealth.as_view()),
    path("api/v1/health", HealthView.as_view()),
    path("metrics", MetricsView.as_view()),
    path("", include("monitoring.urls")),
    path("api/v1/", include("recovery.urls")),
    path("api/v1/", include("agents.urls")),
    path("api/v1/", include("failures.urls")),
    path("api/v1/", include("learnings.urls")),
    path(
        "api/schema/",
        SchemaView.as_view(authentication_classes=[], permission_classes=[]),
        name="schema",
    ),
    path(
        "api/docs/",
        SpectacularSwaggerSplitView.as_view(
            authentication_classes=[], permission_classes=[], http_method_names=["get", "head"]
        ),
        name="docs",
    ),
    path("github-webhook", webhooks.github),
    path("webhook/github", webhooks.github),
    path("admin/", admin.site.urls),
]
