"""One agent of the chaos run: a process that claims, beats and reports over HTTP until killed.

Standard library alone, so that fifty of them start quickly. What it did and heard stands in its
journal, a line of JSON each, written before and after each call: a SIGKILL loses nothing of it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import struct
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CALL_SECONDS = 5.0
REPORT_SECONDS = 150.0
"""So long a report is repeated until it is answered."""
SHARED_ERRORS = (
    ("build", "make: *** No rule to make target all. Stop."),
    ("test", "AssertionError: 2 tests failed in tests/test_orders.py"),
    ("api", "503 Service Unavailable from the package registry"),
    ("timeout", "TimeoutError: no answer from the staging server within 30 s"),
)
OWN_ERROR = ("api", "401 Unauthorized: the token of this agent has expired")


@dataclass(frozen=True)
class Act:
    """What an attempt will do: work so long, beat meanwhile or not, then report."""

    verb: str
    seconds: float
    silent: bool = False
    hang_up: bool = False
    """Whether the first report's connection is cut before its answer is read."""
    twice: bool = False
    body: dict[str, Any] = field(default_factory=dict)


def decide(seed: int, payload: dict[str, Any], number: int, *, work: float, lease: float) -> Act:
    """What claim `number` of this dispatch does; the same for the same seed."""
    draw = random.Random(f"{seed} {payload['n']} {number}")
    seconds = min(0.2 + draw.expovariate(1 / work), 8.0)
    habits = {"hang_up": draw.random() < 0.15, "twice": draw.random() < 0.15}
    fails = failure(draw, payload["n"])
    if payload["kind"] == "hopeless":
        return Act("fail", seconds / 2, body=fails)
    late = lease * 1.5 + 2 + seconds / 4
    chances = (
        (0.64, Act("complete", seconds, body={"evidence": "done"}, **habits)),
        (0.16, Act("fail", seconds, body=fails, **habits)),
        (0.05, Act("fail", seconds, body=fails | {"retryAfter": draw.randint(1, 4)}, **habits)),
        (0.01, Act("fail", seconds, body=fails | {"retryable": False}, **habits)),
        (0.05, Act("block", seconds, body={"reason": "A person must say which."}, **habits)),
        (0.06, Act("complete", late, silent=True, body={"evidence": "late"})),
        (0.03, Act("fail", late, silent=True, body=fails)),
    )
    weights, acts = zip(*chances, strict=True)
    found: Act = draw.choices(acts, weights)[0]
    return found


def failure(draw: random.Random, n: int) -> dict[str, Any]:
    """A failure that all know, one of this dispatch alone, or the agent's own."""
    roll = draw.random()
    if roll < 0.5:
        kind, text = draw.choice(SHARED_ERRORS)
    elif roll < 0.95:
        word = "".join(chr(ord("a") + int(digit)) for digit in str(n))
        kind, text = "other", f"Broken{word.title()}Error: it can't go on"
    else:
        kind, text = OWN_ERROR
    return {"errorType": kind, "errorMessage": text}


