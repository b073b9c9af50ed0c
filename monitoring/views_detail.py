"""What the page links to: an agent, an incident, a dispatch, a learning, all work, definitions."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from agents import queries as agent_queries
from agents.clock import db_now
from agents.errors import NotFoundError
from agents.models import Dispatch
from agents.states import DispatchStatus
from failures.models import Incident
from failures.states import IncidentKind, IncidentStatus
from learnings import queries as learning_queries
from learnings.policy.effect_words import said_of
from learnings.services.effects import latest
from learnings.states import LearningStatus
from monitoring import page_detail, page_incidents, page_rows
from monitoring.marks import DISPATCH_MARKS, LEARNING_MARKS
from monitoring.needs import ADVICE
from monitoring.page_access import for_viewers, may_act
from monitoring.page_words import EXPLAINED
from monitoring.page_work import work as all_work
from monitoring.views_act import SNOOZES
from recovery.dispatch_page import page_of


@for_viewers
def work(request: HttpRequest) -> HttpResponse:
    """Dispatches with every try, and failures that repeat."""
    now = db_now()
    context = {
        "work": all_work(now=now),
        "now": now,
        "base": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "monitoring/work.html", context)


@for_viewers
def definitions(request: HttpRequest) -> HttpResponse:
    """What each number counts."""
    return render(request, "monitoring/definitions.html", {"definitions": EXPLAINED})


@for_viewers
def agent(request: HttpRequest, name: str) -> HttpResponse:
    """How an agent stands, what it did last, and what went wrong."""
    try:
        found = agent_queries.agent_named(name)
    except NotFoundError as error:
        return _unknown(request, error)
    now = db_now()
    context = {"it": page_detail.agent_page(found, now=now), "now": now, **_rights(request)}
    return render(request, "monitoring/agent.html", context)


@for_viewers
def incident(request: HttpRequest, pk: int) -> HttpResponse:
    """An incident: who was told, what comes next, what happened, and the verbs for who may act."""
    found = Incident.objects.select_related("agent", "dispatch").filter(pk=pk).first()
    if found is None:
        return _unknown(request, NotFoundError(f"There is no incident INC-{pk}."))
    now = db_now()
    events, older = page_incidents.timeline_of(found)
    context = {
        "incident": found,
        "row": page_incidents.row_of(found, now=now),
        "told": page_rows.told([found]).get(found.pk),
        "advice": ADVICE.get(IncidentKind(found.kind), ""),
        "events": events,
        "older": older,
        "open": found.status != IncidentStatus.RESOLVED,
        "may_acknowledge": found.status == IncidentStatus.OPEN,
        "snoozes": SNOOZES,
        "now": now,
        **_rights(request),
    }
    return render(request, "monitoring/incident.html", context)


@for_viewers
def dispatch(request: HttpRequest, pk: int) -> HttpResponse:
    """A dispatch with its attempts side by side, and all that happened to it."""
    found = Dispatch.objects.select_related("agent").filter(pk=pk).first()
    if found is None:
        return _unknown(request, NotFoundError(f"There is no dispatch {pk}."))
    now = db_now()
    context = {
        "dispatch": found,
        "mark": DISPATCH_MARKS[DispatchStatus(found.status)],
        "history": page_of(found, now=now),
        "now": now,
        **_rights(request),
    }
    return render(request, "monitoring/dispatch.html", context)


@for_viewers
def learning(request: HttpRequest, pk: int) -> HttpResponse:
    """What the team learned, and whether it helped."""
    try:
        found = learning_queries.learning_by_id(pk)
    except NotFoundError as error:
        return _unknown(request, error)
    context = {
        "learning": found,
        "effect": said_of(latest(found)),
        "mark": LEARNING_MARKS[LearningStatus(found.status)],
        "now": db_now(),
        **_rights(request),
    }
    return render(request, "monitoring/learning.html", context)


def _rights(request: HttpRequest) -> dict[str, object]:
    user = request.user
    return {
        "may_act": may_act(request),
        "staff": bool(user.is_authenticated and user.is_staff),
        "here": request.get_full_path(),
    }


def _unknown(request: HttpRequest, error: NotFoundError) -> HttpResponse:
    context = {"said": str(error), "now": db_now()}
    return render(request, "monitoring/unknown.html", context, status=404)
