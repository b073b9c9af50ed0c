"""What a lead does with groups of failures in the admin."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse

from agents.clock import db_now
from agents.services.agents import register_agent
from failures.models import FailureGroup, GroupAlias
from failures.services.group_merges import merge, undo
from failures.services.group_proposals import proposals
from failures.services.log import NewFailure, log_failures
from failures.states import ErrorType
from tests.failures.groups_world import fail, group
from tests.wire import T0

LIST = reverse("admin:failures_failuregroup_changelist")
PROPOSALS = reverse("admin:failures_group_proposals")


@pytest.fixture
def lead(client, db):
    """A logged-in administrator."""
    client.force_login(get_user_model().objects.create_superuser("ann", password="x"))
    return client


def act(client, letters: str, action: str, **fields):
    data = {"action": action, ACTION_CHECKBOX_NAME: [group(one).pk for one in letters], **fields}
    return client.post(LIST, data, follow=True).content.decode()


def page_of(client, letter: str) -> str:
    address = reverse("admin:failures_failuregroup_change", args=[group(letter).pk])
    return client.get(address, follow=True).content.decode()


def values(*names: str, now=T0) -> None:
    """A group for each name: one mistake, as a person sees it."""
    text = "the shop has no counter {} left to open today"
    sam = register_agent("SAM", now=T0)
    reports = [
        NewFailure(agent=sam, error_type=ErrorType.OTHER, message=text.format(name))
        for name in names
    ]
    log_failures(reports, now=now)


def test_merging_asks_which_group_stands_for_all(lead):
    fail("aab")
    asked = act(lead, "ab", "merge")
    assert "cannot open the ledger (2 failures)" in asked
    assert not GroupAlias.objects.exists()

    said = act(lead, "ab", "merge", into=group("b").pk, reason="One disk.")

    assert "1 held for it" in said
    alias = GroupAlias.objects.get()
    assert (alias.group, alias.root) == (group("a"), group("b"))
    assert (alias.by, alias.reason, alias.kind) == ("ann", "One disk.", "hand")


def test_a_group_that_was_not_selected_can_not_be_the_root(lead):
    fail("abc")
    asked = act(lead, "ab", "merge", into=group("c").pk)

    assert "Select a valid choice" in asked
    assert not GroupAlias.objects.exists()


def test_the_list_shows_roots_with_the_sums_of_their_members(lead):
    fail("aabc")
    merge([group("b").pk], into=group("a").pk, actor="ann", now=T0)
    page = lead.get(LIST).content.decode()

    assert "the parser gave up early" not in page
    assert '<td class="field-failures">3</td>' in page
    found = lead.get(LIST, {"q": "parser"}).content.decode()
    assert "cannot open the ledger" in found
    assert "no space left" not in found


def test_a_roots_page_shows_members_agents_and_acts_and_a_members_leads_there(lead):
    fail("aab")
    fail("b", agent="LEO")
    merge([group("b").pk], into=group("a").pk, reason="One disk.", actor="ann", now=T0)

    for page in (page_of(lead, "a"), page_of(lead, "b")):
        assert "the parser gave up early (2)" in page
        assert "SAM 3, LEO 1" in page
        assert "One disk." in page
        assert "ann: <strong>merge</strong>" in page


def test_splitting_asks_which_members(lead):
    fail("abc")
    merge([group("b").pk, group("c").pk], into=group("a").pk, actor="ann", now=T0)
    asked = act(lead, "a", "split")
    assert 'name="members"' in asked

    act(lead, "a", "split", members=[group("b").pk], reason="Another disk.")

    assert (group("b").merged_into, group("c").merged_into) == (None, group("a"))


def test_undoing_takes_the_last_merge_back(lead):
    fail("abc")
    merge([group("b").pk], into=group("a").pk, actor="ann", now=T0)
    merge([group("c").pk], into=group("a").pk, actor="ann", now=T0)
    act(lead, "a", "undo")
    assert group("c").merged_into == group("a")

    assert "last merge undone" in act(lead, "a", "undo", reason="")
    assert (group("b").merged_into, group("c").merged_into) == (group("a"), None)
    assert "No such merge" in act(lead, "c", "undo", reason="")


def test_resolving_asks_how_and_ignoring_does_not(lead):
    fail("ab")
    act(lead, "a", "resolve")
    assert group("a").status == "open"
    act(lead, "a", "resolve", resolution="Made it bigger.")
    act(lead, "b", "ignore")

    assert (group("a").status, group("a").resolved_by) == ("resolved", "ann")
    assert group("a").resolution == "Made it bigger."
    assert group("b").status == "ignored"
    assert "it can&#x27;t become" in act(lead, "b", "ignore")
    act(lead, "ab", "reopen")
    assert (group("a").status, group("b").status) == ("open", "open")


def test_the_type_by_its_text_is_shown_where_it_differs(lead):
    sam = register_agent("SAM", now=T0)
    texts = ["requests.exceptions.ConnectionError: refused", "quiet words of nothing"]
    reports = [NewFailure(agent=sam, error_type=ErrorType.OTHER, message=t) for t in texts]
    log_failures(reports, now=T0)
    page = lead.get(LIST).content.decode()

    assert page.count('<td class="field-by_text">Api</td>') == 1
    assert page.count('<td class="field-by_text">–</td>') == 1


def test_a_proposed_merge_is_accepted_by_a_click(lead):
    values("bread", "fruit", "cheese", "fish", now=db_now())
    page = lead.get(PROPOSALS).content.decode()
    assert "bread, cheese, fish, fruit" in page
    [one] = proposals(db_now())

    lead.post(PROPOSALS, {"into": one.into.pk, "others": [g.pk for g in one.others]})

    assert FailureGroup.objects.filter(merged_into=one.into).count() == 3
    assert "Nothing is proposed" in lead.get(PROPOSALS).content.decode()


def test_a_new_group_is_proposed_for_the_root_of_its_like(db):
    values("bread", "fruit", "cheese", "fish")
    [one] = proposals(T0)
    merge([g.pk for g in one.others], into=one.into.pk, actor="ann", now=T0)
    values("plants")

    [more] = proposals(T0)
    assert more.into == one.into
    assert [g.template for g in more.others] == [
        "the shop has no counter plants left to open today"
    ]


def test_what_somebody_took_apart_is_not_proposed_again(db):
    values("bread", "fruit", "cheese", "fish", "plants")
    [one] = proposals(T0)
    merge([g.pk for g in one.others], into=one.into.pk, actor="ann", now=T0)
    undo(one.into.pk, actor="ann", now=T0)

    assert proposals(T0) == []


def test_only_the_last_seven_days_are_compared(db):
    values("bread", "fruit", "cheese", "fish")

    assert len(proposals(T0 + timedelta(days=6))) == 1
    assert proposals(T0 + timedelta(days=7)) == []


@pytest.mark.parametrize("codename", ["view_failuregroup", None])
def test_who_may_only_look_gets_no_verbs(client, db, codename):
    fail("ab")
    user = get_user_model().objects.create_user("bob", password="x", is_staff=True)
    if codename:
        user.user_permissions.add(Permission.objects.get(codename=codename))
    client.force_login(user)

    assert client.get(PROPOSALS).status_code == 403
    act(client, "ab", "merge", into=group("a").pk)
    assert not GroupAlias.objects.exists()
    if codename:
        assert "Split members off" not in page_of(client, "a")
