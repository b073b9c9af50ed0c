"""What the tests of the flat paths share: golden files, calls, and what varies from run to run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from rest_framework.test import APIClient

from agents.clock import db_now
from agents.models import Agent, Dispatch
from agents.services.agents import seed_team
from agents.services.dispatches import NewDispatch, create_dispatch

GOLDEN = Path(__file__).parent / "golden"
IDS = {"id", "dispatchId", "incidentId", "learningId", "groupId", "failureId", "number", "slug"}
MEASURED = {"timestamp", "unknownSeconds", "coverage"}
"""What grows with each second since the small world was made, too."""
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def flat(method: str, path: str, body: Any = None, **extra: Any) -> Any:
    """One call of a flat path: GETs by query, POSTs by JSON."""
    client = APIClient(raise_request_exception=False)
    raw = b"" if body is None else json.dumps(body).encode()
    return client.generic(method, path, raw, content_type="application/json", **extra)


def by_query(call: dict[str, Any]) -> Any:
    """The same call with its arguments as query parameters and an empty body."""
    return flat(call["method"], f"{call['path']}?{urlencode(call.get('body') or call['query'])}")


def by_body(call: dict[str, Any]) -> Any:
    """The call as its golden file has it."""
    if call["method"] == "GET":
        return by_query(call)
    return flat(call["method"], call["path"], call["body"])


def small_world() -> dict[str, int]:
    """The team, a dispatch for SAM and an incident of SAM's; ids by their names in the files."""
    now = db_now()
    seed_team(now=now)
    new = NewDispatch(
        title="Build the app",
        command="npm run build",
        agent=Agent.objects.get(name="SAM"),
        ticket_id="AGT-1",
    )
    dispatch = create_dispatch(new, actor="MAX", now=now)
    body = {"agentName": "SAM", "message": "The disk is full.", "level": "error"}
    incident = flat("POST", "/logIncident", body).json()["incidentId"]
    return {"$dispatch": dispatch.pk, "$incident": incident}


def filled(call: dict[str, Any], ids: dict[str, int]) -> dict[str, Any]:
    """The call with this run's ids for their names."""
    return {
        part: {k: ids.get(v, v) if isinstance(v, str) else v for k, v in value.items()}
        if isinstance(value, dict)
        else value
        for part, value in call.items()
    }


def settled(value: Any, name: str = "") -> Any:
    """The answer without what varies: ids, instants, and what a run measures."""
    if isinstance(value, dict):
        return {key: settled(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [settled(inner) for inner in value]
    if name in IDS and value is not None:
        return f"<{name}>"
    if name in MEASURED:
        return f"<{name}>"
    if isinstance(value, str) and INSTANT.fullmatch(value):
        return "<instant>"
    return value


def status_of(pk: int) -> str:
    """Where a dispatch stands."""
    return str(Dispatch.objects.get(pk=pk).status)
