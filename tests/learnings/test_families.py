"""Two and two and two of one tool's code are one lesson."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from failures.models import FailureGroup
from learnings.models import Learning
from learnings.services import lifecycle
from learnings.services.analysis import analyse, sweep
from learnings.states import Trigger

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
ONE, TWO, THREE = (
    "ValueError: bad literal for the port",
    "ValueError: the year is out of range",
    "ValueError: too many values to unpack",
)


@pytest.fixture
def family(world):
    """The learning of three groups that are no pattern each."""
    for text, name in ((ONE, "SAM"), (TWO, "SAM"), (THREE, "LEO")):
        world.fail(text, times=2, by=name)
    analyse(Trigger.WEEKLY, now=world.now)
    return world.the_learning()


def test_groups_of_a_family_that_are_no_pattern_each_are_one_together(world, family):
    assert FailureGroup.objects.count() == 3
    assert (family.group, family.status, family.count) == (None, "active", 6)
    assert family.agents == ["LEO", "SAM"]
    assert family.title == "Build failure: ValueError"
    assert "in different words" in family.problem
    assert len(world.posts()) == 1
    assert world.posts()[0].startswith("New pattern discovered: ")


def test_its_guidance_reaches_all_groups_of_the_family_and_new_ones_within_a_sweep(world, family):
    assert set(FailureGroup.objects.values_list("guidance", flat=True)) == {family.rule}

    new = world.fail("ValueError: negative shift count", at=world.now + SECOND).group
    sweep(now=world.now + 2 * SECOND)

    new.refresh_from_db()
    assert new.guidance == family.rule


def test_a_second_run_finds_the_same_and_writes_nothing(world, family):
    run = analyse(Trigger.COMMAND, now=world.now + SECOND)

    assert (run.patterns_found, run.learnings_made) == (1, 0)
    assert Learning.objects.count() == 1


def test_a_family_with_a_pattern_of_its_own_is_none(world):
    world.fail(ONE, times=3)
    world.fail(TWO, times=2)

    run = analyse(Trigger.COMMAND, now=world.now)

    assert (run.patterns_found, run.learnings_made) == (1, 1)
    assert world.the_learning().group is not None


def test_a_family_of_which_a_group_was_written_about_before_is_none(world):
    world.fail(ONE, times=3)
    analyse(Trigger.COMMAND, now=world.now)
    later = world.now + 10 * DAY
    world.fail(TWO, times=2, at=later)
    world.fail(THREE, times=2, at=later)

    assert analyse(Trigger.COMMAND, now=later).learnings_made == 0


def test_groups_without_code_or_class_are_no_family(world):
    for text in ("the door is shut", "a window broke", "no light at all"):
        world.fail(text, times=2)

    assert analyse(Trigger.COMMAND, now=world.now).patterns_found == 0


def test_a_sweep_leaves_families_to_the_weekly_run(world):
    analyse(Trigger.WEEKLY, now=world.now)
    for text in (ONE, TWO, THREE):
        world.fail(text, times=2, at=world.now + SECOND)

    assert sweep(now=world.now + 2 * SECOND) is None


def test_a_group_that_becomes_a_pattern_has_its_own_words_before_its_familys(world, family):
    group = world.fail(ONE, times=3, at=world.now + SECOND).group

    sweep(now=world.now + 2 * SECOND)

    group.refresh_from_db()
    own = Learning.objects.get(group=group)
    assert group.guidance == own.rule != family.rule

    lifecycle.retire(own.pk, actor="max", reason="Wrong.", now=world.now + 3 * SECOND)
    group.refresh_from_db()
    assert group.guidance == family.rule


def test_repeats_in_any_group_of_the_family_count(world, family):
    for n, text in enumerate((ONE, ONE, TWO, THREE)):
        world.fail_and_hear(text, by="SAM", at=world.now + (n + 1) * SECOND)

    sweep(now=world.now + 10 * SECOND)

    family.refresh_from_db()
    assert (family.exposed_repeats, family.unexposed_repeats) == (3, 1)
    assert family.status == "watch"


def test_it_is_resolved_when_all_of_its_groups_are(world, family):
    from failures.services.groups import set_status
    from failures.states import GroupStatus

    groups = list(FailureGroup.objects.order_by("id"))
    for n, group in enumerate(groups):
        sweep(now=world.now + n * DAY)
        family.refresh_from_db()
        assert family.resolved_at is None
        set_status(
            group.pk,
            GroupStatus.RESOLVED,
            resolution="Checked.",
            actor="MAX",
            now=world.now + n * DAY + SECOND,
        )

    sweep(now=world.now + 3 * DAY)
    family.refresh_from_db()
    assert family.resolved_at == world.now + 2 * DAY + SECOND


def test_a_retired_familys_older_failures_do_not_make_another(world, family):
    lifecycle.retire(family.pk, actor="max", reason="Wrong.", now=world.now)
    assert set(FailureGroup.objects.values_list("guidance", flat=True)) == {""}

    later = world.now + SECOND
    assert analyse(Trigger.COMMAND, now=later).learnings_made == 0

    for text in (ONE, TWO, "ValueError: negative shift count"):
        world.fail(text, at=world.now + 8 * DAY)
    assert analyse(Trigger.COMMAND, now=world.now + 8 * DAY).learnings_made == 1


def test_a_rejected_family_is_not_proposed_again(world, settings):
    settings.EVOX_LEARNING_APPROVAL = "review"
    for text in (ONE, TWO, THREE):
        world.fail(text, times=2)
    analyse(Trigger.COMMAND, now=world.now)
    lifecycle.reject(world.the_learning().pk, actor="max", now=world.now)

    assert analyse(Trigger.COMMAND, now=world.now + SECOND).learnings_made == 0


def test_the_database_refuses_a_second_live_learning_of_a_family(world, family):
    family.pk, family.slug = None, "another"

    with (
        pytest.raises(IntegrityError, match="learning_one_live_per_family"),
        transaction.atomic(),
    ):
        family.save(force_insert=True)
