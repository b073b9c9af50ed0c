"""A briefing tells what is about the agent's work first, and writes down what it told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from agents.clock import db_now
from agents.models import Attempt
from agents.services.agents import create_key, seed_team
from agents.services.dispatches import NewDispatch, create_dispatch
from failures.models import FailureGroup, GuidanceShown
from failures.policy import text_hash
from failures.search import any_of
from learnings.models import Injection, Learning
from learnings.policy.ranking import tokens
from learnings.services.analysis import analyse
from learnings.services.briefing import brief, record_told
from learnings.states import Trigger
from recovery.services.claims import claim_work
from tests.learnings.world import World
from tests.wire import get


def known(world, title: str, *, age: int = 0, **fields) -> Learning:
    """A learning that agents are told, `age` hours old."""
    at = world.now - timedelta(hours=age)
    columns = {
        "slug": f"known-{Learning.objects.count()}",
        "rule": f"{title}: the rule.",
        "category": "build",
        "origin": "person",
        "status": "active",
        "proposed_by": "max",
        "approved_by": "eve",
        "created_at": at,
        "published_at": at,
        "review_at": at + timedelta(days=90),
        **fields,
    }
    return Learning.objects.create(title=title, **columns)


def told(world, name: str = "LEO", work=None) -> list[tuple[str, str]]:
    found = brief(world.agent(name), work)
    return [(one.learning.title, one.why) for one in found.learnings]


def work_of(world, **fields):
    fields = {"title": "Work", "command": "make", **fields}
    return create_dispatch(NewDispatch(**fields), actor="x", now=world.now)


def test_what_shares_words_with_the_work_goes_before_what_is_newer(world):
    known(world, "Pin react-dom", age=5)
    known(world, "Quote the paths of PowerShell")

    work = work_of(world, title="Upgrade", command="npm install react-dom@19")

    assert told(world, work=work) == [
        ("Pin react-dom", "same words"),
        ("Quote the paths of PowerShell", "recent"),
    ]


def test_the_words_of_files_and_of_the_ticket_count(world):
    known(world, "The checkout total is rounded twice", age=5)
    known(world, "PAY-17 needs the sandbox", age=4)
    known(world, "Other")

    work = work_of(world, ticket_id="PAY-17", payload={"files": ["web/checkout/sum.ts"]})

    assert dict(told(world, work=work)) == {
        "The checkout total is rounded twice": "same words",
        "PAY-17 needs the sandbox": "same words",
        "Other": "recent",
    }


def test_a_learning_about_other_files_is_not_told(world):
    known(world, "Web", scope={"paths": ["web/**"]}, age=3)
    known(world, "Database", scope={"paths": ["db/**"]})

    web = work_of(world, command="npx tsc web/app/page.tsx")

    assert told(world, work=web) == [("Web", "same files, same words")]
    assert {title for title, _ in told(world)} == {"Web", "Database"}


def test_a_learning_for_another_agent_is_not_told(world):
    known(world, "Sam's", scope={"agents": ["SAM"]})

    assert told(world, "LEO") == []
    assert told(world, "SAM") == [("Sam's", "for you")]


def test_a_tool_of_the_command_or_a_skill_of_the_work_is_the_same_tool(world):
    known(world, "A", scope={"tools": ["golangci-lint"]})
    known(world, "B", scope={"tools": ["Terraform"]})

    work = work_of(world, command="golangci-lint run", required_skills=["terraform"])

    assert told(world, work=work) == [("B", "same tool"), ("A", "same tool")]


@pytest.fixture
def learned(world):
    world.fail("error TS2322: Type 'a' is not assignable", times=3)
    analyse(Trigger.COMMAND, now=world.now)
    return world.the_learning()


def attempted(world, work, name: str) -> Attempt:
    return Attempt.objects.create(
        dispatch=work,
        lease_epoch=1,
        agent=world.agent(name),
        strategy="first_try",
        claim="c",
        started_at=world.now,
        ended_at=world.now,
        outcome="failed",
    )


def test_what_another_agent_met_on_this_very_work_is_told(learned, world):
    work = work_of(world)
    attempt = attempted(world, work, "SAM")
    world.fail("error TS2322: Type 'b' is not assignable", attempt=attempt)

    assert told(world, "LEO", work) == [(learned.title, "this work hit it")]


def test_what_was_met_on_the_same_ticket_is_told(learned, world):
    world.fail("error TS2322: Type 'b' is not assignable", ticket_id="PAY-1")

    assert told(world, "LEO", work_of(world, ticket_id="PAY-1"))[0][1] == "this work hit it"
    assert told(world, "LEO", work_of(world, ticket_id="PAY-2"))[0][1] == "recent"


def test_what_came_back_is_told_first_to_who_hit_it(learned, world):
    world.fail("ValueError: bad amount", times=3, error_type="test")
    analyse(Trigger.COMMAND, now=world.now + timedelta(minutes=1))
    newest = Learning.objects.order_by("-id").first()
    assert told(world, "SAM")[0][0] == newest.title

    Learning.objects.filter(pk=learned.pk).update(status="watch", watch_since=world.now)

    assert [title for title, _ in told(world, "SAM")] == [learned.title, newest.title]
    assert [title for title, _ in told(world, "LEO")] == [newest.title, learned.title]


@pytest.mark.parametrize("status", ["proposed", "retired", "rejected"])
def test_what_is_not_approved_is_told_to_nobody_however_well_it_fits(learned, world, status):
    published = status == "retired"
    Learning.objects.filter(pk=learned.pk).update(
        status=status,
        published_at=world.now if published else None,
        announced_at=None,
        approved_by="max" if published else "",
        retired_at=world.now if published else None,
    )

    assert told(world, "SAM", work_of(world, title=learned.title)) == []


@pytest.mark.parametrize(
    "command", ["'; DROP TABLE learnings_learning; --", "a:* & !b | (c <-> 'd", "\\' OR 1=1", "%s"]
)
def test_no_command_breaks_the_search(world, command):
    known(world, "Table")

    assert len(told(world, work=work_of(world, command=command, title="%(x)s"))) == 1


def test_what_is_told_counts_as_shown_of_its_group_once_an_attempt(learned, world):
    leo = world.agent("LEO")
    work_of(world)
    [claimed] = claim_work(leo, now=world.now)
    for _ in range(2):
        record_told(brief(leo, None), now=world.now)

    [shown] = GuidanceShown.objects.all()
    assert (shown.group_id, shown.agent, shown.via) == (learned.group_id, leo, "briefing")
    assert shown.attempt_id == claimed.attempt.pk
    assert shown.text_hash == text_hash(learned.rule)
    assert Injection.objects.count() == 1


def test_a_learning_of_no_group_is_noted_as_told_and_shown_of_nothing(world):
    known(world, "Alone")
    record_told(brief(world.agent("LEO"), None), now=world.now)

    assert Injection.objects.count() == 1
    assert not GuidanceShown.objects.exists()


def test_who_only_looks_on_was_not_told(learned, world, settings):
    key = create_key(None)
    for headers in ({"HTTP_AUTHORIZATION": f"Bearer {key}"}, {"HTTP_SEC_FETCH_SITE": "cross-site"}):
        answer = get("agents/SAM/briefing", **headers)
        assert answer.status_code in {200, 403}

    assert not Injection.objects.exists()
    assert not GuidanceShown.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_eight_reads_at_once_are_noted_once():
    now = db_now()
    seed_team(now=now)
    world = World(now=now)
    known(world, "A")
    leo = world.agent("LEO")

    def read(_: int) -> None:
        try:
            record_told(brief(leo, None), now=now)
        finally:
            connections["default"].close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(8)))

    assert Injection.objects.count() == 1


def test_a_thousand_learnings_cost_no_more_statements_than_one(world):
    work = work_of(world, title="Upgrade react", ticket_id="PAY-1", payload={"files": ["a.py"]})
    leo = world.agent("LEO")

    def statements() -> int:
        with CaptureQueriesContext(connection) as seen:
            brief(leo, work)
        return len(seen)

    known(world, "React one")
    few = statements()
    for number in range(1_000):
        known(world, f"React {number} " + "word " * 20, slug=f"many-{number}", age=number)

    assert statements() == few <= 12
    texts = [one.text for one in brief(leo, work).learnings]
    assert len(texts) <= 8
    assert sum(tokens(text) for text in texts) <= 600


def test_who_hit_a_member_of_a_merged_group_hit_the_group(learned, world):
    other = world.fail("error TS9999: Something else entirely", by="LEO")
    assert told(world, "LEO")[0][1] == "same type of failure"

    FailureGroup.objects.filter(pk=other.group_id).update(merged_into=learned.group_id)

    assert told(world, "LEO")[0][1] == "you hit it"


def test_learnings_are_found_by_the_index_of_their_words(world):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
        assert "learning_words" in Learning.objects.filter(words=any_of(["card"])).explain()
