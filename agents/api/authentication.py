"""Who calls: a key, a session, or, on a loopback server that allows it, anybody on the machine."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from agents.api import known_keys
from agents.callers import LOCAL_CALLER, PAGE_CALLER, Caller, CallerKind
from agents.models import Agent, AgentKey
from agents.services.statements import columns, fetch, instance

LOOPBACK = ("127.", "::1", "::ffff:127.")
FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP")


class AgentKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key>`, an agent's or an operator's."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """The caller whose key this is; None without the header; raises AuthenticationFailed."""
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() != "bearer" or not key.strip():
            raise AuthenticationFailed("Send the key as: Authorization: Bearer <key>.")
        return _caller_of_key(key.strip()), key

    def authenticate_header(self, request: Request) -> str:
        """Makes a missing key 401 rather than 403."""
        return 'Bearer realm="evox"'


def _caller_of_key(key: str) -> Caller:
    row = _live_key(key.partition(".")[0].replace("\x00", ""))
    if row is None or not row.is_valid(key) or row.has_expired:
        raise AuthenticationFailed("This key is unknown or was revoked.")
    if row.agent is None:
        return Caller(kind=CallerKind.OPERATOR, name=row.name)
    if row.agent.retired_at is not None:
        raise AuthenticationFailed(f"{row.agent.name} is retired.")
    known_keys.remember(key, row)
    return Caller(kind=CallerKind.AGENT, name=row.agent.name, agent=row.agent)


def _live_key(prefix: str) -> AgentKey | None:
    """The key of that prefix with its agent: every call asks, and Django took long to say it."""
    sql = f"""SELECT {columns(AgentKey, of="k")}, {columns(Agent, of="a")}
        FROM agents_agentkey k LEFT JOIN agents_agent a ON a.id = k.agent_id
        WHERE k.prefix = %(prefix)s AND NOT k.revoked"""  # noqa: S608 - columns of ours
    found = fetch(sql, {"prefix": prefix})
    if not found:
        return None
    width = len(AgentKey._meta.concrete_fields)
    row = instance(AgentKey, found[0][:width])
    row.agent = None if row.agent_id is None else instance(Agent, found[0][width:])
    return row


class StaffSessionAuthentication(SessionAuthentication):
    """A login of the admin: staff may operate, others only read. Writes need the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """The caller of this session; None without one."""
        found = super().authenticate(request)
        if found is None:
            return None
        user = found[0]
        kind = CallerKind.OPERATOR if user.is_staff else CallerKind.VIEWER
        return Caller(kind=kind, name=user.get_username()), None

    def authenticate_header(self, request: Request) -> str:
        """As the key's."""
        return 'Bearer realm="evox"'


class LoopbackAuthentication(BaseAuthentication):
    """No key on the own machine. A browser's cross-site write gives itself away and is refused."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """The local caller; None where a key is required or the call came from elsewhere."""
        if settings.EVOX_REQUIRE_KEY or not _from_this_machine(request):
            return None
        if not _from_a_page(request):
            return LOCAL_CALLER, None
        if request.method not in SAFE_METHODS:
            raise PermissionDenied("A web page can't write without a key.")
        return PAGE_CALLER, None


def _from_this_machine(request: Request) -> bool:
    # A proxy on this machine would make the whole world look local.
    if any(header in request.META for header in FORWARDED):
        return False
    address = str(request.META.get("REMOTE_ADDR", ""))
    return address.startswith(LOOPBACK)


def _from_a_page(request: Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site", "none")
    return "Origin" in request.headers or site != "none"


def caller_of(request: Request) -> Caller:
    """Who calls. DRF's stubs know users only; every authenticator here yields a Caller."""
    return cast("Caller", request.user)


class KnownCaller(BasePermission):
    """Anybody who is known may read; all but viewers may write."""

    message = "A login without staff rights reads only."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether this caller may use this method."""
        caller: object = request.user
        if not isinstance(caller, Caller):
            return False
        return caller.may_write or request.method in SAFE_METHODS


class OperatorOnly(BasePermission):
    """Verbs for people: a staff session, an operator key, or the local operator."""

    message = "This is an operator's to do."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether this caller operates EVOX."""
        caller: object = request.user
        return isinstance(caller, Caller) and caller.may_operate
