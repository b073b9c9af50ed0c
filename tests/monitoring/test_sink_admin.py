"""Administrators keep sinks; an address or a secret is shown to nobody who need not see it."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from standardwebhooks import Webhook

from agents import policy_sinks
from agents.models import AuditEntry, Delivery, Message, Sink
from agents.services import sinks
from agents.states import SinkKind
from failures.models import Incident
from failures.services.opening import NewIncident, open_incident
from failures.states import IncidentKind
from monitoring.services import sender
from tests.monitoring.outbox_world import SECRET, T0, channel, only, say, sink, states
from tests.monitoring.receiver import receiver

pytestmark = pytest.mark.django_db

SLACK = "slack://tokenA/tokenB/tokenC/#general"
PATH = "https://hooks.example.com/services/s3cr3t?key=hunter2"


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_superuser("MAXINE"))
    return client


def address(page, *args, model=Sink):
    return reverse(f"admin:agents_{model._meta.model_name}_{page}", args=args)


def add(client, **over):
    form = {
        "name": "phone",
        "channel": channel().pk,
        "kind": "webhook",
        "url": PATH,
        "secret": "",
        "is_active": "on",
    }
    return client.post(address("add"), form | over, follow=True)


def said(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def act(client, verb, *rows):
    data = {"action": verb, "_selected_action": [row.pk for row in rows]}
    return client.post(address("changelist", model=type(rows[0])), data, follow=True)


def dead(**fields) -> Delivery:
    say(**fields)
    Delivery.objects.filter(state="pending").update(state="dead", finished_at=T0)
    return Delivery.objects.latest("id")


def test_a_webhook_without_a_secret_gets_one_that_is_shown_this_once(staff):
    response = add(staff)
    found = Sink.objects.get()
    assert any(found.secret in line for line in said(response))
    assert Webhook(found.secret).sign("id", T0, "{}").startswith("v1,")
    for page in (address("changelist"), address("change", found.pk)):
        assert found.secret not in staff.get(page).content.decode()


def test_a_secret_of_ones_own_is_kept_and_not_shown(staff):
    response = add(staff, secret=SECRET)
    assert Sink.objects.get().secret == SECRET
    assert SECRET not in "".join(said(response))


@pytest.mark.parametrize("secret", ["x", "whsec_", "whsec_!!!!", "whsec_c2hvcnQ=", SECRET[6:]])
def test_a_secret_that_signs_nothing_is_refused(staff, secret):
    assert add(staff, secret=secret).context["errors"]
    assert not Sink.objects.exists()


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("webhook", "ftp://a.b/"),
        ("webhook", "https://"),
        ("webhook", "https://a.b:99999/"),
        ("webhook", "https://a b/"),
        ("webhook", "slack://a/b/c"),
        ("apprise", "syslog://x"),
        ("apprise", "DBUS://x"),
        ("apprise", "hello"),
        ("apprise", "json://a\u202eb"),
    ],
)
def test_an_address_that_can_not_be_a_sinks_is_an_error_of_the_form(staff, kind, url):
    assert add(staff, kind=kind, url=url).context["errors"]
    assert not Sink.objects.exists()


def test_an_apprise_sink_has_no_secret(staff):
    assert add(staff, kind="apprise", url=SLACK, secret=SECRET).context["errors"]
    add(staff, kind="apprise", url=SLACK)
    assert Sink.objects.get().secret == ""
    found = Sink.objects.get()
    form = {"name": "phone", "kind": "webhook", "url": PATH, "is_active": "on"}
    assert staff.post(address("change", found.pk), form).context["errors"]


@pytest.mark.parametrize(
    ("kind", "url", "shown"),
    [
        ("webhook", PATH, "https://hooks.example.com/…"),
        ("webhook", "http://u:p@h.example:8080/x", "http://h.example:8080/…"),
        ("apprise", SLACK, "slack://…"),
        ("apprise", "mailto://me:pw@mail.example", "mailto://…"),
        ("apprise", "tgram://[", "…"),
    ],
)
def test_of_an_address_only_what_is_no_password_is_shown(kind, url, shown):
    assert policy_sinks.masked(SinkKind(kind), url) == shown


def test_the_address_is_whole_for_who_may_change_it_and_masked_for_all_others(staff, client):
    found = sink(PATH)
    assert "hunter2" in staff.get(address("change", found.pk)).content.decode()
    assert "hunter2" not in staff.get(address("changelist")).content.decode()
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_sink"))
    client.force_login(viewer)
    for page in (address("changelist"), address("change", found.pk)):
        html = client.get(page).content.decode()
        assert "hooks.example.com" in html
        assert "hunter2" not in html
        assert "s3cr3t" not in html
    assert client.post(address("change", found.pk), {"url": "https://x.y/"}).status_code == 403
    assert "send_test" not in client.get(address("changelist")).content.decode()


def test_a_change_leaves_no_address_in_the_log(staff):
    found = sink(PATH)
    form = {"name": "phone", "kind": "webhook", "url": PATH + "2", "is_active": "on"}
    assert staff.post(address("change", found.pk), form).status_code == 302
    found.refresh_from_db()
    assert (found.url, found.secret) == (PATH + "2", SECRET)
    assert "hunter2" not in "".join(entry.change_message for entry in LogEntry.objects.all())


def test_a_new_secret_is_shown_once_and_signs_from_now_on(staff):
    found = sink()
    response = act(staff, "renew_secret", found, sink(SLACK, kind=SinkKind.APPRISE))
    found.refresh_from_db()
    assert found.secret != SECRET
    assert [found.secret in line for line in said(response)] == [True]
    assert AuditEntry.objects.get().verb == "new_secret"


def test_a_test_goes_to_the_chosen_sink_alone(staff):
    chosen, other = sink(), sink()
    act(staff, "send_test", chosen)
    assert (only().sink, only().state) == (chosen, "pending")
    assert Message.objects.get().text == f"A test of the sink {chosen.name}, asked for by MAXINE."
    assert not other.deliveries.exists()
    assert AuditEntry.objects.get().verb == "test"


def test_a_sink_that_is_turned_off_gets_no_test(staff):
    off = sink(is_active=False)
    assert said(act(staff, "send_test", off)) == [f"{off.name} is turned off."]
    assert not Message.objects.exists()


def test_a_dead_one_goes_again_once_with_another_key(staff):
    found = sink()
    old = dead(about=("incident", 4))
    response = act(staff, "send_again", old)
    assert said(response) == ["On their way again: 1."]
    new = Delivery.objects.latest("id")
    assert (new.round, new.state, new.attempts) == (1, "pending", 0)
    assert new.idempotency_key == f"msg-{old.message_id}-{found.pk}-1"
    assert new.cancel_key == "incident:4"
    assert "Left out" in said(act(staff, "send_again", old, new))[0]
    assert states() == ["dead", "pending"]
    assert AuditEntry.objects.get().verb == "send_again"


def test_what_arrives_in_its_second_round_resolves_the_incident(settings):
    settings.EVOX_SINK_ALLOW = ("127.0.0.1",)
    with receiver() as hook:
        found = sink(hook.url)
        row = dead()
        new = NewIncident(
            kind=IncidentKind.DELIVERY_DEAD, title="dead", dedup_key=f"delivery-dead:{found.pk}"
        )
        open_incident(new, now=T0)
        say("something else")
        sender.send_due(threads=1)
        assert Incident.objects.get().status == "open", "The dead one did not arrive yet."
        sinks.send_again(row.pk, actor="MAX", now=T0)
        sender.send_due(threads=1)
    assert Incident.objects.get().status == "resolved"
    assert len(set(hook.keys())) == len(hook.got) == 2


def test_deliveries_are_filtered_and_found(staff):
    found = sink()
    dead()
    say()
    for query, count in (({"state": "dead"}, 1), ({"sink__id__exact": found.pk}, 2)):
        response = staff.get(address("changelist", model=Delivery), query)
        assert response.context["cl"].result_count == count
    key = Delivery.objects.earliest("id").idempotency_key
    response = staff.get(address("changelist", model=Delivery), {"q": key})
    assert response.context["cl"].result_count == 1


def test_a_delivery_shows_its_tries(staff, settings):
    sink(PATH.replace("https", "http").replace("hooks.example.com", "127.0.0.1"))
    say()
    sender.send_due(threads=1)
    html = staff.get(address("change", only().pk, model=Delivery)).content.decode()
    assert "EVOX refused 127.0.0.1" in html
    assert "hunter2" not in html


def test_a_sink_is_never_deleted_and_keeps_its_channel(staff):
    found = sink()
    assert staff.post(address("delete", found.pk), {"post": "yes"}).status_code == 403
    form = {"name": "n", "kind": "webhook", "url": PATH, "channel": channel("dev").pk}
    staff.post(address("change", found.pk), form)
    found.refresh_from_db()
    assert (found.channel.name, found.is_active) == ("ceo", False)
