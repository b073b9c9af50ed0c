"""What linters can't say about this house."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.urls import URLPattern, URLResolver, get_resolver

from agents import states
from evox.beat import BEAT_SCHEDULE
from evox.celery import app as celery_app

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {"agents": 0, "failures": 1, "recovery": 2, "learnings": 2, "monitoring": 3}
CODE = ("evox", *FLOORS, "scripts", "benchmarks", "tests")
MODULE_LINES = 300
FUNCTION_LINES = 50
# Each is downloaded or copied as one file, so it must be one.
SINGLE_FILE_PROGRAMS = {"scripts/evoxctl.py", "scripts/evox_rollback.py"}

OPEN_VIEWS = {
    *("api/schema/", "api/docs/"),  # They describe the API and show no row of it.
    "api/v1/webhooks/github",  # GitHub has no key: it signs.
}

READERS = {
    *("text", "integer", "number", "flag", "choice", "durations", "seconds", "time_zone"),
    *("data_dir", "targets", "http_url"),
}
# `up` hands these to its own children; nobody sets them.
HANDED_DOWN = {"EVOX_DUMP_PROGRAM", "EVOX_DUMP_FOLDER"}
README_ROW = re.compile(r"^\| `((?:EVOX_|GITHUB_)?[A-Z_]+)` \| (.*?) \| .+ \|$", re.MULTILINE)
EXAMPLE_ROW = re.compile(r"^# ?([A-Z_]+)=(.*)$", re.MULTILINE)


def python_files(*folders: str) -> list[Path]:
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    return [file for file in files if "migrations" not in file.parts]


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def calls_in(file: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree_of(file)) if isinstance(node, ast.Call))


def imports_of(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_module_has_at_most_300_lines() -> None:
    """Tests are left out: theirs is a file a behaviour, and tables are long."""
    lengths = {
        name_of(file): len(file.read_text(encoding="utf-8").splitlines())
        for file in python_files(*(folder for folder in CODE if folder != "tests"))
        if name_of(file) not in SINGLE_FILE_PROGRAMS
    }

    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES} == {}


def test_every_function_has_at_most_50_lines() -> None:
    too_long = [
        f"{name_of(file)}:{node.lineno} {node.name}"
        for file in python_files(*CODE)
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES
    ]

    assert too_long == []


def test_every_entry_of_the_schedule_names_a_registered_task_and_expires() -> None:
    celery_app.loader.import_default_modules()

    for name, entry in BEAT_SCHEDULE.items():
        assert entry["task"] in celery_app.tasks, f"{name}: there is no such task"
        assert entry["options"]["expire_seconds"] >= 1, f"{name} never expires"
        assert "expires" not in entry["options"], f"{name}: beat's database drops `expires`"


@pytest.mark.django_db
def test_the_migrations_say_what_the_models_say() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def our_models() -> list[Any]:
    return [model for label in FLOORS for model in apps.get_app_config(label).get_models()]


def test_constraints_and_indexes_are_named_after_their_model() -> None:
    names = [
        (model._meta.model_name, thing.name)
        for model in our_models()
        for thing in [*model._meta.constraints, *model._meta.indexes]
    ]

    assert [pair for pair in names if not pair[1].startswith(f"{pair[0]}_")] == []


def test_foreign_keys_go_down_only() -> None:
    upward = []
    for model in our_models():
        for field in model._meta.get_fields():
            if not (field.concrete and field.is_relation):
                continue
            own, target = model._meta.app_label, field.related_model._meta.app_label
            if target in FLOORS and target != own and FLOORS[target] >= FLOORS[own]:
                upward.append(f"{model.__name__}.{field.name} -> {target}")

    assert upward == []


def api_views(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from api_views(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and route.startswith("api/"):
            yield route, pattern.callback


def test_every_view_of_the_api_has_an_authenticator_and_a_permission() -> None:
    views = dict(api_views(get_resolver().url_patterns))
    unguarded = set()
    for route, view in views.items():
        view_class = getattr(view, "cls", None)
        options = getattr(view, "initkwargs", {})
        for rule in ("authentication_classes", "permission_classes"):
            if not options.get(rule, getattr(view_class, rule, [])):
                unguarded.add(route)

    assert len(views) > 10
    assert unguarded == OPEN_VIEWS


def read_variables() -> dict[str, str]:
    """Every variable that the code reads, with its default as the code says it."""
    found: dict[str, str] = {}
    for file in python_files("evox"):
        for call in calls_in(file):
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            reads_environ = ast.unparse(call.func) == "os.environ.get"
            constants = [a.value for a in call.args if isinstance(a, ast.Constant)]
            if (name in READERS or reads_environ) and constants:
                variable, *default = constants
                if isinstance(variable, str) and variable.isupper():
                    found[variable] = str(default[0]) if default else found.get(variable, "")
    return {name: default for name, default in found.items() if name not in HANDED_DOWN}


def plain(cell: str) -> str:
    """A default as the README writes it: in backticks, or in words when there is none."""
    quoted = re.fullmatch(r"`(.*)`", cell.strip())
    return quoted[1] if quoted else ""


def test_the_readme_lists_every_environment_variable_with_its_default() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = {name: plain(cell) for name, cell in README_ROW.findall(readme)}
    read = read_variables()
    computed = {"EVOX_DATA_DIR": ".evox"}

    assert listed.keys() == read.keys()
    assert listed == read | computed


def test_the_example_environment_lists_every_variable_with_its_default() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    listed = dict(EXAMPLE_ROW.findall(example))
    computed = {"EVOX_DATA_DIR": ".evox"}

    assert listed == read_variables() | computed


def test_every_status_has_a_row_in_its_table_of_moves() -> None:
    tables = {name: table for name, table in vars(states).items() if name.endswith("_MOVES")}

    assert len(tables) >= 2
    for name, moves in tables.items():
        statuses: type[Enum] = type(next(iter(moves)))
        assert set(moves) == set(statuses), f"{name} lacks a status"


def test_nobody_listens_to_signals() -> None:
    """A service is called by whoever needs it; a signal hides who does what."""
    listeners = [
        name_of(file)
        for file in python_files("evox", *FLOORS)
        if any(
            name.startswith(("django.db.models.signals", "django.dispatch"))
            for name in imports_of(file)
        )
    ]

    assert listeners == []
