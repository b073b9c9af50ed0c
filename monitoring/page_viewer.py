"""Who polls: session, login and permission in one statement, looked up anew at each poll.

Nothing of the answer is kept, so that logging out, a new password and a login that is taken away
hold at once. Kept is only whose each session was: the statement needs to know it to ask for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest, HttpResponseBase
from django.utils.crypto import constant_time_compare

from agents.services.statements import columns, fetch, instance
from monitoring.page_access import ACT, answered, is_local, may_act, may_look

BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
"""The only ones whose answer the statement below knows to give."""
SESSIONS_KEPT = 1_000

_USERS: dict[str, int] = {}


@dataclass(frozen=True)
class Viewer:
    """What somebody may."""

    looks: bool
    acts: bool


def viewer_of(request: HttpRequest) -> Viewer:
    """What who asks may, as `may_look` and `may_act` have it."""
    if not request.COOKIES.get(settings.SESSION_COOKIE_NAME):
        return Viewer(looks=is_local(request), acts=False)
    found = _known(request)
    if found is None:
        found = Viewer(looks=may_look(request), acts=may_act(request))
        _remember(request)
    return found


def for_polls(
    view: Callable[[HttpRequest, Viewer], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """As `for_viewers`, by `viewer_of`."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        def answer() -> HttpResponseBase:
            viewer = viewer_of(request)
            if not viewer.looks:
                return redirect_to_login(request.get_full_path())
            return view(request, viewer)

        return answered(request, answer)

    return guarded


def _known(request: HttpRequest) -> Viewer | None:
    """Of a session that was seen before and stands as it did; None leaves it to Django."""
    session = request.session
    key = session.session_key
    if type(session) is not SessionStore or settings.AUTHENTICATION_BACKENDS != BACKENDS:
        return None
    if key is None or key not in _USERS:
        return None
    session.accessed = True  # What is answered depends on the cookie, and caches must hear of it.
    app, _, codename = ACT.partition(".")
    rows = fetch(_statement(), {"key": key, "user": _USERS[key], "app": app, "code": codename})
    if not rows:
        return None
    data, permitted, *values = rows[0]
    user, said = instance(User, values), session.decode(data)
    if said.get(SESSION_KEY) != str(user.pk) or said.get(BACKEND_SESSION_KEY) not in BACKENDS:
        return None
    proof = said.get(HASH_SESSION_KEY, "")
    if not user.is_active or not constant_time_compare(proof, user.get_session_auth_hash()):
        return None
    return Viewer(looks=True, acts=user.is_staff and permitted)


def _remember(request: HttpRequest) -> None:
    key, user = request.session.session_key, request.user
    if key is None or user.pk is None:
        return
    if len(_USERS) >= SESSIONS_KEPT:
        _USERS.clear()
    _USERS[key] = user.pk


def forget() -> None:
    """Begin anew."""
    _USERS.clear()


@cache
def _statement() -> str:
    return f"""
SELECT s.session_data, u.is_superuser OR EXISTS (
    SELECT 1 FROM auth_permission p JOIN django_content_type t ON t.id = p.content_type_id
    WHERE t.app_label = %(app)s AND p.codename = %(code)s AND (
        EXISTS (SELECT 1 FROM auth_user_user_permissions o
                WHERE o.user_id = u.id AND o.permission_id = p.id)
        OR EXISTS (SELECT 1 FROM auth_user_groups m
                   JOIN auth_group_permissions g ON g.group_id = m.group_id
                   WHERE m.user_id = u.id AND g.permission_id = p.id))), {columns(User, of="u")}
FROM django_session s, auth_user u
WHERE s.session_key = %(key)s AND s.expire_date > clock_timestamp() AND u.id = %(user)s
"""  # noqa: S608 - columns of Django's
