"""The short way of a report stores and answers what the long way does, or leaves it to that."""

from __future__ import annotations

import itertools
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agents.api import known_keys
from agents.clock import db_now
from agents.models import Agent, AgentKey
from agents.services.agents import create_key, register_agent, retire_agent
from agents.services.statements import numbered
from evox import short_way
from failures.api.reading import plainly_right, report_of
from failures.models import Failure, FailureGroup, Incident
from failures.services.error_loops import _COUNT
from failures.services.group_merges import merge
from failures.services.groups import set_status
from failures.services.log import log_failure, log_failures
from failures.services.log_one import _LOG_ONE
from failures.services.log_statement import _LOG
from failures.states import GroupStatus
from tests.failures.groups_world import WORDS, fail, group, report
from tests.recovery.world import at_once
from tests.wire import rows

SHORT = "evox.short_way.ShortWay"
LONG = [name for name in django_settings.MIDDLEWARE if name != SHORT]
PATHS = ["/logFailure", "/api/v1/failures"]
RIGHT = {"agentName": "SAM", "errorType": "build", "errorMessage": "Missing import of ledger"}
SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2


def say(client: Client, path: str, body: Any, key: str | None, **extra: Any) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    if key is not None:
        extra.setdefault("HTTP_AUTHORIZATION", f"Bearer {key}")
    extra.setdefault("content_type", "application/json")
    client.cookies.clear()  # An answer may have set one, and with one all is odd.
    return client.generic("POST", path, raw, **extra)


def taught(key: str) -> Client:
    """A client whose server knows the key and has answered on both paths."""
    client = Client(raise_request_exception=False)
    for path in PATHS:
        assert say(client, path, RIGHT | {"errorMessage": "First."}, key).status_code == 201
    return client


def is_short(client: Client, *args: Any, **extra: Any) -> bool:
    """Whether that call takes the short way to its end."""
    with patch.object(short_way, "_logged", wraps=short_way._logged) as asked:
        found: list[Any] = []
        asked.side_effect = lambda request: found.append(kept(request)) or found[-1]
        kept = asked._mock_wraps
        say(client, *args, **extra)
    return bool(found) and found[0] is not None


@pytest.fixture
def world(db, settings) -> dict[str, str]:
    """Keys, and a group for each letter: with a root, with a fix, resolved, ignored, and new."""
    settings.EVOX_REQUIRE_KEY = True
    keys = {}
    for name in ("SAM", "LEO"):
        keys[name] = create_key(register_agent(name, now=db_now()))
    keys["operator"] = create_key(None)
    retired, revoked = register_agent("OLD", now=db_now()), register_agent("GONE", now=db_now())
    keys |= {"retired": create_key(retired), "revoked": create_key(revoked)}
    retire_agent(retired, now=db_now())
    AgentKey.objects.filter(agent=revoked).update(revoked=True)
    fail("aabcde", agent="LEO", now=db_now())
    merge([group("b").pk], into=group("a").pk, actor="MAX", now=db_now())
    FailureGroup.objects.filter(pk=group("c").pk).update(guidance="Free some space first.")
    for letter, to in (("d", GroupStatus.RESOLVED), ("e", GroupStatus.IGNORED)):
        set_status(group(letter).pk, to, resolution="Done.", actor="MAX", now=db_now())
    return keys


