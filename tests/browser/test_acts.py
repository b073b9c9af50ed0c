"""Whoever may act does so from the page, with scripts or without; the others see no button."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from playwright.sync_api import expect

from failures.services import incidents
from tests.browser.test_live import headline, trouble

LINE = "INC-{} is yours for 30 minutes; then it asks again."


@pytest.mark.parametrize("scripts", [True, False])
def test_an_incident_is_acknowledged_with_one_press(visit, admin, scripts):
    incident = trouble()
    page = visit(user=admin, java_script_enabled=scripts)

    page.get_by_role("button", name="Acknowledge").click()

    expect(page.get_by_role("status")).to_contain_text(LINE.format(incident.pk))
    expect(headline(page)).to_contain_text("Nothing needs you")
    incident.refresh_from_db()
    assert (incident.status, incident.acknowledged_by) == ("acknowledged", "ann")


@pytest.mark.parametrize("scripts", [True, False])
def test_an_incident_is_snoozed_with_a_reason(visit, admin, scripts):
    incident = trouble()
    page = visit(user=admin, java_script_enabled=scripts)

    page.get_by_text("Snooze or resolve…").click()
    page.get_by_label("Why, or how it ended").fill("Disk is on its way")
    page.get_by_role("button", name="Snooze 1 h").click()

    expect(page.get_by_role("status")).to_contain_text("rests for 1 hour")
    assert incident.events.last().data["reason"] == "Disk is on its way"


def test_enter_in_a_reason_presses_nothing(visit, admin):
    """The first button of the form would acknowledge the first incident."""
    incident = trouble()
    page = visit(user=admin)
    page.get_by_text("Snooze or resolve…").click()
    page.get_by_label("Why, or how it ended").press("Enter")
    page.wait_for_timeout(500)

    expect(page.get_by_role("button", name="Acknowledge")).to_be_visible()
    incident.refresh_from_db()
    assert incident.status == "open"


def test_who_presses_on_an_old_page_is_told_so(visit, admin):
    incident = trouble()
    page = visit(user=admin, java_script_enabled=False)
    incidents.acknowledge(incident.pk, actor="MAX", now=incident.opened_at)

    page.get_by_role("button", name="Acknowledge").click()

    expect(page.get_by_role("status")).to_contain_text("has changed since; look at it again.")


def test_the_ceo_logs_in_as_a_viewer_reads_everything_and_changes_nothing(visit, capsys):
    call_command("create_viewer", "ceo")
    password = capsys.readouterr().out.split("password ")[1].split()[0]
    incident = trouble()
    page = visit("/admin/login/?next=/")
    page.get_by_label("Username").fill("ceo")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()

    expect(headline(page)).to_have_text("✕ 1 incident needs you.")
    expect(page.get_by_role("button")).to_have_count(0)
    page.get_by_role("link", name=incident.title).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(incident.number)
    expect(page.get_by_role("button")).to_have_count(0)
    page.goto("/admin/health/")
    expect(headline(page)).to_have_text("✕ 1 incident needs you.")
    expect(page.locator(".widget button")).to_have_count(0)


def test_an_incident_is_resolved_from_the_admins_widget(visit, admin):
    incident = trouble()
    page = visit("/admin/", user=admin)

    page.get_by_text("Snooze or resolve…").click()
    page.get_by_label("Why, or how it ended").fill("Restarted")
    page.get_by_role("button", name="Resolve").click()

    expect(page).to_have_url("/admin/")
    expect(page.locator(".messagelist")).to_contain_text("is over")
    incident.refresh_from_db()
    assert incident.status == "resolved"
