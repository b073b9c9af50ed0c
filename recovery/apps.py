from django.apps import AppConfig


class RecoveryConfig(AppConfig):
    """The three R's: retry, revert, review."""

    name = "recovery"
    default_auto_field = "django.db.models.BigAutoField"
