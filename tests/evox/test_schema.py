"""The API's description: valid, whole, and what the server really answers."""

from __future__ import annotations

import re
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from django.urls import get_resolver
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as budget
from rest_framework.test import APIClient
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from evox.wsgi import application
from tests.evox.flat import small_world
from tests.evox.test_access_matrix import ACTS, PAGES, routes

# They describe the API, or are for eyes.
UNDESCRIBED = {*PAGES, *ACTS, "admin/", "api/schema/", "api/docs/"}
EXAMPLES = 4
CHECKS = (
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)


def test_it_is_valid_openapi_3_1_and_generated_without_a_warning() -> None:
    GENERATOR_STATS.reset()
    with GENERATOR_STATS.silence():
        found = SchemaGenerator().get_schema(request=None, public=True)

    validate_schema(found)
    assert found["openapi"].startswith("3.1")
    assert not GENERATOR_STATS


def test_every_address_is_described(schema) -> None:
    described = {re.sub(r"{\w+}", "{}", path).lstrip("/") for path in schema["paths"]}
    walked = set(routes(get_resolver().url_patterns)) - UNDESCRIBED

    assert described == {re.sub(r"<[^>]+>", "{}", route) for route in walked}


def test_flat_paths_are_tagged(schema) -> None:
    for path, item in schema["paths"].items():
        flat = not path.startswith(("/api/v1/", "/healthz", "/readyz", "/metrics", "/evoxctl.py"))
        for operation in item.values():
            assert ("flat" in operation["tags"]) == flat, path


def test_the_server_hands_it_out(db) -> None:
    answer = APIClient().get("/api/schema/?format=json")

    assert answer.status_code == 200
    assert answer.json()["info"]["title"] == "EVOX"


def test_swagger_ui_has_no_inline_script_and_no_stranger(db) -> None:
    answer = APIClient().get("/api/docs/")
    text = answer.content.decode()

    assert answer.status_code == 200
    for tag in re.findall(r"<script[^>]*>[^<]*</script>", text):
        assert re.fullmatch(r'<script[^>]*src="/[^"]+"[^>]*>\s*</script>', tag), tag
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)
    assert not re.search(r"\son\w+=", text)
    assert APIClient().get("/api/docs/?script=").status_code == 200


OPERATIONS = sorted(
    (path, method)
    for path, item in SchemaGenerator().get_schema(request=None, public=True)["paths"].items()
    for method in item
)


@pytest.fixture(scope="module")
def described(schema) -> Any:
    found = schemathesis.openapi.from_dict(schema)
    found.app = application
    return found


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_generated_call_breaks_it_or_its_promise(path, method, described, db, settings) -> None:
    # Without a secret the webhook says 503; with one, it looks at what came.
    settings.GITHUB_WEBHOOK_SECRET = "correct horse"
    ids = small_world()
    operation = described[path][method]

    @seed(7)
    @budget(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(GenerationMode.POSITIVE))
    def hold(case: Any) -> None:
        if "id" in case.path_parameters:
            case.path_parameters["id"] = ids["$dispatch"]
        if "name" in case.path_parameters:
            case.path_parameters["name"] = "SAM"
        answer = case.call()
        # No sweep runs in a test, so readyz says so.
        assert answer.status_code < 500 or (path, answer.status_code) == ("/readyz", 503)
        case.validate_response(answer, checks=CHECKS)

    hold()


def test_the_api_page_is_fresh() -> None:
    call_command("api_doc", check=True)