# Requests, as they come and as nobody should send them.
TEXT = st.text(max_size=12) | st.sampled_from(
    ["", " ", "SAM", " sam ", "LEO", "\x00", "a\x00b", "\ud800", "\u2028", "ß", f"token={SECRET}"]
)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | TEXT
VALUE = st.recursive(
    SCALAR, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXT, v, max_size=3), max_leaves=6
)
FIELDS = {
    "agentName": TEXT | VALUE,
    "errorType": st.sampled_from(["build", "test", "api", "timeout", "other", "Build", ""]) | VALUE,
    "errorMessage": st.sampled_from(sorted(WORDS.values())) | TEXT | VALUE,
    "context": st.dictionaries(TEXT | st.sampled_from(["ticketId", "password"]), VALUE, max_size=3)
    | VALUE,
    "resolution": TEXT | VALUE,
    "odd": VALUE,
}
GOOD = st.fixed_dictionaries(
    {
        "errorType": st.sampled_from(["other", "build"]),
        "errorMessage": st.sampled_from(sorted(WORDS.values())),
    },
    optional={
        "agentName": st.sampled_from(["SAM", "sam", " sam ", None, "LEO", "NOBODY"]),
        "context": st.fixed_dictionaries(
            {}, optional={"ticketId": st.sampled_from(["T-1", "T-2", "", 5])}
        ),
        "resolution": st.sampled_from(["", " Did it. ", None]),
    },
)
ANY = st.fixed_dictionaries({}, optional=FIELDS)
DEEP = ('{"errorType": "other", "errorMessage": "x", "context": ' + '{"a": ' * 30, "}" * 31)
RAW = st.sampled_from(
    [
        *(
            b"",
            b"{}",
            b"[]",
            b"null",
            b"nul",
            b'"x"',
            b"{",
            b"[1]",
            b"\xff\xfe{}",
            b"\xef\xbb\xbf{}",
        ),
        b'{"errorType": "other", "errorType": "build", "errorMessage": "x", "errorMessage": "y"}',
        b'{"errorType": "other", "errorMessage": NaN}',
        b'{"errorType": "other", "errorMessage": "x", "context": {"n": 1e999}}',
        b'{"errorType": "other", "errorMessage": "x", "context": {"n": -Infinity}}',
        b'{"errorType": "other", "errorMessage": "x", "context": {"n": %s}}' % (b"9" * 400),
        b'{"errorType": "other", "errorMessage": "x", "context": {"n": %s}}' % (b"9" * 5_000),
        b'{"errorType": "other", "errorMessage": "\\u0000\\ud83d\\ud83d\\ude00"}',
        b'{"errorType": "other", "errorMessage": "\xed\xa0\x80"}',
        b'  {"errorType": "other", "errorMessage": "x"}  ',
        b'{"errorType": "other", "errorMessage": "x"} {}',
        b'{"errorType": "other", "errorMessage": "' + b"word " * 9_000 + b'"}',
        b'{"errorType": "other", "errorMessage": "' + b"y" * 1_100_000 + b'"}',
        "".join(DEEP).encode(),
        b"[" * 100_000,
        json.dumps([RIGHT, {"errorType": "odd"}]).encode(),
    ]
)
BODY = GOOD | GOOD | GOOD | ANY | st.builds(lambda a, b: a | b, GOOD, ANY) | RAW
ODD: dict[str, list[str]] = {
    "content_type": [
        *("application/json; charset=utf-8", "text/plain", "", "application/JSON", "odd"),
        *("application/json;", "application/x-www-form-urlencoded"),
    ],
    "HTTP_ACCEPT": [
        *("*/*", "application/json", "text/html", "", "odd", "application/json; indent=4"),
    ],
    "HTTP_IDEMPOTENCY_KEY": ["k1", "k2", "", "\x00", "k" * 300],
    "HTTP_HOST": ["localhost", "evil.example", "a b"],
    "HTTP_COOKIE": ["a=b", "evox_session_8000=x", 'a="\\000"'],
    "HTTP_ORIGIN": ["https://evil.example"],
    "HTTP_SEC_FETCH_SITE": ["cross-site"],
    "HTTP_TRANSFER_ENCODING": ["chunked"],
    "CONTENT_LENGTH": ["", "5", "-1", "x", "99999999", "²"],
    "QUERY_STRING": ["errorType=other&errorMessage=q", "x=1"],
}
EXTRA = st.fixed_dictionaries({}, optional={n: st.sampled_from(v) for n, v in ODD.items()})
KEY = st.sampled_from(
    ["SAM"] * 6 + ["LEO", "operator", "retired", "revoked", "", "odd", " ", "none"]
)
REQUEST = st.tuples(
    st.sampled_from([*PATHS, "/logFailure/"]), BODY, KEY, st.just({}) | st.just({}) | EXTRA
)
ORDINARY = st.tuples(st.sampled_from(PATHS), GOOD, st.just("SAM"), st.just({}))
NEARLY = (
    st.tuples(st.sampled_from(PATHS), GOOD, st.just("SAM"), EXTRA)
    | st.tuples(st.sampled_from(PATHS), ANY | RAW, st.just("SAM"), st.just({}))
    | st.tuples(st.sampled_from(PATHS), GOOD, KEY, st.just({}))
)
SCENE = (
    st.lists(ORDINARY, min_size=1, max_size=6)
    | st.lists(ORDINARY | NEARLY, min_size=1, max_size=6)
    | st.lists(NEARLY | REQUEST, max_size=4)
)
INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?|\b1[78]\d{11}\b", re.ASCII
)
TABLES = ("failures_failure", "failures_failuregroup", "failures_incident")


