"""Secrets planted in every text that a caller can send are nowhere once EVOX has run with them.

A real `./scripts/up`: web, worker and beat, their PostgreSQL and Redis. What is searched are a copy
of every table, every key of Redis, the pattern documents, the pages, and the bytes of the files
that the servers leave: PostgreSQL's heap and log, Redis's snapshot, all logs.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import random
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from itertools import cycle
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from evox.embedded.state import read_state
from tests.failures import secret_shapes as shapes
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SWEEPS = 12
PATIENCE = 400
"""Seconds; machines that run tests are busy."""
"""Seconds in which the worker writes messages and documents of its own."""
WEBHOOK_SECRET = "signs" + "-the-hook"
MARK = "quokka"
"""Stands beside every secret, and must be found wherever they are searched for."""
COPY_ALL = """
import json, sys
from django.conf import settings
from django.db import connection
import redis
with connection.cursor() as cursor:
    cursor.execute("CHECKPOINT")
    cursor.execute("SHOW data_directory")
    folder = cursor.fetchone()[0]
    cursor.execute("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'")
    tables = [name for name, in cursor.fetchall()]
    out = {"folder": folder, "tables": {}, "redis": []}
    for table in tables:
        with cursor.copy(f"COPY {table} TO STDOUT") as rows:
            out["tables"][table] = b"".join(bytes(row) for row in rows).decode()
server = redis.Redis.from_url(settings.REDIS_URL)
for key in server.scan_iter():
    out["redis"] += [repr(key), repr(server.dump(key))]
json.dump(out, sys.stdout)
"""


class Planter:
    """Makes a secret of the next kind, in the text that carries it, and remembers it."""

    def __init__(self) -> None:
        self.rng = random.Random(20)
        self.planted: dict[str, str] = {}
        self._made = cycle(self._kinds())

    def _kinds(self):
        for kind, (_, made) in shapes.TOKENS.items():
            yield kind, lambda made=made: (made(self.rng), "{} " + MARK)
        for name in ("password", "api_key", "client_secret", "AUTH_TOKEN"):
            for form in (f"{name}={{}}", f'{{{{"{name}": "{{}}"}}}}', f"--{name.lower()} {{}}"):
                yield name, lambda form=form: (shapes.some(self.rng, 24), f"{MARK} {form}")
        for form in (
            "Authorization: Bearer {}",
            "Set-Cookie: sid={}; Path=/",
            "postgres://u:{}@h/d",
        ):
            yield form[:10], lambda form=form: (shapes.some(self.rng, 24), f"{MARK} {form}")

    def text(self, limit: int = 10**6) -> str:
        """A text of at most `limit` characters that holds a new secret, whole."""
        while True:
            kind, make = next(self._made)
            secret, form = make()
            text = form.format(secret)
            if len(text) <= limit:
                self.planted[secret] = kind
                return text

    def fill(self, value):
        """`value` with a new text for each `$T`, `$T40` (at most 40 characters) in it."""
        if isinstance(value, str) and value.startswith("$T"):
            return self.text(int(value[2:] or 10**6))
        if isinstance(value, dict):
            return {self.fill(key): self.fill(item) for key, item in value.items()}
        return [self.fill(item) for item in value] if isinstance(value, list) else value


class Evox:
    """A running EVOX, and calls to it."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        given = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "EVOX_", "GITHUB_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(given)}
        self.folder, self.url = folder, f"http://127.0.0.1:{port}/"
        self.environment = kept | {
            "EVOX_DATA_DIR": str(folder / "data"),
            "EVOX_PATTERNS_DIR": str(folder / "patterns"),
            "EVOX_PORT": str(port),
            "GITHUB_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "PYTHONPATH": str(ROOT),
        }
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def start(self) -> None:
        command = [sys.executable, "-P", "-m", "evox.embedded.up"]
        with (self.folder / "output").open("wb") as log:
            self.up = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while not (state := read_state(self.folder / "data")) or not state.ready:
            assert self.up.poll() is None, (self.folder / "output").read_text(errors="replace")
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def stop(self) -> None:
        self.up.terminate()
        self.up.wait(PATIENCE)

    def purge(self) -> None:
        command = [sys.executable, "-P", "-m", "evox.embedded.up", "--purge"]
        subprocess.run(command, env=self.environment, check=False, capture_output=True)

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        environment = self.environment
        done = subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True, timeout=PATIENCE
        )
        return done.stdout

    def call(self, method: str, path: str, body=None, **headers: str) -> tuple[int, bytes]:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | headers
        url = self.url + quote(path, safe="/?&=%")
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with self._opener.open(request, timeout=PATIENCE) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def made(self, method: str, path: str, body=None, **headers: str):
        """What a call that must succeed answers."""
        status, answer = self.call(method, path, body, **headers)
        assert 200 <= status < 300, (path, status, answer[:600])
        return json.loads(answer or b"null")


