from django.apps import AppConfig


class AgentsConfig(AppConfig):
    """The ground floor: who works, on what, and what they say."""

    name = "agents"
    default_auto_field = "django.db.models.BigAutoField"