PLAYS = itertools.count()


def number_anew() -> None:
    """Ids that tell their tables apart, are found in texts, and come only once."""
    start = next(PLAYS) * 100
    with connection.cursor() as cursor:
        for place, table in enumerate(TABLES, 4):
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)",
                [table, place * 111_000_000 + start],
            )


def settled(found: Any) -> list[str]:
    """Line by line, new ids told by their order alone; other ids and instants aren't compared."""
    lines = [
        json.dumps([name, *each], default=str, sort_keys=True)
        for name, rows_ in found.items()
        for each in [[row] for row in rows_]
    ]
    text = INSTANT.sub("<instant>", "\n".join(lines))
    for place in range(4, 4 + len(TABLES)):
        ids = re.compile(rf"\b{place * 111}\d{{6}}\b")
        order = {pk: n for n, pk in enumerate(sorted({m[0] for m in ids.finditer(text)}))}
        text = ids.sub(lambda m, order=order, place=place: f"<{place}:{order[m[0]]}>", text)
    return text.splitlines()


def played(client: Client, requests: list[Any], keys: dict[str, str]) -> list[str]:
    """What these requests are answered and leave behind; all of it is then undone."""
    with transaction.atomic():
        number_anew()
        answers = []
        for path, body, name, extra in requests:
            key = None if name == "none" else keys.get(name, name)
            with transaction.atomic():
                told = say(client, path, body, key, **extra)
            answers.append([told.status_code, sorted(told.items()), told.content.decode()])
        left = {name: [dict(row) for row in found] for name, found in rows().items()}
        for row in (row for name, found in left.items() for row in found if name not in KEPT):
            row.pop("id", None)
        transaction.set_rollback(True)
    return settled({"answers": answers, **left})


KEPT = {"Failure", "FailureGroup", "Incident"}


def test_whatever_is_sent_both_ways_answer_and_store_the_same(world: dict[str, str]) -> None:
    taught(world["SAM"])
    short = taught(world["SAM"])
    with override_settings(MIDDLEWARE=LONG):
        long = Client(raise_request_exception=False)
        long.handler.load_middleware()
    ways: list[bool] = []
    kept = short_way._logged

    def watched(request: Any) -> Failure | None:
        found = kept(request)
        ways.append(found is not None)
        return found

    @settings(
        deadline=None,
        max_examples=60,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(SCENE)
    @example([(path, RIGHT, "SAM", {}) for path in PATHS])
    def check(requests: list[Any]) -> None:
        assert played(short, requests, world) == played(long, requests, world)

    with patch.object(short_way, "_logged", watched):
        check()
    assert ways[: len(PATHS)] == [True] * len(PATHS), "The plain reports took the long way."
    assert any(ways[len(PATHS) :])


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, all_ in ODD.items() for v in all_])
def test_one_odd_header_is_met_as_on_the_long_way(name, value, world) -> None:
    twice = [(PATHS[len(value) % 2], RIGHT, "SAM", {name: value})] * 2
    with override_settings(MIDDLEWARE=LONG):
        long = Client(raise_request_exception=False)
        long.handler.load_middleware()
    assert played(taught(world["SAM"]), twice, world) == played(long, twice, world)