@pytest.fixture(scope="module")
def evox(tmp_path_factory):
    running = Evox(tmp_path_factory.mktemp("planted"))
    running.start()
    try:
        yield running
    finally:
        running.stop()
        running.purge()
        shutil.rmtree(running.folder, ignore_errors=True)


def failures(evox: Evox, plant: Planter) -> list[int]:
    """Single, flat, by query and in bulk; every kind of secret in each text of some of them."""
    texts = {"errorMessage": "$T", "resolution": "$T", "ticketId": "$T64"}
    context = {
        "stdout": "$T",
        "nested": [{"deep": ["$T", "--password", "hunter2hunter2"]}],
        "$T": 1,
    }
    for _ in range(len(shapes.TOKENS) + 16):
        body = {"agentName": "SAM", "errorType": "build", "errorMessage": "$T", "resolution": "$T"}
        evox.made("POST", "logFailure", plant.fill(body | {"context": context}))
    query = {"agentName": "SAM", "errorType": "build", "errorMessage": "$T", "resolution": "$T"}
    evox.made("POST", f"logFailure?{urlencode(plant.fill(query))}")
    bulk = [
        {"agentName": "LEO", "errorType": "test", "context": context, **texts} for _ in range(30)
    ]
    for body in bulk:
        body.pop("ticketId")
    evox.made("POST", "api/v1/failures", plant.fill(bulk))
    ids = []
    for _ in range(3):
        said = f"Error: {MARK} can't reach {plant.text()} again"
        body = {"agentName": "SAM", "errorType": "api", "errorMessage": said}
        ids.append(evox.made("POST", "api/v1/failures", body)["id"])
        fixed = plant.fill({"resolution": "$T", "outcome": "fixed"})
        evox.made("PATCH", f"api/v1/failures/{ids[-1]}", fixed)
    return ids


def dispatches(evox: Evox, plant: Planter) -> int:
    """Made, claimed, and brought to each end."""
    new = {"title": "$T200", "command": "$T", "payload": {"a": "$T", "$T": ["$T"]}}
    new |= {"ticketId": "$T64", "skills": [], "agentName": "SAM"}
    ends = {
        "progress": {"note": "$T"},
        "complete": {"result": {"said": "$T"}, "evidence": "$T"},
        "fail": {"errorType": "build", "errorMessage": "$T", "context": {"x": "$T"}},
        "block": {"reason": "$T"},
    }
    pk = 0
    for verb, body in ends.items():
        pk = evox.made("POST", "api/v1/dispatches", plant.fill(new))["id"]
        claimed = evox.made("POST", "api/v1/dispatches/claim", {"agentName": "SAM"})
        held = claimed["dispatch"]["id"]
        claim = claimed["attempt"]["claim"]
        path = f"api/v1/dispatches/{held}/"
        evox.made("POST", path + verb, {"claim": claim, **plant.fill(body)})
        if verb == "progress":
            evox.made("POST", path + "complete", {"claim": claim})
    flat = {"agentName": "LEO", "command": "$T", "title": "$T200"}
    flat_pk = evox.made("POST", "createDispatch", plant.fill(flat))["dispatchId"]
    evox.made("POST", "markDispatchRunning", {"dispatchId": flat_pk, "agent": "LEO"})
    report = {"dispatchId": flat_pk, "agent": "LEO", "error": "$T"}
    evox.made("POST", "markDispatchFailed", plant.fill(report))
    return pk


