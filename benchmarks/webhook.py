"""How soon GitHub's webhook is answered, beside the raw insert of the same body.

    python -m benchmarks.webhook [--deliveries 400]

Signed deliveries of 30 kB go to a granian of its own, one at a time and eight at once, in rounds
that take turns with a bare `INSERT` of the same body into PostgreSQL. Every delivery makes or
changes a review. Prints medians and the 95th percentile, and exits with 1 when the median of one
at a time is 50 ms or longer.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import http.client
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg

from benchmarks.escalation.ground import ROOT, heading, servers, use

SECRET = "benchmark"
GOAL_MS = 50.0
ROUNDS = 5


def event(number: int, push: int) -> bytes:
    """What GitHub sends of a push: 30 kB, nearly all of it links that nobody reads."""
    head = hashlib.sha1(f"{number}:{push}".encode()).hexdigest()
    repo = {"id": 42, "full_name": "octo/house"}
    pull = {
        "number": number,
        "title": f"Door {number}",
        "body": "It closes.",
        "html_url": "https://example.org",
        "state": "open",
        "user": {"login": "octocat"},
        "updated_at": f"2026-03-01T12:{push // 60 % 60:02}:{push % 60:02}Z",
        "head": {"ref": "door", "sha": head, "repo": repo},
        "base": {"ref": "main", "sha": "0" * 40, "repo": repo},
        "links": {f"l{n}": "https://api.example.org/repos/octo/house" for n in range(480)},
    }
    action = "synchronize" if push else "opened"
    body = {"action": action, "number": number, "pull_request": pull, "repository": repo}
    return json.dumps(body).encode()


class Sender:
    """One kept-alive connection, as GitHub's are not: what is measured is the answer."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def deliver(self, body: bytes, guid: str) -> float:
        """Milliseconds until the answer was read."""
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "pull_request",
            "X-GitHub-Delivery": guid,
            "X-Hub-Signature-256": f"sha256={signature}",
        }
        started = time.perf_counter()
        self.connection.request("POST", "/api/v1/webhooks/github", body, headers)
        answer = self.connection.getresponse()
        said = answer.read()
        took = (time.perf_counter() - started) * 1000
        if answer.status != 200:
            raise SystemExit(f"{answer.status}: {said[:200]!r}")
        return took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--deliveries", type=int, default=400)
    asked = parser.parse_args()
    with servers() as environment:
        environment["GITHUB_WEBHOOK_SECRET"] = SECRET
        use(environment)
        from agents.clock import db_now
        from agents.services.agents import seed_team

        seed_team(now=db_now())
        port = free_port()
        web = subprocess.Popen(
            [
                *(sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port)),
                *("--workers", "2", "--blocking-threads", "16", "evox.wsgi:application"),
            ],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(port)
            return report(measure(port, environment["DATABASE_URL"], asked.deliveries))
        finally:
            web.terminate()
            web.wait(20)


def measure(port: int, url: str, deliveries: int) -> dict[str, list[float]]:
    """Milliseconds of each call, by what was measured; the rounds take turns."""
    each = max(deliveries // ROUNDS, 16)
    took: dict[str, list[float]] = {"one at a time": [], "eight at once": [], "bare insert": []}
    sender = Sender(port)
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute("CREATE TABLE bare (guid text PRIMARY KEY, body jsonb)")
        for number in range(1, 21):
            sender.deliver(event(number, 0), f"warm-{number}")
        for turn in range(ROUNDS):
            calls = [(event(1 + n % 20, turn * each + n + 1), f"{turn}-{n}") for n in range(each)]
            took["bare insert"] += [inserted(raw, body, guid) for body, guid in calls]
            took["one at a time"] += [sender.deliver(body, f"a-{guid}") for body, guid in calls]
            took["eight at once"] += at_once(port, calls)
    return took


def inserted(raw: psycopg.Connection, body: bytes, guid: str) -> float:
    started = time.perf_counter()
    raw.execute("INSERT INTO bare VALUES (%s, %s::jsonb)", [guid, body.decode()])
    return (time.perf_counter() - started) * 1000


def at_once(port: int, calls: Sequence[tuple[bytes, str]]) -> list[float]:
    def share(first: int) -> list[float]:
        sender = Sender(port)
        return [sender.deliver(body, f"b-{guid}") for body, guid in calls[first::8]]

    with ThreadPoolExecutor(8) as pool:
        return [took for part in pool.map(share, range(8)) for took in part]


def report(took: dict[str, list[float]]) -> int:
    bare = statistics.median(took["bare insert"])
    for name, value in heading(0):
        print(f"{name}: {value}")
    for what, values in took.items():
        middle = statistics.median(values)
        late = statistics.quantiles(values, n=20)[-1]
        print(
            f"{what:>15}: {len(values):5,} calls, median {middle:6.1f} ms,"
            f" p95 {late:6.1f} ms, {middle / bare:5.1f} × the bare insert"
        )
    return int(statistics.median(took["one at a time"]) >= GOAL_MS)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("The web server did not start.")


if __name__ == "__main__":
    sys.exit(main())
