"""A report is written down before it is sent, and sent once."""

from __future__ import annotations

import json
import socket

import pytest

from tests.rollback.world import BAD, Recorder, case


def waiting(world):
    return sorted((world.top / ".git/evox/spool").glob("*.json"))


def parked(world):
    return sorted((world.top / ".git/evox/parked").glob("*.json"))


def down(world):
    """Point at a port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        world.env["EVOX_URL"] = f"http://127.0.0.1:{probe.getsockname()[1]}"


def up(world):
    world.env["EVOX_URL"] = world.server.url


@case
def test_a_server_that_is_down_delays_the_report_and_not_the_revert(world):
    down(world)
    bad = world.commit("Break it", a_txt=BAD)
    assert world.reverted() == [bad]
    up(world)
    world.commit("Fine", b_txt="fine\n")
    assert world.kinds() == ["rolled_back"]


def test_what_waits_is_said_and_goes_with_the_next_commit(world):
    down(world)
    world.commit("Break it", a_txt=BAD)
    assert "a report waits" in world.told
    assert len(waiting(world)) == 1
    assert "1 reports wait" in world.tool("doctor", check=False)
    up(world)
    world.commit("Fine", b_txt="fine\n")
    assert waiting(world) == []
    assert world.kinds() == ["rolled_back"]


@pytest.mark.parametrize("status", [408, 429, 500, 503, 302])
def test_a_server_in_trouble_is_tried_again(world, status):
    world.server.status = status
    world.commit("Break it", a_txt=BAD)
    assert len(waiting(world)) == 1
    world.server.status = 200
    assert world.tool("flush").startswith("1 sent, 0 wait")
    assert world.kinds() == ["rolled_back"]
    assert waiting(world) == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_a_report_that_the_server_refuses_is_put_aside(world, status):
    world.server.status = status
    world.commit("Break it", a_txt=BAD)
    assert waiting(world) == []
    assert len(parked(world)) == 1
    assert str(status) in world.told
    assert "refused 1 reports" in world.tool("doctor", check=False)
    world.server.status = 200
    assert world.tool("flush", "--again").startswith("1 sent, 0 wait")
    assert world.kinds() == ["rolled_back"]


def test_a_refused_report_does_not_hold_up_the_others(world):
    world.server.status = 400
    world.commit("Break it", a_txt=BAD)
    world.server.status = 200
    world.commit("Break it again", a_txt=BAD + "x")
    assert world.kinds() == ["rolled_back"]
    assert len(parked(world)) == 1


def test_what_waits_is_sent_the_oldest_first_with_the_same_keys(world):
    down(world)
    bad = [world.commit(f"Break it {n}", a_txt=BAD + str(n)) for n in range(3)]
    keys = [json.loads(file.read_text())["idempotencyKey"] for file in waiting(world)]
    up(world)
    world.tool("flush")
    assert [body["metadata"]["originalCommit"] for body in world.server.heard] == bad
    assert [headers["Idempotency-Key"] for headers in world.server.headers] == keys
    assert len(set(keys)) == 3


def test_a_torn_file_in_the_spool_is_put_aside(world):
    world.write(".git/evox/spool/000-torn.json", '{"kind": "rol')
    assert world.tool("flush").startswith("1 sent, 0 wait")
    assert [file.name for file in parked(world)] == ["000-torn.json"]
    assert world.kinds() == []


def test_the_key_goes_into_a_header_and_never_into_a_url_or_a_file(world):
    world.env["EVOX_KEY"] = "abc.def-secret"
    world.env["EVOX_URL"] += "/"
    down_status, world.server.status = world.server.status, 503
    world.commit("Break it", a_txt=BAD)
    assert world.server.headers[0]["Authorization"] == "Bearer abc.def-secret"
    kept = "".join(file.read_text() for file in waiting(world))
    assert "secret" not in kept + world.told
    world.server.status = down_status


@pytest.mark.parametrize("status", [302, 303, 307])
def test_a_redirect_is_not_followed(world, status):
    other = Recorder()
    try:
        world.server.status, world.server.location = status, other.url + "/logIncident"
        world.env["EVOX_KEY"] = "abc.def-secret"
        world.commit("Break it", a_txt=BAD)
        assert other.headers + other.asked == []
        assert len(waiting(world)) == 1
    finally:
        other.stop()


def test_a_server_that_never_answers_costs_three_seconds(world):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        world.env["EVOX_URL"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        bad = world.commit("Break it", a_txt=BAD, timeout=60)
    assert world.reverted() == [bad]
    assert len(waiting(world)) == 1


def test_something_that_speaks_no_http_is_tried_again(world):
    with socket.socket() as odd:
        odd.bind(("127.0.0.1", 0))
        world.env["EVOX_URL"] = "http://127.0.0.1:1/ not an address"
        world.commit("Break it", a_txt=BAD)
    assert len(world.reverted()) == 1
    assert len(waiting(world)) == 1


@case
def test_the_end_of_a_long_output_is_what_is_reported(world):
    world.command("grep -q BROKEN a.txt || exit 0; seq 200000; echo the very end; exit 1")
    world.commit("Break it", a_txt=BAD)
    said = world.incident["metadata"]["buildError"]
    assert said.endswith("the very end\n")
    assert len(said.encode()) <= 4_096


SECRETS = {
    "api_key=": "api_key=AbCd1234efgh",
    "json": '{"password": "hunter2hunter2"}',
    "token": "export GITHUB_TOKEN=ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "aws id": "AKIAIOSFODNN7EXAMPLE",
    "aws secret": "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "url": "postgres://sam:p4ssw0rd@db.example.org/evox",
    "url without a name": "redis://:p4ssw0rd@db.example.org/0",
    "bearer": "Authorization: Bearer abcdef0123456789",
    "basic": "authorization: Basic c2FtOnBhc3N3b3Jk",
    "slack": "xoxb-123456789012-abcdefghijkl",
    "stripe": "sk_live_0123456789abcdef",
    "openai": "sk-proj-0123456789abcdefghij",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "pem": "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nabcdefgh\n-----END PRIVATE KEY-----",
    "key:": "KEY: 0123456789abcdef",
}
LEAKS = [
    *("AbCd1234efgh", "hunter2", "ghp_0123", "AKIAIOSF", "wJalrX", "p4ssw0rd", "abcdef0123456789"),
    *("c2FtOn", "123456789012-abc", "0123456789abcdef", "c2lnbmF0", "MIIEpA", "abcdefgh"),
]


def test_secrets_stay_on_the_machine(world):
    (world.folder / "output").write_text("".join(f"{text}\n" for text in SECRETS.values()))
    world.command('grep -q BROKEN a.txt || exit 0; cat "$HOME/output"; PASSWORD=hunter2 exit 1')
    world.git("config", "remote.origin.url", "https://sam:p4ssw0rd@example.org/x.git")
    world.commit("Break it\n\napi_key=AbCd1234efgh", a_txt=BAD)
    sent = json.dumps(world.incident)
    assert [leak for leak in LEAKS if leak in sent] == []
    assert "db.example.org/evox" in sent
    assert "example.org/x.git" in sent


def test_a_secret_is_masked_before_the_output_is_cut(world):
    """Cut first, the rest of a key without its beginning would look like nothing."""
    lines = "\n".join(["A" * 64] * 200)
    text = f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\nend\n"
    (world.folder / "output").write_text(text)
    world.command('grep -q BROKEN a.txt || exit 0; cat "$HOME/output"; exit 1')
    world.commit("Break it", a_txt=BAD)
    assert "AAAA" not in world.incident["metadata"]["buildError"]
    assert world.incident["metadata"]["buildError"].endswith("end\n")


def test_output_that_is_no_text_is_no_trouble(world):
    world.command(r"grep -q BROKEN a.txt || exit 0; printf '\377\376\000\033[0m'; exit 1")
    bad = world.commit("Break it", a_txt=BAD)
    assert world.reverted() == [bad]
    assert world.kinds() == ["rolled_back"]


@pytest.mark.django_db(transaction=True)
def test_evox_itself_takes_every_kind_of_report(world, live_server, settings):
    from failures.models import Incident

    settings.ALLOWED_HOSTS = ["*"]
    world.env["EVOX_URL"] = live_server.url
    world.git("config", "evox.repository", "example/thing")
    bad = world.commit(f"Break it\n\n{'é' * 5000}", a_txt=BAD)
    world.git("config", "evox.rollback.mode", "report-only")
    world.commit("Break it again", a_txt=BAD)
    assert waiting(world) == [], world.told
    assert parked(world) == [], world.told
    made = list(Incident.objects.order_by("id").values_list("kind", flat=True))
    assert made == ["rolled_back", "rollback_blocked"]
    first = Incident.objects.order_by("id").first()
    assert first.metadata["originalCommit"] == bad
    assert first.metadata["confirmed"] is True