@pytest.mark.parametrize("path", PATHS)
def test_the_ordinary_report_is_one_statement_and_answers_as_the_long_way(path, world) -> None:
    client = taught(world["SAM"])
    with CaptureQueriesContext(connection) as asked:
        told = say(client, path, RIGHT, world["SAM"])
    assert len(asked) == 1, [one["sql"][:300] for one in asked]
    with override_settings(MIDDLEWARE=LONG):
        again = say(Client(), path, RIGHT, world["SAM"])

    def alike(answer: Any) -> dict[str, Any]:
        changing = {"id", "occurrences", "timestamp", "createdAt"}
        return {name: value for name, value in answer.json().items() if name not in changing}

    assert list(told.json()) == list(again.json())
    assert alike(told) == alike(again)
    assert dict(told.items()) | {"Content-Length": ""} == dict(again.items()) | {
        "Content-Length": ""
    }
    assert told.reason_phrase == again.reason_phrase


def test_a_secret_in_a_short_report_is_masked_in_the_answer_and_the_row(world) -> None:
    client = taught(world["SAM"])
    body = RIGHT | {
        "errorMessage": f"push failed for {SECRET}",
        "context": {"password": "hunter22"},
    }
    assert is_short(client, PATHS[0], body, world["SAM"])
    assert SECRET not in json.dumps(rows(), default=str)
    assert "hunter22" not in json.dumps(rows(), default=str)


def test_a_revoked_key_writes_nothing_from_the_next_call_on(world) -> None:
    client = taught(world["SAM"])
    AgentKey.objects.filter(agent__name="SAM").update(revoked=True)
    before = Failure.objects.count()

    assert say(client, PATHS[0], RIGHT, world["SAM"]).status_code == 401
    assert Failure.objects.count() == before
    assert known_keys.find(world["SAM"]) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda: retire_agent(Agent.objects.get(name="SAM"), now=db_now()),
        lambda: AgentKey.objects.filter(agent__name="SAM").update(
            expiry_date=db_now() - timedelta(seconds=1)
        ),
        lambda: AgentKey.objects.filter(agent__name="SAM").update(hashed_key="sha512$$0"),
    ],
)
def test_so_does_one_that_died_otherwise(change, world) -> None:
    client = taught(world["SAM"])
    change()
    before = Failure.objects.count()

    assert say(client, PATHS[0], RIGHT, world["SAM"]).status_code == 401
    assert Failure.objects.count() == before


def test_an_agent_with_a_new_name_answers_to_that(world) -> None:
    client = taught(world["SAM"])
    Agent.objects.filter(name="SAM").update(name="SAMMY")

    assert say(client, PATHS[0], RIGHT, world["SAM"]).status_code == 403
    told = say(client, PATHS[0], RIGHT | {"agentName": "SAMMY"}, world["SAM"])
    assert (told.status_code, told.json()["agentName"]) == (201, "SAMMY")


def test_nobody_unknown_has_a_body_read(world) -> None:
    client = taught(world["SAM"])
    for key in ("odd", f"{world['SAM']}x", world["LEO"]):
        with patch.object(short_way, "parse_json") as parsed:
            say(client, PATHS[0], RIGHT, key)
        assert not parsed.called


def test_a_silent_agent_is_heard_and_a_talking_one_costs_no_write(world) -> None:
    client = taught(world["SAM"])
    long_ago = db_now() - timedelta(hours=1)
    Agent.objects.filter(name="SAM").update(last_seen_at=long_ago)

    say(client, PATHS[0], RIGHT, world["SAM"])
    heard = Agent.objects.get(name="SAM").last_seen_at
    assert heard > long_ago + timedelta(minutes=59)
    say(client, PATHS[0], RIGHT, world["SAM"])
    assert Agent.objects.get(name="SAM").last_seen_at == heard


