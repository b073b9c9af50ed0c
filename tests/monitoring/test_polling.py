"""Who polls is told the version of a moment ago, by one statement that asks who it is."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from agents.clock import db_now
from failures.models import Incident
from failures.services import incidents
from failures.services.opening import NewIncident, open_incident
from failures.states import IncidentKind
from monitoring import page_cache, page_look, page_rows, page_viewer
from monitoring.page_access import may_act, may_look
from monitoring.page_cache import FRAGMENTS, Key
from monitoring.page_look import HELD
from monitoring.page_viewer import viewer_of
from tests.monitoring.test_page import words
from tests.monitoring.world import World

pytestmark = pytest.mark.django_db
ACTING = b"Acknowledge"


@pytest.fixture(autouse=True)
def _keys_are_required(settings):
    settings.EVOX_REQUIRE_KEY = True


@pytest.fixture
def held(monkeypatch):
    """Versions are held, as outside of tests, and longer than a test takes."""
    monkeypatch.setattr(page_look, "HELD_SECONDS", 60.0)


@pytest.fixture
def lead(client):
    """Somebody who may do everything, and has polled before."""
    user = User.objects.create_superuser("lead", password="a long password")
    client.force_login(user)
    assert client.get("/fragment").status_code == 200
    return user


def trouble() -> Incident:
    new = NewIncident(kind=IncidentKind.SELF, title="EVOX's sweeper stands still", dedup_key="x")
    return open_incident(new, now=db_now()).incident


def poll(client, etag="", **headers):
    if etag:
        headers["If-None-Match"] = etag
    return client.get("/fragment", headers=headers)


def seen_now(offset=timedelta()) -> dict[str, str]:
    return {"X-Evox-Seen": str(int((db_now() + offset).timestamp() * 1000))}


def test_a_login_polls_in_one_statement_while_the_version_is_held(client, lead, held):
    etag = poll(client)["ETag"]

    with CaptureQueriesContext(connection) as asked:
        answer = poll(client, etag)

    assert answer.status_code == 304
    assert len(asked) == 1
    assert "django_session" in asked[0]["sql"]
    assert "Cookie" in answer["Vary"]


def test_a_remembered_page_is_one_statement_too(client, lead, held):
    poll(client)
    with CaptureQueriesContext(connection) as asked:
        assert poll(client).status_code == 200
    assert len(asked) == 1


def test_who_logs_out_is_refused_at_once(client, lead, held, settings):
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    client.post("/admin/logout/")
    client.cookies[settings.SESSION_COOKIE_NAME] = cookie
    assert poll(client).status_code == 302


@pytest.mark.parametrize(
    "taken",
    [
        lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
        lambda user: User.objects.filter(pk=user.pk).delete(),
        lambda user: (user.set_password("another password"), user.save()),
        lambda _: Session.objects.update(expire_date=db_now()),
        lambda _: Session.objects.update(session_data="forged"),
    ],
    ids=["deactivated", "deleted", "new password", "session ran out", "session is not ours"],
)
def test_a_login_that_is_taken_away_is_refused_at_once(client, lead, held, taken):
    assert poll(client).status_code == 200
    taken(lead)
    assert poll(client).status_code == 302
    assert poll(client).status_code == 302


def test_rights_that_are_taken_away_are_gone_at_once(client, lead, held):
    trouble()
    HELD.forget()
    before = poll(client)
    assert ACTING in before.content
    User.objects.filter(pk=lead.pk).update(is_superuser=False)
    after = poll(client, before["ETag"])
    assert after.status_code == 200
    assert ACTING not in after.content


def test_a_session_that_becomes_another_logins_is_the_others(client, lead):
    # With the same password, salt and all, so that nothing but its name tells them apart.
    other = User.objects.create_user("other")
    User.objects.filter(pk=other.pk).update(password=lead.password)
    other.refresh_from_db()
    data = Client()
    data.force_login(other)
    theirs = Session.objects.exclude(session_key=client.session.session_key).get()
    Session.objects.filter(session_key=client.session.session_key).update(
        session_data=theirs.session_data
    )
    trouble()
    answer = poll(client)
    assert answer.status_code == 200
    assert ACTING not in answer.content


def everybody():
    change = Permission.objects.get(codename="change_incident")
    view = Permission.objects.get(codename="view_incident")
    group = Group.objects.create(name="leads")
    group.permissions.add(change)
    readers = Group.objects.create(name="readers")
    readers.permissions.add(view)
    staff = {"is_staff": True}
    made = {
        "root": User.objects.create_superuser("root"),
        "root, no staff": User.objects.create_user("root2", is_superuser=True),
        "staff": User.objects.create_user("staff", **staff),
        "by itself": User.objects.create_user("self", **staff),
        "by a group": User.objects.create_user("group", **staff),
        "reader": User.objects.create_user("reader", **staff),
        "no staff": User.objects.create_user("viewer"),
        "away": User.objects.create_user("away", is_active=False, **staff),
    }
    made["by itself"].user_permissions.add(change)
    made["no staff"].user_permissions.add(change)
    made["reader"].user_permissions.add(view)
    made["by a group"].groups.add(group)
    made["reader"].groups.add(readers)
    return made


@pytest.mark.parametrize("required", [True, False])
def test_the_one_statement_says_what_django_says(settings, required):
    settings.EVOX_REQUIRE_KEY = required
    acting = set()
    for name, user in everybody().items():
        client = Client()
        client.force_login(user)
        poll(client)
        for turn in range(2):
            with CaptureQueriesContext(connection) as asked:
                request = client.get("/fragment").wsgi_request
            who = [one["sql"] for one in asked if "auth_" in one["sql"]]
            assert name == "away" or len(who) == 1, (name, turn)
            fresh = RequestFactory().get("/fragment")
            fresh.session, fresh.user = request.session, User.objects.get(pk=user.pk)
            if not user.is_active:
                fresh.user = AnonymousUser()
            fresh.COOKIES = request.COOKIES
            found = viewer_of(fresh)
            assert (found.looks, found.acts) == (may_look(fresh), may_act(fresh)), name
            acting |= {name} if found.acts else set()
    assert acting == {"root", "by itself", "by a group"}


def test_without_a_login_one_is_asked_for_and_no_statement_is_sent(client, held, lead):
    with CaptureQueriesContext(connection) as asked:
        answer = poll(Client())
    assert (answer.status_code, len(asked)) == (302, 0)
    assert answer["Location"].startswith("/admin/login/?next=/fragment")


def test_another_backend_or_kind_of_session_is_asked_as_django_does(client, lead, settings):
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.AllowAllUsersModelBackend"]
    assert poll(client).status_code == 302  # This session was another backend's.


def test_whose_the_sessions_are_is_kept_of_a_bounded_number(client, lead, monkeypatch):
    monkeypatch.setattr(page_viewer, "SESSIONS_KEPT", 2)
    for n in range(5):
        other = Client()
        other.force_login(User.objects.create_user(f"u{n}"))
        assert poll(other).status_code == 200
    assert len(page_viewer._USERS) <= 2


def test_news_come_when_the_version_is_no_longer_held_and_the_clock_goes_on(
    client, lead, held, monkeypatch
):
    first = poll(client)
    trouble()
    second = poll(client)
    assert "Nothing needs you" in words(second)
    assert int(second["X-Evox-Now"]) >= int(first["X-Evox-Now"])

    began, asked, version = HELD._last
    HELD._last = began - 61, asked, version

    third = poll(client, second["ETag"])
    assert third.status_code == 200
    assert "1 incident needs you" in words(third)
    assert abs(int(third["X-Evox-Now"]) / 1000 - db_now().timestamp()) < 5


def test_the_clock_of_a_held_version_is_the_databases(held):
    HELD.fresh()
    time.sleep(0.2)
    look = HELD.recent()
    assert abs(look.now - db_now()) < timedelta(seconds=0.15)
    assert look.now - look.asked >= timedelta(seconds=0.2)


@pytest.mark.parametrize("path", ["/", "/admin/", "/admin/health/"])
def test_who_opens_a_page_is_shown_what_is_now_and_so_is_who_polls_afterwards(
    client, lead, held, path
):
    poll(client)
    trouble()
    assert "Nothing needs you" in words(poll(client))
    assert "1 incident needs you" in words(client.get(path))
    assert "1 incident needs you" in words(poll(client))


def test_ones_own_act_is_shown_at_once(client, lead, held):
    incident = trouble()
    HELD.forget()
    assert "1 incident needs you" in words(poll(client))
    do = {"do": f"acknowledge.{incident.pk}.{incident.version}", "next": "/"}
    assert "Nothing needs you" in words(client.post("/act", do, follow=True))
    assert "Nothing needs you" in words(poll(client))


def test_nothing_older_follows_what_was_seen_whichever_process_answers(client, lead, held):
    old = poll(client)
    incident = trouble()
    # Another process has shown this page with the incident since.
    assert "Nothing needs you" in words(poll(client, **seen_now(-timedelta(minutes=1))))
    assert "1 incident needs you" in words(poll(client, **seen_now()))
    incidents.acknowledge(incident.pk, actor="MAX", now=db_now())
    assert poll(client, old["ETag"], **seen_now()).status_code == 200


@pytest.mark.parametrize("said", ["", "x", "-1", "1e5", "9" * 15, "\u0661"])
def test_what_is_no_instant_was_not_seen(client, lead, held, said):
    poll(client)
    trouble()
    assert "Nothing needs you" in words(
        poll(client, **{"X-Evox-Seen": said.encode().decode("latin-1")})
    )


def key_of(version: str, **other) -> Key:
    return Key(
        **({"version": version, "period": "24h", "role": "looks", "base": "", "bucket": 1} | other)
    )


def while_one_makes(act):
    """What `act` returns while another thread makes version 2."""
    began, go_on = Event(), Event()

    def make() -> str:
        began.set()
        assert go_on.wait(10)
        return "two"

    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(FRAGMENTS.get, key_of("2"), make, asked=db_now())
        assert began.wait(10)
        try:
            return act()
        finally:
            go_on.set()
            assert made.result(10).body == b"two"


def never() -> str:
    raise AssertionError("It is another's to make.")


def test_while_one_makes_the_page_the_others_get_the_one_before():
    now = db_now()
    FRAGMENTS.get(key_of("1"), lambda: "one", asked=now)
    found = while_one_makes(lambda: FRAGMENTS.soon(key_of("2"), never, asked=now))
    assert (found.body, found.key) == (b"one", key_of("1"))
    assert FRAGMENTS.soon(key_of("2"), never, asked=now).body == b"two"


@pytest.mark.parametrize(
    ("other", "seen"),
    [({"period": "7d"}, -1), ({"role": "acts"}, -1), ({"base": "http://x"}, -1), ({}, 1)],
)
def test_one_of_another_view_or_older_than_was_seen_is_not_given(other, seen, monkeypatch):
    monkeypatch.setattr(page_cache, "WAIT_SECONDS", 0.05)
    now = db_now()
    FRAGMENTS.get(key_of("1", **other), lambda: "one", asked=now)
    since = now + timedelta(seconds=seen)
    found = while_one_makes(
        lambda: FRAGMENTS.soon(key_of("2"), lambda: "own", asked=since, seen=since)
    )
    assert found.body == b"own"


def test_one_that_was_long_not_in_force_is_not_given(monkeypatch):
    monkeypatch.setattr(page_cache, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(page_cache, "LATE_SECONDS", 0.01)
    now = db_now()
    FRAGMENTS.get(key_of("1"), lambda: "one", asked=now)
    time.sleep(0.05)
    found = while_one_makes(lambda: FRAGMENTS.soon(key_of("2"), lambda: "own", asked=now))
    assert found.body == b"own"


def test_one_that_others_still_ask_for_stays_in_force(monkeypatch):
    monkeypatch.setattr(page_cache, "LATE_SECONDS", 0.5)
    now = db_now()
    FRAGMENTS.get(key_of("1"), lambda: "one", asked=now)
    for _ in range(4):
        time.sleep(0.2)
        FRAGMENTS.soon(key_of("1"), never, asked=now)
    found = while_one_makes(lambda: FRAGMENTS.soon(key_of("2"), never, asked=now))
    assert found.body == b"one"


def test_the_page_before_keeps_its_own_entity_tag(client, lead, monkeypatch):
    old = poll(client)
    World(db_now()).queue("Something new", ago=0)
    assert FRAGMENTS._making.acquire(timeout=1)
    try:
        again = poll(client)
        same = poll(client, old["ETag"])
    finally:
        FRAGMENTS._making.release()
    assert (again.status_code, again["ETag"], again.content) == (200, old["ETag"], old.content)
    assert (same.status_code, same["ETag"]) == (304, old["ETag"])
    assert poll(client, old["ETag"]).status_code == 200


def test_a_maker_that_fails_leaves_the_next_to_make_it():
    def fails() -> str:
        raise RuntimeError("no")

    now = db_now()
    for _ in range(2):
        with pytest.raises(RuntimeError):
            FRAGMENTS.soon(key_of("1"), fails, asked=now)
    assert FRAGMENTS.soon(key_of("1"), lambda: "one", asked=now).body == b"one"


def test_the_version_is_asked_once_for_many_polls(client, lead, held, monkeypatch):
    looks = []
    look = page_rows.look
    monkeypatch.setattr(page_rows, "look", lambda: looks.append(1) or look())
    HELD.forget()
    for _ in range(5):
        poll(client)
    assert len(looks) == 1
