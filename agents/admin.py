"""The admin of the ground floor, and what the admins above share."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from agents import admin_outbox  # noqa: F401 - registers what leaves EVOX
from agents.admin_base import (
    HistoryAdmin,
    ModelAdmin,
    ModelForm,
    RecentValuesFilter,
    TabularInline,
    stamp,
)
from agents.admin_pauses import AGENT_ACTIONS
from agents.clock import db_now
from agents.errors import EvoxError, InvalidInputError
from agents.models import (
    Agent,
    AgentKey,
    AgentSession,
    AuditEntry,
    Channel,
    IdempotencyRecord,
    Message,
    SystemBeat,
)
from agents.services.agents import clean_name, create_key, retire_agent

# What the admins above this floor share, under the name of the floor.
__all__ = ["HistoryAdmin", "ModelAdmin", "ModelForm", "TabularInline", "stamp"]


class RetiredFilter(admin.SimpleListFilter):
    """The team, or those who left it."""

    title = "membership"
    parameter_name = "retired"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The choices."""
        return [("no", "On the team"), ("yes", "Retired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of the choice."""
        if self.value() is None:
            return queryset
        return queryset.filter(retired_at__isnull=self.value() == "no")


class AgentForm(ModelForm):
    """An agent's name is upper-cased and checked as the API does."""

    class Meta:
        model = Agent
        fields = ["name", "role", "skills", "heartbeat_seconds", "heartbeat_grace_seconds"]

    def clean_name(self) -> str:
        """The name as the API would write it."""
        try:
            return clean_name(self.cleaned_data["name"])
        except InvalidInputError as error:
            raise ValidationError(str(error)) from error


@admin.register(Agent)
class AgentAdmin(ModelAdmin):
    """The team: retired, never deleted."""

    form = AgentForm
    list_display = ["name", "role", "status", "skills", "last_seen_at", "retired_at"]
    list_filter = ["role", "status", RetiredFilter]
    search_fields = ["name", "skills"]
    show_full_result_count = False
    actions = ["retire", *AGENT_ACTIONS]
    readonly_fields = ["status", "last_seen_at", "created_at", "retired_at"]
    fields = [*AgentForm.Meta.fields, *readonly_fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Agent | None = None) -> list[str]:
        """A name is for life."""
        return [*self.readonly_fields, *(["name"] if obj else [])]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never: its history would lose its author."""
        return False

    def save_model(self, request: HttpRequest, obj: Agent, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        """A new agent begins now."""
        if not change:
            obj.created_at = db_now()
        super().save_model(request, obj, form, change)

    @admin.action(
        description="Retire selected agents (their keys end, their history stays)",
        permissions=["change"],
    )
    def retire(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        """Take them out of the team."""
        for agent in queryset:
            retire_agent(agent, now=db_now())
            self.log_change(request, agent, "Retired.")
        self.message_user(request, f"Retired: {', '.join(a.name for a in queryset)}.")


class KeyForm(ModelForm):
    """For whom the key is; the key itself is made, not typed."""

    class Meta:
        model = AgentKey
        fields = ["agent", "name"]
        labels = {"name": "Label"}
        help_texts = {"agent": "Empty makes an operator's key.", "name": "Tells keys apart."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "name" in self.fields:  # Someone who may only look gets no fields.
            self.fields["name"].required = False


@admin.register(AgentKey)
class AgentKeyAdmin(HistoryAdmin):
    """Keys: made here and shown once, revoked by action, never edited."""

    form = KeyForm
    list_display = ["prefix", "agent", "name", "created", "revoked"]
    list_filter = ["revoked", "agent"]
    list_select_related = ["agent"]
    search_fields = ["prefix", "name", "agent__name"]
    date_hierarchy = "created"
    actions = ["revoke"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """The hash is nobody's business."""
        return ["prefix", "agent", "name", "created", "revoked"] if obj else ["agent", "name"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """As Django's permissions say."""
        return bool(admin.ModelAdmin.has_add_permission(self, request))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Make a key; an agent that has two already hears so instead of an error page."""
        try:
            return super().add_view(request, form_url, extra_context)
        except EvoxError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:agents_agentkey_changelist"))

    def save_model(self, request: HttpRequest, obj: AgentKey, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        """Make the key and show it, this once."""
        key = create_key(obj.agent, label=obj.name)
        made = AgentKey.objects.get(prefix=key.partition(".")[0])
        obj.__dict__.update(made.__dict__)
        self.message_user(request, f"The key, shown this once: {key}", messages.WARNING)

    @admin.action(description="Revoke selected keys, at once", permissions=["operate"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[AgentKey]) -> None:
        """End them; a revoked key never works again."""
        revoked = list(queryset.filter(revoked=False))
        queryset.update(revoked=True)
        for key in revoked:
            self.log_change(request, key, "Revoked.")
        self.message_user(request, f"Revoked: {len(revoked)}.")


@admin.register(AgentSession)
class AgentSessionAdmin(HistoryAdmin):
    """Process starts of agents."""

    list_display = ["id", "agent", "started_at", "last_seen_at", "ended_at"]
    list_filter = ["agent"]
    list_select_related = ["agent"]
    search_fields = ["agent__name"]
    date_hierarchy = "started_at"


@admin.register(Channel)
class ChannelAdmin(ModelAdmin):
    """Where many read."""

    list_display = ["name", "description", "created_at"]
    search_fields = ["name", "description"]
    show_full_result_count = False
    fields = ["name", "description"]

    def get_readonly_fields(self, request: HttpRequest, obj: Channel | None = None) -> list[str]:
        """Agents write to a channel by its name."""
        return ["name"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Its messages are history."""
        return False

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        """A new channel begins now."""
        if not change:
            obj.created_at = db_now()
        super().save_model(request, obj, form, change)


@admin.register(Message)
class MessageAdmin(HistoryAdmin):
    """What was said."""

    list_display = ["id", "sender", "to_agent", "channel", "priority", "start", "created_at"]
    list_filter = ["channel", "to_agent", "priority"]
    list_select_related = ["to_agent", "channel"]
    search_fields = ["sender", "text"]
    date_hierarchy = "created_at"

    @admin.display(description="text")
    def start(self, message: Message) -> str:
        """Its first words."""
        return message.text[:120]


@admin.register(AuditEntry)
class AuditEntryAdmin(HistoryAdmin):
    """Who did what, and why."""

    list_display = ["at", "actor", "verb", "subject_kind", "subject_id", "reason"]
    list_filter = [("verb", RecentValuesFilter), ("subject_kind", RecentValuesFilter)]
    search_fields = ["actor", "verb", "=subject_id"]
    date_hierarchy = "at"


@admin.register(SystemBeat)
class SystemBeatAdmin(HistoryAdmin):
    """When each part of EVOX last did its round."""

    list_display = ["name", "at"]


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(HistoryAdmin):
    """Calls that may be repeated. Their answers are the callers' and not shown."""

    list_display = ["key", "scope", "status", "created_at"]
    search_fields = ["key", "scope"]
    date_hierarchy = "created_at"
    fields = ["scope", "key", "status", "created_at"]
