"""Due times are rows: with the broker, Redis would deliver a countdown again and again, or never.

So no code hands one to Celery, in whatever form Celery takes it.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.test_architecture import FLOORS, name_of, python_files, tree_of

TIMERS = {"countdown", "eta", "autoretry_for", "retry()", "celery.Retry"}


def timers_in(tree: ast.Module) -> list[int]:
    """The lines that leave a timer with the broker."""
    return sorted({node.lineno for node in ast.walk(tree) if _names(node) & TIMERS})


def _names(node: ast.AST) -> set[object]:
    """What the node passes, sets, calls or imports, as far as it could be a timer."""
    names: list[object] = []
    match node:
        case ast.Call(func=ast.Attribute(attr="retry")):
            names = ["retry()"]
        case ast.Call(keywords=keywords):
            names = [keyword.arg for keyword in keywords]
        case ast.Dict(keys=keys):
            names = [key.value for key in keys if isinstance(key, ast.Constant)]
        case ast.Subscript(slice=ast.Constant(value=name), ctx=ast.Store()):
            names = [name]
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            names = [name]
        case ast.ImportFrom(module="celery.exceptions" | "celery", names=imported):
            names = [f"celery.{alias.name}" for alias in imported]
        case ast.Attribute(value=ast.Attribute(attr="exceptions"), attr=name):
            names = [f"celery.{name}"]
    return set(names)


@pytest.mark.parametrize(
    "snippet",
    [
        "task.apply_async(countdown=10)",
        "task.apply_async((1,), countdown=10, expires=5)",
        "task.apply_async(eta=now)",
        'task.apply_async(**{"countdown": 10})',
        "task.apply_async(**dict(eta=now))",
        'app.send_task("recovery.sweep", countdown=10)',
        "task.s(1).set(countdown=10).delay()",
        "task.si().set(eta=now)",
        "task.signature((1,), countdown=10)",
        'signature("recovery.sweep", options={"countdown": 10})',
        "group(a.s(), b.s()).apply_async(countdown=1)",
        "chain(a.s(), b.s())(eta=now)",
        "self.retry(exc=error)",
        "raise self.retry()",
        "task.retry(args=(1,))",
        "@shared_task(autoretry_for=(OSError,))\ndef work(): ...",
        "@app.task(bind=True, autoretry_for=(OSError,), retry_backoff=True)\ndef work(self): ...",
        "class Work(Task):\n    autoretry_for = (OSError,)",
        "task.autoretry_for = (OSError,)",
        'options = {}\noptions["eta"] = now',
        'BEAT = {"sweep": {"task": "recovery.sweep", "options": {"countdown": 3}}}',
        "from celery.exceptions import Retry",
        "raise celery.exceptions.Retry(when=now)",
    ],
)
def test_each_form_of_a_timer_is_seen(snippet: str) -> None:
    assert timers_in(ast.parse(snippet)) != []


@pytest.mark.parametrize(
    "snippet",
    [
        "task.delay(1)",
        "task.apply_async((1,), expires=60)",
        "@shared_task(name='recovery.sweep', expires=9)\ndef sweep(): ...",
        "retry_dispatch(1, actor='ann', now=now)",
        "plan = Retry(at=now, strategy=strategy)",
        "dispatch.retry_at = now",
        "beta = {'theta': 1}",
    ],
)
def test_what_is_no_timer_is_let_alone(snippet: str) -> None:
    assert timers_in(ast.parse(snippet)) == []


def test_no_timer_is_left_with_the_broker() -> None:
    files: list[Path] = python_files("evox", *FLOORS)
    left = [f"{name_of(file)}:{line}" for file in files for line in timers_in(tree_of(file))]

    assert len(files) > 100
    assert left == []
