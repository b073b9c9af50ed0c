"""`manage.py create_viewer`: a login that reads, and nothing else."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.django_db


def made(name, capsys):
    call_command("create_viewer", name)
    return capsys.readouterr().out.split("password ")[1].split()[0]


def test_the_printed_password_opens_the_page_and_not_the_admin(client, settings, capsys):
    settings.EVOX_REQUIRE_KEY = True
    password = made("ceo", capsys)

    assert client.login(username="ceo", password=password)
    assert client.get("/").status_code == 200
    assert client.get("/admin/health/").status_code == 200
    assert client.get("/admin/").status_code == 302
    assert client.post("/api/v1/pause", {"minutes": 5, "reason": "x"}).status_code == 403
    user = User.objects.get()
    assert [group.name for group in user.groups.all()] == ["viewer"]
    assert user.get_all_permissions() == set()


def test_the_same_name_again_gets_a_new_password(client, capsys):
    first, second = made("ceo", capsys), made("ceo", capsys)

    assert first != second
    assert not client.login(username="ceo", password=first)
    assert client.login(username="ceo", password=second)


@pytest.mark.parametrize("name", ["ann", "", "x" * 151])
def test_staff_is_no_viewer_and_a_name_has_its_bounds(name):
    User.objects.create_user("ann", is_staff=True, password="kept")

    with pytest.raises(CommandError):
        call_command("create_viewer", name)

    assert User.objects.get().check_password("kept")
