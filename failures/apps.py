from django.apps import AppConfig


class FailuresConfig(AppConfig):
    """What went wrong: the failure log, its groups, and incidents."""

    name = "failures"
    default_auto_field = "django.db.models.BigAutoField"
