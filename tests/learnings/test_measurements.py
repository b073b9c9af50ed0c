"""What is measured of a learning: counts before and after, and what is compared with them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from agents.models import Attempt
from agents.services.dispatches import NewDispatch, create_dispatch
from failures.models import FailureGroup
from learnings.models import Learning, Measurement
from learnings.policy.effect import SPAN
from learnings.services import effects
from learnings.services.analysis import analyse
from learnings.states import Trigger, Verdict

DAY = timedelta(days=1)


@pytest.fixture
def attempts(world):
    """Attempts of somebody, ended at any times."""
    work = create_dispatch(NewDispatch(title="w", command="c"), actor="x", now=world.now)

    def make(count, *, start, end, outcome="succeeded"):
        epoch = Attempt.objects.count()
        Attempt.objects.bulk_create(
            Attempt(
                dispatch=work,
                lease_epoch=epoch + n + 1,
                agent=world.agent("SAM"),
                strategy="first_try",
                claim=f"{epoch + n}",
                started_at=start,
                ended_at=start + (end - start) * n / count,
                outcome=outcome,
            )
            for n in range(count)
        )

    return make


def pattern(world, message, *, failures=3, at=None):
    at = at or world.now
    for n in range(failures):
        world.fail(message, at=at - n * timedelta(hours=1))
    return FailureGroup.objects.latest("id")


def learn(world):
    analyse(Trigger.COMMAND, now=world.now)
    return Learning.objects.latest("id")


def measured(learning, *, now):
    effects.measure(now=now)
    return Measurement.objects.get(learning=learning)


def test_failures_and_attempts_are_counted_four_weeks_before_and_after(world, attempts):
    pattern(world, "Missing import", failures=5)
    learning = learn(world)
    attempts(100, start=world.now - SPAN, end=world.now)
    attempts(50, start=world.now, end=world.now + SPAN)
    world.fail(at=world.now + DAY, times=2)
    world.fail(at=world.now - SPAN - DAY)  # Too old.
    world.fail(at=world.now + SPAN + DAY)  # Too new.
    world.fail("Another mistake", at=world.now + DAY)
    attempts(7, start=world.now - SPAN - 2 * DAY, end=world.now - SPAN - DAY)
    attempts(9, start=world.now, end=world.now + SPAN, outcome="cancelled")  # Nothing to fail at.

    found = measured(learning, now=world.now + SPAN + 2 * DAY)

    assert (found.failures_before, found.attempts_before) == (5, 100)
    assert (found.failures_after, found.attempts_after) == (2, 50)
    assert found.complete
    assert found.ratio == pytest.approx(0.8)  # 4 of 100 where 5 of 100 were.
    assert found.verdict == Verdict.UNPROVEN


def test_before_the_days_are_over_nothing_is_proven_and_it_is_measured_again(world, attempts):
    pattern(world, "Missing import", failures=9)
    learning = learn(world)
    attempts(100, start=world.now - SPAN, end=world.now + SPAN)

    early = measured(learning, now=world.now + 14 * DAY)
    assert (early.complete, early.p, early.verdict) == (False, None, Verdict.UNPROVEN)

    late = measured(learning, now=world.now + SPAN)
    assert (late.complete, late.verdict) == (True, Verdict.WORKING)
    assert late.p < 0.05


def test_what_is_complete_stays_as_it_is(world, attempts):
    pattern(world, "Missing import", failures=9)
    learning = learn(world)
    attempts(100, start=world.now - SPAN, end=world.now + SPAN)
    done = measured(learning, now=world.now + SPAN)
    world.fail(at=world.now + DAY, times=9)

    assert effects.measure(now=world.now + SPAN + DAY) == []
    assert measured(learning, now=world.now + SPAN + DAY).at == done.at


def test_a_verdict_that_changed_is_told_once(world, attempts):
    pattern(world, "Missing import", failures=9)
    learning = learn(world)
    attempts(100, start=world.now - SPAN, end=world.now + SPAN)

    assert effects.measure(now=world.now + DAY) == []
    assert effects.measure(now=world.now + SPAN) == [learning.pk]
    assert effects.measure(now=world.now + SPAN + DAY) == []


def test_too_many_repeats_of_those_who_were_told_are_not_working_at_once(world, attempts):
    pattern(world, "Missing import")
    learning = learn(world)
    Learning.objects.update(exposed_repeats=3, unexposed_repeats=4)

    found = measured(learning, now=world.now + DAY)

    assert found.verdict == Verdict.NOT_WORKING
    assert (found.exposed_repeats, found.unexposed_repeats) == (3, 4)


def test_groups_that_are_held_for_one_are_counted_together(world, attempts):
    root = pattern(world, "Missing import", failures=4)
    learning = learn(world)
    world.fail("Import is missing", at=world.now + DAY)
    other = FailureGroup.objects.latest("id")
    attempts(10, start=world.now - SPAN, end=world.now + SPAN)
    FailureGroup.objects.filter(pk=other.pk).update(merged_into=root)

    assert measured(learning, now=world.now + 2 * DAY).failures_after == 1

    FailureGroup.objects.filter(pk=other.pk).update(merged_into=None)
    FailureGroup.objects.filter(pk=root.pk).update(merged_into=other)
    assert measured(learning, now=world.now + 3 * DAY).failures_after == 1


def test_a_learning_of_a_family_counts_all_its_groups(world):
    for name in ("os", "re"):
        world.fail(f"src/a.ts(1,1): error TS2304: Cannot find name '{name}'.", times=2)
    family = FailureGroup.objects.latest("id").family
    assert family
    learning = learn(world)
    Learning.objects.update(group=None, family=family)

    assert measured(learning, now=world.now + DAY).failures_before == 4
    assert measured(learning, now=world.now + DAY).learning_id == learning.pk


def test_patterns_that_nobody_was_told_of_are_what_it_is_compared_with(world, attempts, settings):
    attempts(100, start=world.now - SPAN, end=world.now + SPAN)
    settings.EVOX_LEARNING_APPROVAL = "review"
    for n in range(40):
        word = chr(97 + n % 26) * (3 + n // 26)
        pattern(world, f"Broken {word} thing", failures=7)
        world.fail(f"Broken {word} thing", at=world.now + DAY, times=6)
    analyse(Trigger.COMMAND, now=world.now)
    Learning.objects.update(status="rejected")
    settings.EVOX_LEARNING_APPROVAL = "auto"
    pattern(world, "Missing import", failures=7)
    learning = learn(world)
    assert (learning.status, Learning.objects.filter(status="rejected").count()) == ("active", 40)

    found = measured(learning, now=world.now + SPAN)

    assert found.untreated == 40
    assert found.untreated_ratio == pytest.approx(6 / 7)
    assert found.p == pytest.approx(1 / 41)
    assert found.verdict == Verdict.WORKING
    assert Measurement.objects.count() == 1


def test_patterns_of_other_weeks_or_too_young_are_not_compared_with(world, attempts, settings):
    """Two learnings are measured, 40 days apart; one pattern that nobody was told of lies between
    them, nearer to the later one, and one is not four weeks old."""
    early, between = world.now - 40 * DAY, world.now - 10 * DAY
    pattern(world, "Missing export", failures=7, at=early)
    analyse(Trigger.COMMAND, now=early)
    settings.EVOX_LEARNING_APPROVAL = "review"
    pattern(world, "Broken thing", failures=7, at=between)
    analyse(Trigger.COMMAND, now=between)
    young = world.now + 5 * DAY
    pattern(world, "Young thing", failures=7, at=young)
    analyse(Trigger.COMMAND, now=young)
    Learning.objects.filter(status="proposed").update(status="rejected")
    settings.EVOX_LEARNING_APPROVAL = "auto"
    pattern(world, "Missing import", failures=7)
    learn(world)
    attempts(100, start=early - SPAN, end=young + SPAN)
    world.fail("Broken thing", at=between + DAY, times=7)

    effects.measure(now=world.now + SPAN)

    ratios = Measurement.objects.order_by("since").values_list("untreated_ratio", flat=True)
    assert list(ratios) == [None, pytest.approx(1.0, rel=0.1)]


def test_a_late_look_doesn_t_change_what_another_completed(world, attempts, monkeypatch):
    pattern(world, "Missing import", failures=9)
    learning = learn(world)
    attempts(100, start=world.now - SPAN, end=world.now + SPAN)
    seen = effects._subjects()
    done = measured(learning, now=world.now + SPAN)
    monkeypatch.setattr(effects, "_subjects", lambda: seen)

    effects.measure(now=world.now + DAY)

    assert Measurement.objects.get().at == done.at


def test_new_words_are_measured_from_when_they_stand(world, attempts):
    pattern(world, "Missing import", failures=4)
    learning = learn(world)
    effects.measure(now=world.now + DAY)
    learning.revisions.create(
        version=1,
        rule="Import it.",
        author="MAX",
        source="diagnosis",
        status="applied",
        decided_by="ann",
        decided_at=world.now + 2 * DAY,
        at=world.now + DAY,
    )
    Learning.objects.update(version=2)

    effects.measure(now=world.now + 3 * DAY)

    again = Measurement.objects.get(learning=learning, version=2)
    assert again.since == world.now + 2 * DAY
    assert Measurement.objects.get(learning=learning, version=1).since == world.now


def test_a_hundred_learnings_take_as_many_statements_as_one(world):
    pattern(world, "Missing import")
    learn(world)
    with CaptureQueriesContext(connection) as one:
        effects.measure(now=world.now + DAY)
    for n in range(9):
        pattern(world, f"Missing {chr(97 + n) * 4} thing")
    learn(world)
    with CaptureQueriesContext(connection) as ten:
        effects.measure(now=world.now + DAY)
    reads = [
        [q for q in run if "WITH subject" in q["sql"] or "date_trunc" in q["sql"]]
        for run in (one, ten)
    ]
    assert len(reads[0]) == len(reads[1]) == 2


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({}, "measurement_once_a_version"),
        ({"version": 2, "verdict": "fine"}, "measurement_verdict_known"),
        ({"version": 2, "p": 0.0}, "measurement_p_is_a_share"),
        ({"version": 2, "at": "early"}, "measurement_after_it_was_told"),
        ({"version": 2, "verdict": "working"}, "measurement_works_only_once_complete"),
    ],
)
def test_the_database_keeps_measurements_honest(world, fields, constraint):
    pattern(world, "Missing import")
    learn(world)
    effects.measure(now=world.now + DAY)
    row = Measurement.objects.get()
    given = {field.attname: getattr(row, field.attname) for field in Measurement._meta.fields}
    given |= fields | {"id": None}
    if given["at"] == "early":
        given["at"] = row.since - DAY
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Measurement.objects.create(**given)


def test_the_weekly_run_measures_and_the_api_and_the_document_say_it(
    world, attempts, client, patterns_dir
):
    pattern(world, "Missing import", failures=9)
    learning = learn(world)
    before = client.get(f"/api/v1/learnings/{learning.pk}").json()
    assert (before["verdict"], before["effect"]["complete"]) == ("unproven", False)
    attempts(100, start=world.now - SPAN, end=world.now + SPAN)

    run = analyse(Trigger.WEEKLY, now=world.now + SPAN)

    assert run.did["judged"] == [learning.pk]
    told = client.get("/api/v1/learnings").json()["results"][0]
    assert told["verdict"] == "working"
    assert told["effect"]["failuresBefore"] == 9
    assert told["effect"]["words"][-1].startswith("Working: it fell to 0.00 of its rate;")
    document = (patterns_dir / f"{learning.slug}.md").read_text()
    assert "Working: it fell to 0.00 of its rate;" in document


def test_a_list_of_learnings_takes_one_statement_for_all_that_was_measured(world, client):
    for n in range(5):
        pattern(world, f"Missing {chr(97 + n) * 4} thing")
    learn(world)
    with CaptureQueriesContext(connection) as queries:
        assert len(client.get("/api/v1/learnings").json()["results"]) == 5
    assert len([q for q in queries if "learnings_measurement" in q["sql"]]) == 1
