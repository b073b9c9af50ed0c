"""Reading agents, work and messages."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.lookups import Exact

from agents.errors import NotFoundError
from agents.models import Agent, Attempt, Channel, Dispatch, Message, Pause, SystemBeat
from agents.states import AgentRole, DispatchStatus


def agent_named(name: str) -> Agent:
    """The agent of that name, in any case; raises NotFoundError."""
    agent = None if "\x00" in name else Agent.objects.filter(name=name.upper()).first()
    if agent is None:
        raise NotFoundError(f"There is no agent called {name.upper()[:32]}.")
    return agent


def active_agents() -> QuerySet[Agent]:
    """Everybody who is not retired."""
    return Agent.objects.filter(retired_at__isnull=True)


def described(agents: QuerySet[Agent], *, now: datetime) -> QuerySet[Agent]:
    """Agents with what their representation needs: their work, and the pause that ends last."""
    work = Dispatch.objects.filter(agent=OuterRef("pk"), status=DispatchStatus.RUNNING.value)
    pauses = Pause.objects.running(now=now).holding(OuterRef("pk")).order_by("-until", "-id")
    return agents.annotate(
        current_dispatch_id=Subquery(work.order_by("-id").values("id")[:1]),
        paused_until=Subquery(pauses.values("until")[:1]),
        pause_reason=Subquery(pauses.values("reason")[:1]),
    )


def lead(*, now: datetime) -> Agent | None:
    """Who hears of trouble first: EVOX_LEAD, else the first lead; one that is paused comes last."""
    return _in_turn(_leads(), settings.EVOX_LEAD, now=now).first()


def is_lead(agent: Agent) -> bool:
    """Whether it leads, by its role or by EVOX_LEAD, paused or not."""
    return _leads().filter(pk=agent.pk).exists()


def reviewers(*, now: datetime) -> QuerySet[Agent]:
    """Who reviews, in turn: EVOX_REVIEWER, then those with the role; who is paused comes last."""
    named = Q(name=settings.EVOX_REVIEWER.upper())
    everybody = active_agents().filter(named | Q(role=AgentRole.REVIEWER.value))
    return _in_turn(everybody, settings.EVOX_REVIEWER, now=now)


def _leads() -> QuerySet[Agent]:
    named = Q(name=settings.EVOX_LEAD.upper())
    return active_agents().filter(named | Q(role=AgentRole.LEAD.value))


def _in_turn(agents: QuerySet[Agent], name: str, *, now: datetime) -> QuerySet[Agent]:
    paused = Exists(Pause.objects.running(now=now).holding(OuterRef("pk")))
    return agents.order_by(paused.asc(), Exact(F("name"), name.upper()).desc(), "id")


def dispatches() -> QuerySet[Dispatch]:
    """Dispatches with what their representation needs."""
    return Dispatch.objects.select_related("agent").prefetch_related("attempts__agent")


def dispatch_by_id(pk: int) -> Dispatch:
    """That dispatch; raises NotFoundError."""
    dispatch = dispatches().filter(pk=pk).first()
    if dispatch is None:
        raise NotFoundError(f"There is no dispatch {pk}.")
    return dispatch


def attempts_of(dispatch: Dispatch) -> list[Attempt]:
    """All attempts of a dispatch, the first one first."""
    return list(dispatch.attempts.select_related("agent").order_by("lease_epoch"))


def current_work(agent: Agent) -> Dispatch | None:
    """What the agent holds a lease of, the newest first."""
    return Dispatch.objects.filter(status="running", agent=agent).order_by("-id").first()


def channel_named(name: str) -> Channel:
    """The channel of that name, with or without its #; raises NotFoundError."""
    known = Channel.objects.filter(name=name.removeprefix("#").lower())
    channel = None if "\x00" in name else known.first()
    if channel is None:
        raise NotFoundError(f"There is no channel called {name[:64]}.")
    return channel


def messages() -> QuerySet[Message]:
    """Messages with what their representation needs, the newest first."""
    return Message.objects.select_related("to_agent", "channel").order_by("-id")


def latest_beats() -> dict[str, datetime]:
    """When each part of EVOX last did its round."""
    return dict(SystemBeat.objects.values_list("name", F("at")))


def mentions_of(agent: Agent, *, now: datetime) -> QuerySet[Message]:
    """Where channels named the agent (@NAME) in the last seven days, the newest first."""
    since = now - timedelta(days=7)
    return messages().filter(
        channel__isnull=False, created_at__gte=since, text__iregex=rf"@{agent.name}\y"
    )
