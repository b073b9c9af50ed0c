"""The failure log over the wire, one report or a thousand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from agents.services.agents import register_agent
from failures import policy
from failures.models import Failure, FailureGroup
from failures.queries import failures as all_failures
from failures.services.log import NewFailure, log_failure
from failures.states import ErrorType
from tests.wire import T0, get, patch, post, refused, rows

FAILURE = {"agentName": "SAM", "errorType": "build", "errorMessage": "make: *** No rule. Stop."}
SHAPE = {
    *("id", "agentName", "errorType", "errorMessage", "context", "resolution", "outcome"),
    "classifiedType",
    *("fingerprint", "groupId", "occurrences", "guidance", "timestamp", "createdAt"),
}
GROUP = {
    *("id", "fingerprint", "family", "errorType", "template", "toolCode", "errorClass", "count"),
    *("status", "guidance", "firstSeenAt", "lastSeenAt", "classifiedType", "withheld"),
    *("resolution", "resolvedBy", "resolvedAt"),
}


@pytest.mark.django_db
def test_a_failure_is_logged_grouped_and_found() -> None:
    first = post("failures", FAILURE | {"context": {"ticketId": "T-1", "files": ["a.c"]}})
    second = post("failures", FAILURE).json()

    assert first.status_code == 201
    failure = first.json()
    assert failure.keys() == SHAPE
    assert (failure["agentName"], failure["occurrences"], second["occurrences"]) == ("SAM", 1, 2)
    assert failure["groupId"] == second["groupId"]
    listed = get("failures?agent=sam&type=build&ticket=T-1&since=2026-01-01T00:00:00Z").json()
    assert [row["id"] for row in listed["results"]] == [failure["id"]]
    by_print = get(f"failures?fingerprint={failure['fingerprint']}").json()["results"]
    assert len(by_print) == 2
    assert get(f"failures/{failure['id']}").json()["occurrences"] == 2
    group = get(f"failure-groups/{failure['groupId']}").json()
    assert group.keys() == GROUP | {"agents", "members"}
    assert (group.pop("agents"), group.pop("members")) == ({"SAM": 2}, [])
    assert get("failure-groups").json()["results"] == [group]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"errorType": "odd"}, "errorType"),
        ({"errorType": None}, "errorType"),
        ({"errorType": {}}, "errorType"),
        ({"errorMessage": None}, "errorMessage"),
        ({"errorMessage": 7}, "errorMessage"),
        ({"context": []}, "context"),
        ({"context": "text"}, "context"),
        ({"resolution": 7}, "resolution"),
        ({"agentName": None}, "agentName"),
        ({"agentName": "not a name"}, "agentName"),
        ({"agentName": []}, "agentName"),
    ],
)
def test_a_wrong_report_names_its_field_and_changes_nothing(wrong: dict, field: str) -> None:
    before = rows()

    assert refused(post("failures", FAILURE | wrong), 400, "invalid", field)
    assert rows() == before


@pytest.mark.django_db
def test_a_bulk_answers_for_each_of_its_items() -> None:
    items = [FAILURE, {}, 7, FAILURE | {"errorType": "odd"}, FAILURE | {"errorMessage": "x\x00"}]
    answer = post("failures", items)

    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [(r["index"], r["status"]) for r in results] == [
        *((0, 201), (1, 400), (2, 400), (3, 400), (4, 201)),
    ]
    assert all(("id" in r) != ("error" in r) for r in results)
    assert "errorType" in results[3]["error"]["fields"]
    assert Failure.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("count", [0, 1001])
def test_a_bulk_has_one_to_a_thousand_items(count: int) -> None:
    before = rows()

    assert refused(post("failures", [FAILURE] * count), 400, "invalid", "body")
    assert rows() == before


@pytest.mark.django_db
def test_a_thousand_failures_of_two_megabytes_are_stored_in_order() -> None:
    items = [FAILURE | {"errorMessage": f"{'x' * 2_000} {n}"} for n in range(1000)]
    results = post("failures", items).json()["results"]

    ids = [result["id"] for result in results]
    assert len(set(ids)) == 1000
    assert Failure.objects.get(pk=ids[999]).message.endswith(" 999")


@pytest.mark.django_db
def test_a_bulk_in_another_agents_name_is_refused_item_by_item() -> None:
    from agents.services.agents import create_key

    key = create_key(register_agent("SAM", now=T0))
    answer = post("failures", [FAILURE, FAILURE | {"agentName": "LEO"}], key=key)

    assert [r["status"] for r in answer.json()["results"]] == [201, 403]


@pytest.mark.django_db
def test_long_text_is_kept_head_and_tail() -> None:
    long = "HEAD" + "y" * 500_000 + "TAIL"
    failure = post("failures", FAILURE | {"errorMessage": long, "context": {"log": long}}).json()

    assert len(failure["errorMessage"]) <= policy.MESSAGE_LIMIT
    assert failure["errorMessage"].startswith("HEAD")
    assert failure["errorMessage"].endswith("TAIL")
    assert len(failure["context"]["log"]) <= policy.CONTEXT_TEXT_LIMIT


@pytest.mark.django_db
def test_a_resolution_is_noted() -> None:
    pk = post("failures", FAILURE).json()["id"]
    answer = patch(f"failures/{pk}", {"resolution": "Wrote the rule.", "outcome": "fixed"})

    assert answer.json().keys() == SHAPE
    assert (answer.json()["resolution"], answer.json()["outcome"]) == ("Wrote the rule.", "fixed")
    for wrong in ({}, {"resolution": ""}, {"resolution": "x", "outcome": "odd"}):
        assert refused(patch(f"failures/{pk}", wrong), 400, "invalid")
    assert refused(patch("failures/999999", {"resolution": "x", "outcome": "fixed"}), 404)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("failures/0", 404),
        (f"failures/{'9' * 30}", 404),
        ("failure-groups/999", 404),
        ("failures?type=odd", 400),
        ("failures?since=yesterday", 400),
        ("failures?agent=NOBODY", 404),
        ("failures?ticket=%00", 400),
        ("failures?fingerprint=" + "x" * 81, 400),
    ],
)
def test_a_wrong_address_or_filter_has_the_error_shape(path: str, status: int) -> None:
    assert refused(get(path), status)


@pytest.mark.django_db
def test_a_resolved_group_that_comes_back_has_regressed() -> None:
    group = post("failures", FAILURE).json()["groupId"]
    FailureGroup.objects.update(status="resolved", resolved_by="ana", resolved_at=T0)
    post("failures", FAILURE)

    assert get(f"failure-groups/{group}").json()["status"] == "regressed"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (7, 7),
        (None, None),
        ("x", "x"),
        (list(range(51)), [*range(50), "[1 more]"]),
        ([[[[["deep"]]]]], [[[["[nested deeper than EVOX keeps]"]]]]),
    ],
)
def test_context_is_bounded(value: object, kept: object) -> None:
    assert policy.bounded_context(value) == kept


def test_a_large_context_says_how_much_is_missing() -> None:
    kept = policy.bounded_context({f"k{n}": n for n in range(60)})

    assert (len(kept), kept["…"]) == (51, "[10 more]")


@pytest.mark.parametrize(
    ("context", "ticket"),
    [({}, ""), ({"ticketId": "T"}, "T"), ({"ticket": "T"}, "T"), ({"ticketId": 7}, "")],
)
def test_the_ticket_is_read_from_the_context(context: dict, ticket: str) -> None:
    assert policy.ticket_of(context) == ticket


@pytest.mark.django_db(transaction=True)
def test_eight_threads_lose_no_count_of_a_group() -> None:
    sam = register_agent("SAM", now=T0)
    report = NewFailure(agent=sam, error_type=ErrorType.TEST, message="assert 1 == 2")

    def log_twenty(_: int) -> None:
        try:
            for _ in range(20):
                log_failure(report, now=T0)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(log_twenty, range(8)))

    assert FailureGroup.objects.get().count == all_failures().count() == 160
