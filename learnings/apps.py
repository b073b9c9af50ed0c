from django.apps import AppConfig


class LearningsConfig(AppConfig):
    """Patterns and what was learned from them."""

    name = "learnings"
    default_auto_field = "django.db.models.BigAutoField"