class Client:
    """EVOX over HTTP, a connection a call."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80

    def call(
        self, method: str, path: str, body: Any = None, *, key: str = "", wait: float = CALL_SECONDS
    ) -> tuple[int, Any]:
        """Status and JSON. Raises OSError, HTTPException or ValueError when there is no answer."""
        connection = HTTPConnection(self.host, self.port, timeout=wait)
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        try:
            connection.request(method, f"/api/v1/{path}", json.dumps(body or {}), headers)
            response = connection.getresponse()
            text = response.read()
            # A 500 from a server in trouble need not be JSON.
            return response.status, json.loads(text) if text and response.status < 500 else None
        finally:
            connection.close()

    def call_and_hang_up(self, path: str, body: Any, *, after: float) -> None:
        """Send a POST and reset the connection `after` seconds, its answer unread."""
        data = json.dumps(body).encode()
        head = (
            f"POST /api/v1/{path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        with socket.create_connection((self.host, self.port), timeout=CALL_SECONDS) as raw:
            raw.sendall(head.encode() + data)
            time.sleep(after)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


NO_ANSWER = (OSError, HTTPException, ValueError)


class Agent:
    """Claims, works, reports."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.client = Client(options.url)
        self.draw = random.Random(options.session)
        self._journal = os.open(options.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, event: str, **facts: Any) -> None:
        """One line of the journal."""
        line = json.dumps({"ev": event, "t": time.time(), **facts})
        os.write(self._journal, f"{line}\n".encode())

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """The answer; (0, None) when there was none. Servers in trouble count as no answer."""
        try:
            status, data = self.client.call("POST", path, body)
        except NO_ANSWER as error:
            self.note("no_answer", path=path, why=type(error).__name__)
            return 0, None
        if status >= 500:
            self.note("no_answer", path=path, why=str(status))
            return 0, None
        return status, data

    def claim(self) -> dict[str, Any] | None:
        """What there is to do, if anything."""
        body = {"agentName": self.options.name, "session": self.options.session}
        status, claimed = self.post("dispatches/claim", body)
        if status == 204:
            return None
        if status != 200:
            if status:
                self.note("odd", verb="claim", http=status, said=claimed)
            time.sleep(self.draw.uniform(0.2, 0.8))
            return None
        found: dict[str, Any] = claimed
        attempt = found["attempt"]
        self.note("claim", d=found["dispatch"]["id"], claim=attempt["claim"], n=attempt["number"])
        return found

    def work(self) -> None:
        """For ever."""
        while True:
            claimed = self.claim()
            if claimed is None:
                time.sleep(self.options.poll * self.draw.uniform(0.5, 1.5))
                continue
            payload = claimed["dispatch"]["payload"]
            if payload["kind"] == "poison":
                time.sleep(0.3)
                self.note("poisoned")
                os.kill(os.getpid(), signal.SIGKILL)
            number = claimed["attempt"]["number"]
            own = {"work": self.options.work, "lease": self.options.lease}
            self.do(claimed, decide(self.options.seed, payload, number, **own))

    def do(self, claimed: dict[str, Any], act: Act) -> None:
        """Work with signs of life, or silently; then report, whatever was heard meanwhile."""
        if act.silent:
            self.note("silent")
        until = time.monotonic() + act.seconds
        every = float(claimed["heartbeatSeconds"])
        beat_at = time.monotonic() + self.draw.uniform(0, every)
        beats = 0
        while time.monotonic() < until:
            time.sleep(max(0.0, min(0.1, until - time.monotonic())))
            if not act.silent and time.monotonic() >= beat_at:
                beats += 1
                answered = self.show_life(claimed, beats)
                beat_at = time.monotonic() + (every if answered else 0.5)
        if act.silent:
            self.show_life(claimed, self.draw.randint(2, 3))
        self.report(claimed, act)

    def show_life(self, claimed: dict[str, Any], beats: int) -> bool:
        """A heartbeat, or each third time progress; whether it was answered."""
        claim, sent = claimed["attempt"]["claim"], time.time()
        if beats % 3:
            body = {"session": self.options.session, "status": "busy", "claim": claim}
            status, life = self.post(f"agents/{self.options.name}/heartbeat", body)
            state = life["claimState"] if status == 200 else None
        else:
            body = {"claim": claim, "note": "going on", "marker": f"step {beats}"}
            status, life = self.post(f"dispatches/{claimed['dispatch']['id']}/progress", body)
            refused = (life or {}).get("error", {}).get("code")
            state = life["claimState"] if status == 200 else refused
        if status:
            self.note("life", claim=claim, sent=sent, http=status, state=state)
        return bool(status)

    def report(self, claimed: dict[str, Any], act: Act) -> None:
        """Until it is answered; sometimes the first answer goes unread, or it is said twice."""
        path = f"dispatches/{claimed['dispatch']['id']}/{act.verb}"
        body = act.body | {"claim": claimed["attempt"]["claim"]}
        if act.hang_up:
            self.note("hang_up", claim=body["claim"], verb=act.verb)
            try:
                self.client.call_and_hang_up(path, body, after=self.draw.uniform(0, 0.06))
            except OSError:
                self.note("no_answer", path=path, why="hang_up")
        for _ in range(2 if act.twice else 1):
            self.report_once(claimed, act, path, body)

    def report_once(
        self, claimed: dict[str, Any], act: Act, path: str, body: dict[str, Any]
    ) -> None:
        """Until it is answered, and no longer than REPORT_SECONDS."""
        claim, wait = body["claim"], 0.2
        retryable = body.get("retryable", True)
        give_up = time.monotonic() + REPORT_SECONDS
        while time.monotonic() < give_up:
            sent = time.time()
            status, said = self.post(path, body)
            if status:
                facts = {"d": claimed["dispatch"]["id"], "claim": claim, "verb": act.verb}
                kept = {name: said[name] for name in SAID if name in said} or said
                self.note("answer", sent=sent, http=status, said=kept, retryable=retryable, **facts)
                return
            time.sleep(wait * self.draw.uniform(0.5, 1))
            wait = min(wait * 2, 2.0)
        self.note("odd", verb=act.verb, http=0, said="never answered")

    def probe(self) -> None:
        """Hold one dispatch back, claim another, and wait silently for the end."""
        time.sleep(max(0.0, self.options.probe_at - time.time()))
        first = self.claim_soon()
        if first is not None:
            kind, text = SHARED_ERRORS[2]
            body = {"errorType": kind, "errorMessage": text, "retryAfter": self.options.hold}
            self.report(first, Act("fail", 0, body=body))
        self.claim_soon()
        time.sleep(600)

    def claim_soon(self) -> dict[str, Any] | None:
        """A claim, with a few tries."""
        for _ in range(10):
            claimed = self.claim()
            if claimed is not None:
                return claimed
            time.sleep(0.1)
        return None


SAID = ("status", "reason", "retryAt", "finishedAt", "failureId")
"""What the first answer to a report holds, and each later one repeats."""


def main() -> None:
    """Work until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("url", "name", "session"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--lease", type=float, required=True)
    parser.add_argument("--work", type=float, required=True)
    parser.add_argument("--poll", type=float, default=0.5)
    parser.add_argument("--probe-at", type=float, default=0.0)
    parser.add_argument("--hold", type=int, default=0)
    agent = Agent(parser.parse_args())
    if agent.options.probe_at:
        agent.probe()
    else:
        agent.work()


if __name__ == "__main__":
    main()
