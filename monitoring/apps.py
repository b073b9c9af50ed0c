from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """The eyes: stalls, escalation, uptime, the page."""

    name = "monitoring"
    default_auto_field = "django.db.models.BigAutoField"
