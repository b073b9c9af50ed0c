"""What is read without a serializer is what the serializer reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError
from rest_framework.test import APIClient

from agents.api.views import validated
from failures.api.reading import plainly_right, read
from failures.api.serializers import ERROR_TYPES, FailureOut, NewFailureIn
from failures.models import Failure
from failures.queries import failures
from tests.wire import get, post, rows

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=9)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
VALUE = st.recursive(
    SCALAR, lambda v: st.lists(v, max_size=2) | st.dictionaries(TEXT, v, max_size=2), max_leaves=4
)
OBJECT = st.dictionaries(TEXT, VALUE, max_size=3)
REPORT = st.fixed_dictionaries(
    {},
    optional={
        "agentName": TEXT | st.sampled_from(["SAM", " sam ", "", " "]) | VALUE,
        "errorType": st.sampled_from([*ERROR_TYPES, "Build", " build", ""]) | VALUE,
        "errorMessage": TEXT | VALUE,
        "context": OBJECT | VALUE,
        "resolution": TEXT | VALUE,
        "other": VALUE,
    },
)
RIGHT = {"agentName": "SAM", "errorType": "build", "errorMessage": "x"}


def asked(data: Any) -> dict[str, Any] | None:
    try:
        valid = validated(NewFailureIn, data)
    except ValidationError:
        return None
    return {name: value for name, value in valid.items() if value is not None}


@settings(deadline=None, max_examples=400)
@given(REPORT | st.builds(lambda more: RIGHT | more, REPORT) | VALUE)
def test_what_isplainly_right_is_right_and_says_the_same(data: Any) -> None:
    found = plainly_right(data)

    if found is not None:
        assert {name: value for name, value in found.items() if value is not None} == asked(data)


@pytest.mark.parametrize(
    "more",
    [{}, {"context": {"a": 1}}, {"resolution": " Did it. "}, {"agentName": " sam "}, {"odd": 1}],
)
def test_ordinary_reports_need_no_serializer(more: dict) -> None:
    found = plainly_right(RIGHT | more) or {}

    assert {name: value for name, value in found.items() if value is not None} == asked(
        RIGHT | more
    )


def test_what_is_notplainly_right_is_for_the_serializer_to_refuse() -> None:
    with pytest.raises(ValidationError):
        read(RIGHT | {"context": []})


@pytest.mark.django_db
def test_a_bulk_answers_in_the_same_words_as_a_single_report() -> None:
    wrong = [
        *({"errorType": "odd"}, {"errorMessage": None}, {"agentName": "not a name"}),
        *({"agentName": None}, {"context": 5}, {"resolution": []}, {"agentName": " "}),
    ]
    items = [RIGHT | one for one in wrong]
    results = post("failures", items).json()["results"]

    for item, result in zip(items, results, strict=True):
        alone = post("failures", item)
        assert (result["status"], {"error": result["error"]}) == (alone.status_code, alone.json())


@pytest.mark.django_db
def test_a_bulk_registers_each_author_once_and_asks_for_it_once(django_assert_max_num_queries):
    items = [RIGHT | {"agentName": name} for name in ("sam", "SAM", " Sam", "leo")] * 20
    post("failures", items)
    with django_assert_max_num_queries(40):
        answer = post("failures", items)

    assert {result["status"] for result in answer.json()["results"]} == {201}
    authors = Failure.objects.values_list("agent__name", flat=True)
    assert sorted(set(authors)) == ["LEO", "SAM"]
    assert len(rows()["Agent"]) == 2


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/v1/failures", "/logFailure"])
def test_the_answer_to_a_report_is_what_the_serializer_makes_of_it(path: str, settings) -> None:
    settings.EVOX_REQUIRE_KEY = False
    body = RIGHT | {"context": {"ticketId": "T-1"}, "resolution": "Did it."}
    told = APIClient().post(path, body, format="json").json()

    assert told == json.loads(json.dumps(FailureOut(failures().get()).data, default=str))
    assert told | {"withheld": False} == get(f"failures/{told['id']}").json()
