"""Whatever the order of failures, briefings, merges, splits and undos: learnings count the truth.

Where groups that have learnings are held for one, all of these stay and each counts for all
members; what is told is the root's own, or else that of its oldest member that has one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from agents.models import Agent
from agents.services.agents import seed_team
from failures import queries as groups
from failures.models import Failure, FailureGroup, GuidanceShown
from failures.policy_groups import GroupConflictError
from failures.services.group_merges import merge, split, undo
from failures.services.groups import set_status
from failures.services.guidance import log_and_answer
from failures.services.log import log_failure
from failures.states import GroupStatus
from learnings import queries
from learnings.models import Injection, Learning
from learnings.policy.drafts import EVIDENCE_LIMIT, WINDOW
from learnings.policy.lasting import MOST_REPEATS
from learnings.services import lifecycle, writing
from learnings.services.analysis import analyse, sweep
from learnings.services.recurrence import count_repeats
from learnings.states import LIVE, TOLD, LearningStatus, Trigger
from tests.failures.groups_world import group, report, state
from tests.learnings.conftest import NOW

pytestmark = pytest.mark.django_db
LETTERS = list("abcd")
TEAM = ["SAM", "LEO", "ALEX"]
THRESHOLD = 3
STEPS = 25
VERBS = {"log": 6, "merge": 3, "look": 3, "split": 1, "undo": 2, "brief": 1, "end": 1, "there": 2}


class Learners(RuleBasedStateMachine):
    """The model beside it knows who failed when, who was told what when, and each group's root."""

    def __init__(self) -> None:
        super().__init__()
        self.outer = transaction.atomic()
        self.outer.__enter__()
        self.now = NOW
        seed_team(now=NOW - 2 * WINDOW)
        self.failures: list[SimpleNamespace] = []
        self.heard: list[SimpleNamespace] = []
        """Texts by the group that they are written on."""
        self.briefed: list[tuple[int, str, datetime]] = []
        self.held: dict[str, SimpleNamespace] = {}
        """By whom each merged group is held: its root, the merge, and how it was held before."""
        self.merges = 0
        self.known: dict[int, str] = {}
        """The groups of all learnings there ever were."""
        for letter in LETTERS:  # Groups whose own failures are too old to count.
            self.failed(letter, "SAM", NOW - WINDOW - timedelta(days=1))
        self.ids = {letter: group(letter).pk for letter in LETTERS}
        self.letters = {pk: letter for letter, pk in self.ids.items()}

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.outer.__exit__(None, None, None)

    def root(self, letter: str) -> str:
        return self.held[letter].root if letter in self.held else letter

    def members(self, letter: str) -> list[str]:
        return [one for one in LETTERS if self.root(one) == self.root(letter)]

    def rows(self, *, only: Any = LIVE) -> list[Learning]:
        found = Learning.objects.filter(status__in=[one.value for one in only])
        return list(found.order_by("id"))

    def covered(self, learning: Learning) -> list[SimpleNamespace]:
        """The failures of all members of its group's root."""
        members = self.members(self.letters[learning.group_id])
        return [one for one in self.failures if one.letter in members]

    def fix(self, letter: str, told: dict[int, str]) -> tuple[str, str]:
        """On which group the known fix is written, and what it says."""
        order = [self.root(letter), *sorted(self.members(letter), key=lambda m: self.ids[m])]
        return next(
            ((one, told[self.ids[one]]) for one in order if self.ids[one] in told), ("", "")
        )

    def failed(self, letter: str, agent: str, at: datetime, *, hears: bool = False) -> Failure:
        found = (log_and_answer if hears else log_failure)(report(letter, agent), now=at)
        self.failures.append(SimpleNamespace(pk=found.pk, letter=letter, agent=agent, at=at))
        return found

    @rule(data=st.data())
    def step(self, data) -> None:
        self.now += timedelta(minutes=1)
        verb = data.draw(
            st.sampled_from([verb for verb, times in VERBS.items() for _ in range(times)]),
            label="verb",
        )
        getattr(self, verb)(lambda label, found: data.draw(found, label=label))

    def log(self, draw) -> None:
        letter = draw("letter", st.sampled_from(LETTERS))
        agent, hears = draw("agent", st.sampled_from(TEAM)), draw("hears", st.booleans())
        of, text = self.fix(letter, {row.group_id: row.rule for row in self.rows(only=TOLD)})
        for _ in range(draw("times", st.integers(1, 4))):
            self.now += timedelta(seconds=1)
            told = self.failed(letter, agent, self.now, hears=hears)
            assert told.known_fix == text
            if hears and text:
                one = SimpleNamespace(letter=of, text=text, agent=agent, at=self.now)
                self.heard.append(one)

    def brief(self, draw) -> None:
        told = self.rows(only=TOLD)
        if not told:
            return
        learning, agent = draw("learning", st.sampled_from(told)), draw("to", st.sampled_from(TEAM))
        _, new = Injection.objects.get_or_create(
            learning=learning,
            version=learning.version,
            agent=Agent.objects.get(name=agent),
            defaults={"at": self.now, "why": "recent"},
        )
        if new:
            self.briefed.append((learning.pk, agent, self.now))

    def look(self, draw) -> None:
        """What is due is written once, and what there is counts right in its very row."""
        everything = draw("everything", st.booleans())
        wanted = self.unwritten()
        if everything:
            analyse(Trigger.COMMAND, now=self.now)
        else:
            sweep(now=self.now)
        new = [row for row in Learning.objects.all() if row.pk not in self.known]
        written = {self.letters[row.group_id] for row in new}
        assert len(new) == len(written)
        assert (written == wanted) if everything else (written <= wanted)
        self.known |= {row.pk: self.letters[row.group_id] for row in new}
        if everything:
            self.rows_are_right()
            for row in self.rows(only=TOLD):
                assert row.status == "watch" or row.exposed_repeats <= MOST_REPEATS
                assert row.status == "active" or row.watch_since

    def unwritten(self) -> set[str]:
        """Roots that failed often enough lately, and nobody wrote of any of their members."""
        live = {self.root(self.letters[row.group_id]) for row in self.rows()}
        ended = self.rows(only=[LearningStatus.RETIRED])
        wanted = set()
        for root in {self.root(letter) for letter in LETTERS} - live:
            since = [row.retired_at for row in ended if self.root(self.known[row.pk]) == root]
            lately = [
                one
                for one in self.failures
                if self.root(one.letter) == root
                and one.at >= self.now - WINDOW
                and not any(one.at <= at for at in since)
            ]
            if len(lately) >= THRESHOLD:
                wanted.add(root)
        return wanted

    def merge(self, draw) -> None:
        roots = [letter for letter in LETTERS if letter not in self.held]
        if len(roots) < 2:
            return
        into, *others = draw("merge", st.permutations(roots))
        others = others[: draw("how many", st.integers(1, len(others)))]
        merge([self.ids[one] for one in others], into=self.ids[into], actor="ana", now=self.now)
        self.merges += 1
        for letter in [one for one in LETTERS if self.root(one) in others]:
            before = self.held.get(letter)
            self.held[letter] = SimpleNamespace(root=into, merge=self.merges, before=before)

    def split(self, draw) -> None:
        if self.held:
            letter = draw("out", st.sampled_from(sorted(self.held)))
            root = self.ids[self.root(letter)]
            split(root, members=[self.ids[letter]], actor="ana", now=self.now)
            del self.held[letter]

    def undo(self, draw) -> None:
        if not self.held:
            return
        root = draw("root", st.sampled_from(sorted({held.root for held in self.held.values()})))
        last = max(held.merge for held in self.held.values() if held.root == root)
        ended = {one: held for one, held in self.held.items() if held.merge == last}
        back = {one: held.before for one, held in ended.items() if held.before}
        stays = {one: held for one, held in self.held.items() if one not in ended}
        if any(held.root in stays for held in back.values()):
            with pytest.raises(GroupConflictError):
                undo(self.ids[root], actor="ana", now=self.now)
            return
        undo(self.ids[root], actor="ana", now=self.now)
        self.held = {**stays, **back}

    def end(self, draw) -> None:
        """A learning is retired, or a root is called resolved."""
        told = self.rows(only=TOLD)
        if told and draw("retire", st.booleans()):
            learning = draw("learning", st.sampled_from(told))
            lifecycle.retire(learning.pk, actor="ana", now=self.now)
            return
        roots = [letter for letter in LETTERS if letter not in self.held]
        letter = draw("resolved", st.sampled_from(roots))
        row = FailureGroup.objects.get(pk=self.ids[letter])
        if row.status != GroupStatus.RESOLVED:
            set_status(
                row.pk, GroupStatus.RESOLVED, resolution="Cleaned up.", actor="ana", now=self.now
            )

    def there(self, draw) -> None:
        """A merge and its undo leave nothing, even if all was counted anew between them."""
        roots = [letter for letter in LETTERS if letter not in self.held]
        if len(roots) < 2:
            return
        into, other = draw("pair", st.permutations(roots))[:2]
        count_anew()
        before = everything()
        merge([self.ids[other]], into=self.ids[into], actor="ana", now=self.now)
        self.merges += 1
        count_anew()
        undo(self.ids[into], actor="leo", now=self.now)
        count_anew()
        assert everything() == before

    def exposed(self, learning: Learning) -> tuple[int, int]:
        """Repeats of agents that had been told before, and of the others, one by one."""
        since, members = learning.recurrence_from, self.members(self.letters[learning.group_id])
        told: dict[str, list[datetime]] = {agent: [] for agent in TEAM}
        for one in self.heard:
            if one.letter in members and one.text == learning.rule:
                told[one.agent].append(one.at)
        for pk, agent, at in self.briefed:
            if pk == learning.pk:
                told[agent].append(at)
        repeats = [one for one in self.covered(learning) if since and one.at > since]
        knew = sum(any(at < one.at for at in told[one.agent]) for one in repeats)
        return knew, len(repeats) - knew

    def rows_are_right(self) -> None:
        for row in self.rows():
            counted = [one for one in self.covered(row) if one.at >= row.counted_from]
            newest = sorted((one.pk for one in counted), reverse=True)
            assert row.count == len(counted)
            assert row.agents == sorted({one.agent for one in counted})
            assert row.evidence == newest[:EVIDENCE_LIMIT]
            if row.status in TOLD:
                assert (row.exposed_repeats, row.unexposed_repeats) == self.exposed(row)

    @invariant()
    def counted_anew_each_learning_counts_for_all_members(self) -> None:
        with transaction.atomic():
            count_anew()
            self.rows_are_right()
            transaction.set_rollback(True)

    @invariant()
    def what_is_told_of_a_group_is_its_own_learning(self) -> None:
        told = {row.group_id: row.rule for row in self.rows(only=TOLD)}
        assert all(told.values())
        found = dict(FailureGroup.objects.values_list("id", "guidance"))
        assert found == {pk: told.get(pk, "") for pk in self.ids.values()}
        totals = groups.totals(self.ids.values())
        for letter, pk in self.ids.items():
            assert totals[pk].guidance == self.fix(letter, told)[1]

    @invariant()
    def no_learning_no_failure_and_nothing_told_is_lost(self) -> None:
        learnings = dict(Learning.objects.values_list("id", "group"))
        assert learnings == {pk: self.ids[letter] for pk, letter in self.known.items()}
        found = Failure.objects.order_by("id").values_list("id", "group", "agent__name")
        assert list(found) == [(f.pk, self.ids[f.letter], f.agent) for f in self.failures]
        shown = GuidanceShown.objects.values_list("group", "agent__name").distinct()
        assert set(shown) == {(self.ids[one.letter], one.agent) for one in self.heard}
        merged = FailureGroup.objects.filter(merged_into__isnull=False)
        expected = {self.ids[one]: self.ids[held.root] for one, held in self.held.items()}
        assert dict(merged.values_list("id", "merged_into")) == expected

    @invariant()
    def a_root_has_the_learning_of_its_own_or_one_of_a_members(self) -> None:
        live = {row.group_id: row.pk for row in self.rows()}
        for pattern in queries.patterns(threshold=THRESHOLD, now=self.now):
            root = self.letters[pattern.group.pk]
            theirs = [live.get(self.ids[one]) for one in self.members(root)]
            assert pattern.learning_id == live.get(pattern.group.pk, pattern.learning_id)
            assert pattern.learning_id in (set(theirs) - {None} or {None})


def count_anew() -> None:
    ids = [row.pk for row in Learning.objects.live()]
    writing.refresh(ids)
    count_repeats(ids)


def everything() -> list[Any]:
    """All that merging may change, and all that it may not."""
    of_learnings = (Learning, GuidanceShown, Injection)
    return [*state(), *(list(model.objects.order_by("pk").values()) for model in of_learnings)]


def walk(walks: int) -> None:
    run_state_machine_as_test(
        Learners,
        settings=settings(
            max_examples=walks,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_learnings_count_the_truth_over_thirty_walks() -> None:
    walk(30)


@pytest.mark.full
def test_learnings_count_the_truth_over_three_hundred_walks() -> None:
    walk(300)