def talk(evox: Evox, plant: Planter) -> None:
    """Messages, blockers, learnings, votes, incidents."""
    said = {"from": "SAM", "message": "$T"}
    for _ in range(8):
        evox.made("POST", "api/v1/messages", plant.fill(said | {"to": "MAX"}))
    evox.made("POST", "postToChannel", plant.fill(said | {"channel": "dev"}))
    evox.made("POST", "v2/sendMessage", plant.fill(said | {"to": "MAX"}))
    evox.made("POST", "reportBlocked", plant.fill({"agentName": "SAM", "reason": "$T"}))
    lesson = {"agent": "SAM", "category": "$T40", "content": "$T"}
    learning = evox.made("POST", "submitLearning", plant.fill(lesson))["learningId"]
    evox.made("POST", "api/v1/learnings", plant.fill(lesson))
    vote = {"helpful": False, "agent": "LEO", "reason": "$T"}
    evox.call("POST", f"api/v1/learnings/{learning}/vote", plant.fill(vote))
    told = {"agentName": "SAM", "message": "$T"}
    evox.made("POST", "logIncident", plant.fill(told))
    incident = evox.made("POST", "api/v1/incidents", plant.fill(told))["id"]
    for verb, body in {"acknowledge": {"note": "$T"}, "resolve": {"resolution": "$T"}}.items():
        evox.call("POST", f"api/v1/incidents/{incident}/{verb}", plant.fill(body))


def webhook(evox: Evox, plant: Planter) -> None:
    """Signed deliveries: small, large, and one that can't be read."""
    pull = {
        "number": 7,
        "title": "$T",
        "body": "$T",
        "state": "open",
        "user": {"login": "sam"},
        "head": {"sha": "a" * 40, "ref": "$T"},
        "base": {"ref": "main", "sha": "b" * 40},
        "updated_at": "2026-11-21T10:00:00Z",
    }
    whole = {"action": "opened", "number": 7, "pull_request": pull}
    whole["repository"] = {"id": 1, "full_name": "o/r"}
    commits = [{"id": "c" * 40, "message": "$T", "author": {"name": "$T"}}]
    push = {"ref": "refs/heads/main", "before": "a" * 40, "after": "b" * 40, "commits": commits}
    push["repository"] = whole["repository"]
    bodies = [("pull_request", whole), ("push", push), ("issues", {"issue": {"body": "$T"}})]
    bodies.append(("pull_request", {**whole, "pull_request": {"number": "$T", "title": "$T"}}))
    bodies.append(("pull_request", {**whole, "padding": ["x" * 1000] * 300}))
    for event, body in bodies:
        raw = json.dumps(plant.fill(body)).encode()
        digest = hmac.new(WEBHOOK_SECRET.encode(), raw, hashlib.sha256).hexdigest()
        headers = {"X-GitHub-Event": event, "X-GitHub-Delivery": plant.text(100)}
        headers["X-Hub-Signature-256"] = f"sha256={digest}"
        evox.call("POST", "api/v1/webhooks/github", raw, **headers)


def filled(schema: dict, components: dict, plant: Planter):
    """A value of that JSON schema with a secret in each text that the schema leaves free."""
    if "$ref" in schema:
        schema = components[schema["$ref"].rsplit("/", 1)[1]]
    for several in ("oneOf", "anyOf", "allOf"):
        if several in schema:
            return filled(schema[several][-1], components, plant)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        known = schema.get("properties", {})
        free = {} if known else {"free": plant.text(), plant.text(): "x"}
        return {name: filled(one, components, plant) for name, one in known.items()} | free
    if kind == "array":
        return [filled(schema["items"], components, plant)]
    if kind == "string" and "format" not in schema:
        return plant.text(schema.get("maxLength", 10**6))
    return {"integer": 3, "number": 3, "boolean": True}.get(kind, "2026-11-21T10:00:00Z")


def every_endpoint(evox: Evox, plant: Planter) -> int:
    """Every write that the API's description has, with all its texts; returns how many."""
    schema = evox.made("GET", "api/schema/?format=json")
    components, count = schema["components"]["schemas"], 0
    for path, verbs in schema["paths"].items():
        for verb, operation in verbs.items():
            if verb not in {"post", "patch", "put"}:
                continue
            content = operation.get("requestBody", {}).get("content", {})
            wanted = content.get("application/json", {}).get("schema", {})
            body = filled(wanted, components, plant)
            path_of_one = path.replace("{id}", "1").replace("{name}", "SAM").strip("/")
            for key in ({}, {"Idempotency-Key": plant.text(200)}):
                status, answer = evox.call(verb.upper(), path_of_one, body, **key)
                assert status < 500, (verb, path, status, answer[:300])
            count += 1
    return count


