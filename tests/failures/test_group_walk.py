"""Whatever the order of failures, merges, splits, undos and verdicts: groups show the truth."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from agents.states import IllegalMoveError
from failures import queries
from failures.models import Failure, FailureGroup, GroupAlias
from failures.policy_groups import GroupConflictError
from failures.services.group_merges import merge, split, undo
from failures.services.groups import set_status
from failures.states import GroupStatus
from tests.failures.groups_world import WORDS, fail, group, state
from tests.wire import T0

LETTERS = sorted(WORDS)
STEPS = 60
MINUTE = timedelta(minutes=1)
HAND = {  # What somebody may say, and of which status.
    "resolved": {"open", "ignored", "regressed"},
    "ignored": {"open", "resolved", "regressed"},
    "open": {"resolved", "ignored"},
}


class Groups(RuleBasedStateMachine):
    """The model beside it knows each group's root by the merges that stand, and counts failures."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.outer = transaction.atomic()
        self.outer.__enter__()
        fail("".join(LETTERS))
        self.ids = {letter: group(letter).pk for letter in LETTERS}
        self.now = T0
        self.failures = [(letter, "SAM", T0) for letter in LETTERS]
        self.status = dict.fromkeys(LETTERS, "open")
        self.guidance = dict.fromkeys(LETTERS, "")
        self.held: dict[str, SimpleNamespace] = {}
        """By whom each merged group is held: its root, the merge, and how it was held before."""
        self.merges = 0

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.outer.__exit__(None, None, None)

    def root(self, letter: str) -> str:
        return self.held[letter].root if letter in self.held else letter

    def members(self, letter: str) -> list[str]:
        return [one for one in LETTERS if self.root(one) == self.root(letter)]

    @rule(data=st.data())
    def step(self, data) -> None:
        type(self).steps += 1
        self.now += MINUTE
        verbs = [
            "log",
            "log",
            "log",
            "merge",
            "merge",
            "split",
            "undo",
            "say",
            "say",
            "guide",
            "there",
        ]
        verb = data.draw(st.sampled_from(verbs), label="verb")
        getattr(self, verb)(lambda label, found: data.draw(found, label=label))

    def log(self, draw) -> None:
        letters = draw("letters", st.lists(st.sampled_from(LETTERS), min_size=1, max_size=5))
        agent = draw("agent", st.sampled_from(["SAM", "LEO"]))
        told = fail("".join(letters), agent=agent, now=self.now)
        self.failures += [(letter, agent, self.now) for letter in letters]
        for letter in letters:
            for one in {letter, self.root(letter)}:
                if self.status[one] == "resolved":
                    self.status[one] = "regressed"
        for letter, failure in zip(letters, told, strict=True):
            assert failure.root_pk == self.ids[self.root(letter)]
            assert failure.occurrences == self.total(letter)
            assert failure.known_fix == self.fix(letter)

    def merge(self, draw) -> None:
        into = draw("into", st.sampled_from(LETTERS))
        others = draw("others", st.sets(st.sampled_from(LETTERS), min_size=1, max_size=3))
        legal = into not in self.held and into not in others and not others & set(self.held)
        ids = [self.ids[letter] for letter in others]
        if not legal:
            with pytest.raises(GroupConflictError):
                merge(ids, into=self.ids[into], actor="ana", now=self.now)
            return
        merge(ids, into=self.ids[into], actor="ana", now=self.now)
        self.merges += 1
        for letter in [one for one in LETTERS if self.root(one) in others]:
            before = self.held.get(letter)
            self.held[letter] = SimpleNamespace(root=into, merge=self.merges, before=before)

    def split(self, draw) -> None:
        root = draw("root", st.sampled_from(LETTERS))
        out = draw("out", st.sets(st.sampled_from(LETTERS), min_size=1, max_size=2))
        legal = all(letter in self.held and self.held[letter].root == root for letter in out)
        ids = [self.ids[letter] for letter in out]
        if not legal:
            with pytest.raises(GroupConflictError):
                split(self.ids[root], members=ids, actor="ana", now=self.now)
            return
        split(self.ids[root], members=ids, actor="ana", now=self.now)
        for letter in out:
            del self.held[letter]

    def undo(self, draw) -> None:
        root = draw("root", st.sampled_from([h.root for h in self.held.values()] or LETTERS))
        standing = [held.merge for held in self.held.values() if held.root == root]
        ended = {
            letter: held
            for letter, held in self.held.items()
            if standing and held.root == root and held.merge == max(standing)
        }
        back = {letter: held.before for letter, held in ended.items() if held.before}
        stays = {letter: held for letter, held in self.held.items() if letter not in ended}
        if not ended or any(held.root in stays for held in back.values()):
            with pytest.raises(GroupConflictError):
                undo(self.ids[root], actor="ana", now=self.now)
            return
        undo(self.ids[root], actor="ana", now=self.now)
        self.held = {**stays, **back}

    def say(self, draw) -> None:
        # Roots with members more often: what their members do to them is what may go wrong.
        letter = draw("of", st.sampled_from(LETTERS + 2 * [h.root for h in self.held.values()]))
        to = draw("to", st.sampled_from(["resolved", "resolved", "ignored", "open", "regressed"]))
        legal = letter not in self.held and self.status[letter] in HAND.get(to, set())
        if not legal:
            with pytest.raises((IllegalMoveError, GroupConflictError)):
                self.set(letter, to)
            return
        self.set(letter, to)
        self.status[letter] = to

    def set(self, letter: str, to: str) -> None:
        pk, status = self.ids[letter], GroupStatus(to)
        set_status(pk, status, resolution="Cleaned up.", actor="ana", now=self.now)

    def guide(self, draw) -> None:
        letter = draw("of", st.sampled_from(LETTERS))
        text = draw("text", st.sampled_from(["", f"Mind {letter}."]))
        FailureGroup.objects.filter(pk=self.ids[letter]).update(guidance=text)
        self.guidance[letter] = text

    def there(self, draw) -> None:
        """There and back again: a merge and its undo, whatever else stands."""
        roots = [letter for letter in LETTERS if letter not in self.held]
        if len(roots) < 2:
            return
        into, other = draw("pair", st.permutations(roots))[:2]
        before = state()
        merge([self.ids[other]], into=self.ids[into], actor="ana", now=self.now)
        self.merges += 1
        undo(self.ids[into], actor="leo", now=self.now)
        assert state() == before

    def total(self, letter: str) -> int:
        members = self.members(letter)
        return sum(one in members for one, _, _ in self.failures)

    def fix(self, letter: str) -> str:
        root = self.root(letter)
        members = sorted(self.members(letter), key=lambda one: self.ids[one])
        return next((t for one in [root, *members] if (t := self.guidance[one])), "")

    @invariant()
    def counts_are_those_of_the_failures(self) -> None:
        counted = Counter(Failure.objects.values_list("group", flat=True))
        assert dict(FailureGroup.objects.values_list("id", "count")) == counted

    @invariant()
    def each_root_shows_the_sum_of_its_members(self) -> None:
        shown = {g.pk: g for g in queries.groups()}
        roots = {letter for letter in LETTERS if letter not in self.held}
        assert shown.keys() == {self.ids[letter] for letter in roots}
        for letter in roots:
            one = shown[self.ids[letter]]
            times = [at for of, _, at in self.failures if of in self.members(letter)]
            assert one.total == self.total(letter) == len(times)
            assert (one.seen_first, one.seen_last) == (min(times), max(times))
            assert (one.status, one.known_fix) == (self.status[letter], self.fix(letter))

    @invariant()
    def every_failure_leads_to_its_group_and_that_to_its_root(self) -> None:
        expected = [(WORDS[of], self.ids[self.root(of)]) for of, _, _ in self.failures]
        found = queries.failures().order_by("id")
        assert [(f.group.template, f.root_pk) for f in found] == expected
        assert {f.fingerprint == f.group.fingerprint for f in found} == {True}

    @invariant()
    def what_is_known_of_a_group_covers_all_members_of_its_root(self) -> None:
        covered = queries.member_ids_of(self.ids.values())
        for letter, pk in self.ids.items():
            assert covered[pk] == sorted(self.ids[one] for one in self.members(letter))

    @invariant()
    def each_agent_has_its_own_failures_of_a_root(self) -> None:
        for letter in LETTERS[:2]:
            members = self.members(letter)
            expected = Counter(who for of, who, _ in self.failures if of in members)
            assert queries.counts_by_agent(group(letter)) == expected

    @invariant()
    def the_rows_say_what_the_aliases_say(self) -> None:
        standing = GroupAlias.objects.filter(undone_at__isnull=True)
        merged = FailureGroup.objects.filter(merged_into__isnull=False)
        rows = dict(merged.values_list("id", "merged_into"))
        assert dict(standing.values_list("group", "root")) == rows
        assert rows == {self.ids[one]: self.ids[held.root] for one, held in self.held.items()}
        assert dict(FailureGroup.objects.values_list("id", "status")) == {
            self.ids[letter]: status for letter, status in self.status.items()
        }


def walk(steps: int) -> None:
    enough = Groups.steps + steps
    while (left := enough - Groups.steps) > 0:
        run_state_machine_as_test(
            Groups,
            settings=settings(
                max_examples=left // STEPS + 1,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )


@pytest.mark.django_db
def test_groups_show_the_truth_over_three_hundred_steps() -> None:
    walk(300)


@pytest.mark.full
@pytest.mark.django_db
def test_groups_show_the_truth_over_three_thousand_steps() -> None:
    walk(3_000)