def test_what_a_loop_or_a_root_or_a_fix_needs_takes_the_long_way(world, settings) -> None:
    settings.EVOX_ERROR_LOOP = 3
    client = taught(world["SAM"])

    def went_short(letter: str, **context: str) -> bool:
        body = {"errorType": "other", "errorMessage": WORDS[letter], "context": context}
        return is_short(client, PATHS[0], body, world["SAM"])

    assert [went_short(letter) for letter in "abcdef"] == [False, False, False, True, True, True]
    assert [went_short("f", ticketId="T-9") for _ in range(4)] == [True, True, False, False]
    assert Incident.objects.filter(kind="error_loop").count() == 1
    assert FailureGroup.objects.get(pk=group("d").pk).status == GroupStatus.REGRESSED
    assert group("f").count == 5


def test_reports_at_once_count_each_and_open_one_incident(transactional_db, settings) -> None:
    settings.EVOX_REQUIRE_KEY, settings.EVOX_ERROR_LOOP = True, 3
    key = create_key(register_agent("SAM", now=db_now()))
    clients = [taught(key) for _ in range(6)]
    body = RIGHT | {"context": {"ticketId": "T-1"}}

    for _ in range(4):
        acts = [lambda c=client: say(c, PATHS[1], body, key).status_code for client in clients]
        assert at_once(*acts) == [201] * 6
    assert Failure.objects.filter(ticket_id="T-1").count() == 24
    assert FailureGroup.objects.get(template=RIGHT["errorMessage"]).count == 24
    assert Incident.objects.filter(kind="error_loop", dedup_key__contains="T-1").count() == 1


def test_a_report_that_waited_for_its_twin_still_sees_the_loop(transactional_db, settings) -> None:
    """Its statement began before the twin was committed, so by itself it would miss the twin."""
    settings.EVOX_REQUIRE_KEY, settings.EVOX_ERROR_LOOP = True, 3
    sam = register_agent("SAM", now=db_now())
    key = create_key(sam)
    client = taught(key)
    body = RIGHT | {"context": {"ticketId": "T-1"}}
    assert is_short(client, PATHS[1], body, key)
    twin = report_of(plainly_right(body) or {}, sam)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            log_failure(twin, now=db_now())
            late = pool.submit(lambda: (say(client, PATHS[1], body, key), connection.close())[0])
            for _ in range(2_000):
                if held_up():
                    break
                time.sleep(0.01)
        assert late.result(30).status_code == 201

    assert Failure.objects.filter(ticket_id="T-1").count() == 3
    assert Incident.objects.filter(kind="error_loop").count() == 1


def held_up() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0


def plan(sql: str) -> str:
    """How PostgreSQL would carry the statement out, whatever its values."""
    connection.ensure_connection()
    said = connection.connection.pgconn.exec_(f"EXPLAIN (GENERIC_PLAN) {numbered(sql)[0]}".encode())
    return "\n".join(said.get_value(n, 0).decode() for n in range(said.ntuples))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sql", [_LOG, _LOG_ONE, _COUNT], ids=["bulk", "one", "loops"])
def test_before_statistics_a_plan_is_made_that_suits_full_tables(sql: str) -> None:
    log_failures([report("a", ticket_id=f"T-{n}") for n in range(2_000)], now=db_now())
    found = plan(sql)

    assert "failure_of_ticket" in found or sql is _LOG
    assert "BitmapAnd" not in found, found
    assert not re.search(r"Seq Scan on failures_failure |hashed SubPlan", found), found


def test_no_more_keys_are_known_than_fit(world, monkeypatch) -> None:
    monkeypatch.setattr(known_keys, "MOST", 3)
    monkeypatch.setattr(known_keys, "_known", {})
    row = AgentKey.objects.select_related("agent").get(agent__name="SAM")
    for number in range(9):
        known_keys.remember(f"key{number}", row)
    assert [n for n in range(9) if known_keys.find(f"key{n}")] == [6, 7, 8]
    monkeypatch.setattr(known_keys, "monotonic", lambda: row.created.timestamp() + 10**9)
    assert known_keys.find("key8") is None