def malformed(evox: Evox, plant: Planter) -> None:
    """What is refused is logged by some layers: bodies, addresses, headers, queries."""
    for path in ("logFailure", "api/v1/failures", "api/v1/messages", "api/v1/dispatches"):
        text = plant.text()
        for raw in (
            f'{{"errorMessage": "{text}"',
            f'{{"{text}": 1}}',
            json.dumps({"errorType": text, "errorMessage": [text], "agentName": text}),
            json.dumps({"errorType": "build", "errorMessage": f"\x00{text}\ud800"}),
            json.dumps(text),
            "[" * 50 + text,
        ):
            evox.call("POST", path, raw.encode("utf-8", "surrogatepass"))
        evox.call("POST", path, text.encode(), **{"Content-Type": "text/plain"})
    for path in ("nothing/{}", "api/v1/agents/{}", "admin/{}", "agents/{}", "api/v1/dispatches/{}"):
        evox.call("GET", path.format(quote(plant.text(60), safe="")))
    for path in ("api/v1/failures", "api/v1/failures/similar", "api/v1/messages", "bootContext"):
        asked = {name: plant.text(60) for name in ("q", "agent", "ticket", "fingerprint", "token")}
        evox.call("GET", f"{path}?{urlencode(asked)}")
    headers = (
        "Authorization",
        "User-Agent",
        "Referer",
        "Cookie",
        "X-Request-Id",
        "Idempotency-Key",
    )
    for header in headers:
        body = {"agentName": "SAM", "errorType": "build", "errorMessage": MARK}
        evox.call("POST", "logFailure", body, **{header: plant.text(200)})
    evox.call("GET", "api/v1/agents", Host=f"{plant.text(60).split()[0]}.example")


def pages(evox: Evox) -> bytes:
    """What people and agents see."""
    seen = b""
    for path in (
        *("", "fragment", "work", "definitions", "agents/SAM", "incidents/1", "dispatches/1"),
        *("learnings/1", "api/v1/failures?limit=200", "api/v1/dispatches?limit=200", "alerts"),
        *("api/v1/messages?agent=MAX", "api/v1/learnings", "api/v1/patterns", "learnings"),
        *("api/v1/agents/SAM/briefing", "bootContext?agentName=SAM", "v2/getMessages?agent=MAX"),
        *("api/v1/failure-groups?limit=200", "api/v1/incidents", "metrics", "systemHealth"),
    ):
        seen += evox.call("GET", path)[1]
    return seen


def search(secrets: dict[str, str], *folders: Path) -> set[tuple[str, str]]:
    """File and kind of each secret in a file of `folders`, as it is or escaped as in JSON."""
    written = {form: kind for one, kind in secrets.items() for form in (one, json.dumps(one)[1:-1])}
    wanted = folders[0] / "wanted"
    wanted.write_text("\n".join(written))
    command = ["grep", "-raoF", "-f", str(wanted), "--exclude=wanted", *map(str, folders)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode in {0, 1}, found.stderr
    hits = (line.split(":", 1) for line in found.stdout.splitlines())
    return {(file, f"{written.get(text)} {text}") for file, text in hits}


def test_no_planted_secret_is_left_anywhere(evox, tmp_path):
    plant = Planter()
    failures(evox, plant)
    dispatches(evox, plant)
    talk(evox, plant)
    webhook(evox, plant)
    endpoints = every_endpoint(evox, plant)
    malformed(evox, plant)
    evox.manage("analyze_patterns")
    time.sleep(SWEEPS)

    (tmp_path / "pages").write_bytes(pages(evox))
    copied = json.loads(evox.manage("shell", "-v", "0", "-c", COPY_ALL))
    evox.stop()
    for name, rows in copied["tables"].items():
        (tmp_path / name).write_text(rows)
    (tmp_path / "redis").write_text("\n".join(copied["redis"]))
    database = Path(copied["folder"])
    everywhere = (tmp_path, evox.folder, database)

    assert len(plant.planted) > 400
    assert set(plant.planted.values()) >= set(shapes.TOKENS)
    assert endpoints > 40
    assert search(plant.planted, *everywhere) == set()
    # What stood beside them is there: the search would have found them.
    seen = {file for file, _ in search({MARK: "mark"}, *everywhere)}
    assert seen >= {
        str(tmp_path / name) for name in ("pages", "failures_failure", "agents_message")
    }
    for folder in (database / "base", database / "pg_wal", evox.folder / "data" / "logs"):
        assert any(file.startswith(str(folder)) for file in seen), folder
