"""Making agents, speaking as them, and following their life."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from agents import queries
from agents.callers import LOCAL_CALLER, Caller, CallerKind
from agents.errors import InvalidInputError, NotFoundError, NotYoursError
from agents.models import Agent, AgentKey, AgentSession, Channel, Message, SystemBeat
from agents.services import agents as services
from agents.services import messages, records
from agents.services.dispatches import DuplicateKeyError, NewDispatch, create_dispatch
from agents.services.pauses import pause
from agents.states import AgentRole, AgentStatus, DispatchStatus, Priority
from tests.wire import T0

pytestmark = pytest.mark.django_db
OPERATOR = Caller(kind=CallerKind.OPERATOR, name="ann")


@pytest.fixture
def sam() -> Agent:
    return services.register_agent("SAM", now=T0)


def speaks_for(agent: Agent) -> Caller:
    return Caller(kind=CallerKind.AGENT, name=agent.name, agent=agent)


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [("sam", "SAM"), (" Sam ", "SAM"), ("A", "A"), ("a-1_b", "A-1_B"), ("x" * 32, "X" * 32)],
)
def test_a_name_is_trimmed_and_upper_cased(name: str, cleaned: str) -> None:
    assert services.clean_name(name) == cleaned


@pytest.mark.parametrize(
    "name",
    ["", " ", "1SAM", "-A", "S AM", "x" * 33, "SAM\n\n;", "SÄM", "ß", "\u0131", "system", "All"],
)
def test_a_strange_or_reserved_name_is_refused_with_its_field(name: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        services.clean_name(name, field="to")
    assert refusal.value.field == "to"


def test_registering_twice_finds_the_same_agent_unchanged(sam: Agent) -> None:
    again = services.register_agent("sam", role=AgentRole.LEAD, now=T0 + timedelta(days=1))

    assert again == sam
    assert again.role == AgentRole.WORKER
    assert again.created_at == T0


def test_an_agents_key_speaks_for_itself_and_nobody_else(sam: Agent) -> None:
    assert services.author(speaks_for(sam), None, now=T0) == sam
    assert services.author(speaks_for(sam), " sam ", now=T0) == sam
    with pytest.raises(NotYoursError):
        services.author(speaks_for(sam), "LEO", now=T0)
    assert not Agent.objects.filter(name="LEO").exists()


def test_an_operator_speaks_for_agents_that_exist(sam: Agent) -> None:
    assert services.author(OPERATOR, "SAM", now=T0) == sam
    assert services.author(OPERATOR, None, now=T0) is None
    with pytest.raises(InvalidInputError):
        services.author(OPERATOR, "LEO", now=T0)


def test_the_local_caller_registers_the_author_that_it_names() -> None:
    leo = services.author(LOCAL_CALLER, "leo", now=T0)

    assert leo is not None
    assert (leo.name, Agent.objects.get(name="LEO").last_seen_at) == ("LEO", T0)


def test_nobody_speaks_as_a_retired_agent(sam: Agent) -> None:
    services.retire_agent(sam, now=T0)

    for caller in (LOCAL_CALLER, OPERATOR):
        with pytest.raises(InvalidInputError, match="SAM is retired"):
            services.author(caller, "SAM", now=T0)
    with pytest.raises(InvalidInputError, match="SAM is retired"):
        services.create_key(Agent.objects.get(name="SAM"))


def test_a_required_author_must_be_named() -> None:
    with pytest.raises(InvalidInputError, match="required"):
        services.required_author(LOCAL_CALLER, None, now=T0)


def test_signs_of_life_are_written_once_a_second_and_never_backwards(sam: Agent) -> None:
    for seconds, seen in [(0, 0), (0.5, 0), (2, 2), (1, 2)]:
        services.touch_agent(sam, now=T0 + timedelta(seconds=seconds))
        sam.refresh_from_db()
        assert sam.last_seen_at == T0 + timedelta(seconds=seen)


def test_a_session_lives_from_its_first_heartbeat_to_the_offline_one(sam: Agent) -> None:
    session, later = uuid4(), T0 + timedelta(minutes=5)
    services.record_heartbeat(sam, status=AgentStatus.BUSY, session=session, now=T0)
    services.record_heartbeat(sam, status=AgentStatus.OFFLINE, session=session, now=later)

    row = AgentSession.objects.get(id=session)
    assert (row.started_at, row.last_seen_at, row.ended_at) == (T0, later, later)
    sam.refresh_from_db()
    assert sam.status == AgentStatus.OFFLINE
    assert not sam.is_online(now=later)

    services.record_heartbeat(sam, status=None, session=session, now=later)
    sam.refresh_from_db()
    assert sam.status == AgentStatus.IDLE
    assert sam.is_online(now=later)
    assert AgentSession.objects.get(id=session).ended_at is None


def test_a_session_of_another_agent_is_refused_and_nothing_changes(sam: Agent) -> None:
    session = uuid4()
    services.record_heartbeat(sam, status=None, session=session, now=T0)
    leo = services.register_agent("LEO", now=T0)

    with pytest.raises(NotYoursError):
        services.record_heartbeat(leo, status=AgentStatus.BUSY, session=session, now=T0)

    leo.refresh_from_db()
    assert (leo.status, leo.last_seen_at) == (AgentStatus.IDLE, None)


def test_an_agent_has_two_live_keys_at_most(sam: Agent) -> None:
    services.create_key(sam)
    services.create_key(sam)
    with pytest.raises(InvalidInputError, match="2 live keys"):
        services.create_key(sam)

    AgentKey.objects.filter(agent=sam).first().delete()
    assert services.create_key(sam)


def test_retiring_revokes_the_keys_and_keeps_the_first_time(sam: Agent) -> None:
    services.create_key(sam)
    services.retire_agent(sam, now=T0)
    services.retire_agent(sam, now=T0 + timedelta(days=1))

    sam.refresh_from_db()
    assert sam.retired_at == T0
    assert not AgentKey.objects.filter(agent=sam, revoked=False).exists()
    assert list(queries.active_agents()) == []


def test_seeding_makes_the_team_once() -> None:
    out = StringIO()
    call_command("seed_team", stdout=out)
    call_command("seed_team", stdout=out)
    call_command("seed_team", "--if-empty", stdout=out)

    assert out.getvalue() == "Team: MAX, SAM, LEO, ALEX, QUINN.\nThe team is complete.\n"
    assert set(Channel.objects.values_list("name", flat=True)) == {"dev", "ceo"}


def in_turn() -> tuple[str, list[str]]:
    return str(queries.lead(now=T0)), [agent.name for agent in queries.reviewers(now=T0)]


def test_lead_and_reviewers_come_from_the_setting_and_the_role(settings: Any) -> None:
    assert in_turn() == ("None", [])
    services.seed_team(now=T0)
    assert in_turn() == ("MAX", ["QUINN"])
    settings.EVOX_LEAD, settings.EVOX_REVIEWER = "leo", "sam"
    assert in_turn() == ("LEO", ["SAM", "QUINN"])
    assert [agent.name for agent in Agent.objects.order_by("name") if queries.is_lead(agent)] == [
        "LEO",
        "MAX",
    ]


def test_who_is_paused_leads_and_reviews_last(settings: Any) -> None:
    services.seed_team(now=T0)
    settings.EVOX_LEAD, settings.EVOX_REVIEWER = "leo", "sam"
    for name in ("LEO", "SAM"):
        pause(
            queries.agent_named(name),
            until=T0 + timedelta(hours=1),
            reason="rest",
            actor="x",
            now=T0,
        )
    assert in_turn() == ("MAX", ["QUINN", "SAM"])
    assert str(queries.lead(now=T0 + timedelta(hours=1))) == "LEO"
    pause(None, until=T0 + timedelta(hours=1), reason="all rest", actor="x", now=T0)
    assert in_turn() == ("LEO", ["SAM", "QUINN"])


def test_a_key_is_made_from_the_command_line() -> None:
    out = StringIO()
    call_command("create_key", "sam", stdout=out)
    call_command("create_key", operator="ann", stdout=out)

    assert set(AgentKey.objects.values_list("name", flat=True)) == {"SAM", "ann"}
    for wrong in ([], ["not a name"]):
        with pytest.raises(CommandError):
            call_command("create_key", *wrong)


def test_the_admin_account_is_made_once_and_its_password_can_be_reset(settings: object) -> None:
    settings.EVOX_ADMIN_PASSWORD = ""  # type: ignore[attr-defined]
    out = StringIO()
    call_command("ensure_admin", stdout=out)
    call_command("ensure_admin", stdout=out)
    call_command("reset_admin", stdout=out)

    first, again, reset = out.getvalue().splitlines()
    assert "shown this once" in first
    assert again == "Admin: log in as admin."
    password = reset.split("password ")[1].split(" ")[0]
    assert get_user_model().objects.get(username="admin").check_password(password)


def new(**more: object) -> NewDispatch:
    return NewDispatch(**({"title": "Build", "command": "make"} | more))


def test_work_is_queued_in_the_rank_of_its_priority() -> None:
    dispatch = create_dispatch(new(priority=Priority.HIGH), actor="ann", now=T0)

    assert dispatch.status == DispatchStatus.PENDING
    assert dispatch.rank_at == T0 + timedelta(hours=1)
    assert (dispatch.run_at, dispatch.open_to_all, dispatch.created_by) == (None, True, "ann")


@pytest.mark.parametrize(
    ("minutes", "status"), [(-1, DispatchStatus.PENDING), (0, "pending"), (1, "retrying")]
)
def test_work_for_later_waits_for_its_time(minutes: int, status: str) -> None:
    wanted = T0 + timedelta(minutes=minutes)
    dispatch = create_dispatch(new(not_before=wanted), actor="ann", now=T0)

    assert dispatch.status == status
    assert dispatch.run_at == (wanted if minutes > 0 else None)


def test_a_unique_key_waits_once() -> None:
    first = create_dispatch(new(unique_key="nightly"), actor="ann", now=T0)
    with pytest.raises(DuplicateKeyError, match="nightly"):
        create_dispatch(new(unique_key="nightly"), actor="ann", now=T0)

    first.status, first.finished_at = DispatchStatus.CANCELLED.value, T0
    first.save(update_fields=["status", "finished_at"])
    assert create_dispatch(new(unique_key="nightly"), actor="ann", now=T0).pk != first.pk


def test_the_database_refuses_what_contradicts_itself() -> None:
    dispatch = create_dispatch(new(), actor="ann", now=T0)
    for wrong in ({"status": "running"}, {"status": "retrying"}, {"status": "completed"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            type(dispatch).objects.filter(pk=dispatch.pk).update(**wrong)


def test_a_message_with_a_key_is_said_once(sam: Agent) -> None:
    for _ in range(2):
        messages.send_message("Stuck.", to=sam, about=("dispatch", 7), dedup_key="k", now=T0)

    message = Message.objects.get()
    assert (message.sender, message.subject_kind, message.subject_id) == ("SYSTEM", "dispatch", 7)


def test_a_message_goes_to_one_existing_agent_or_channel(sam: Agent) -> None:
    services.seed_team(now=T0)

    assert messages.destination(to="sam", channel=None) == sam
    assert str(messages.destination(to=None, channel="#Dev")) == "#dev"
    for to, channel, field in [
        (None, None, "to"),
        ("SAM", "dev", "to"),
        ("NOBODY", None, "to"),
        (None, "nowhere", "channel"),
    ]:
        with pytest.raises(InvalidInputError) as refusal:
            messages.destination(to=to, channel=channel)
        assert refusal.value.field == field


def test_the_first_reading_counts(sam: Agent) -> None:
    message = messages.send_message("Hello", to=sam, now=T0)
    messages.mark_read(message, now=T0)

    assert messages.mark_read(message, now=T0 + timedelta(days=1)).read_at == T0


def test_books_are_kept_of_acts_and_rounds() -> None:
    dispatch = create_dispatch(new(), actor="ann", now=T0)
    entry = records.audit("cancel", dispatch, actor="ann", reason="No use.", now=T0)
    records.beat("sweep", now=T0)
    records.beat("sweep", now=T0 + timedelta(seconds=10))

    assert str(entry) == f"ann cancel dispatch {dispatch.pk}"
    assert queries.latest_beats() == {"sweep": T0 + timedelta(seconds=10)}
    assert SystemBeat.objects.count() == 1


def test_what_is_not_there_is_not_found() -> None:
    for read in (
        lambda: queries.agent_named("NOBODY"),
        lambda: queries.agent_named("\x00"),
        lambda: queries.channel_named("no\x00where"),
        lambda: queries.dispatch_by_id(10**17),
    ):
        with pytest.raises(NotFoundError):
            read()
