"""Addresses of the failure log."""

from __future__ import annotations

from django.urls import path

from failures.api import views

urlpatterns = [
    path("failures", views.FailureListView.as_view()),
    path("failures/<row_id:pk>", views.FailureDetailView.as_view()),
    path("failure-groups", views.GroupListView.as_view()),
    path("failure-groups/<row_id:pk>", views.GroupDetailView.as_view()),
]
