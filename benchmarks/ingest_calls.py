"""What the benchmark of ingest sends, and by what connections."""

from __future__ import annotations

import itertools
import json
import random
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

BULK = 1_000
REPEATED = 20
"""So many texts are told again and again in a bulk of repeated ones."""
AGENTS = 8
CALL = "@@@@"
"""Stands for the number of the call in what is sent."""
_CALLS = itertools.count()
WORDS = [
    *("cannot", "open", "ledger", "parser", "gave", "early", "volume", "payload", "unknown"),
    *("worker", "vanished", "trace", "checksum", "manifest", "missing", "import", "module"),
    *("undefined", "variable", "expected", "token", "stream", "socket", "closed", "remote"),
    *("index", "bounds", "field", "required", "schema"),
]


def text(chance: random.Random, number: int) -> str:
    """A compiler's line of about 120 characters, with values in it."""
    one, two, three = chance.choices(WORDS, k=3)
    return (
        f"src/{one}/{two}.py:{number % 900}:{number % 70}: error:"
        f" {' '.join(chance.choices(WORDS, k=5))} '{three}{number}' ({chance.random()})"
        f" [attr-{one}]"
    )


def bodies(chance: random.Random, *, distinct: bool) -> list[dict[str, object]]:
    texts = [text(chance, n) for n in range(BULK if distinct else REPEATED)]
    return [
        {
            "agentName": f"A{chance.randrange(AGENTS)}",
            "errorType": "build",
            "errorMessage": texts[n % len(texts)],
            "context": {"ticketId": f"T-{CALL}-{chance.randrange(10**6)}", "command": "make test"},
        }
        for n in range(BULK)
    ]


def naive(body: Mapping[str, object]) -> dict[str, object]:
    return {
        "agent_name": body["agentName"],
        "error_type": body["errorType"],
        "error_message": body["errorMessage"],
        "context": body["context"],
    }


class Caller:
    """A kept-alive connection that costs this process little."""

    def __init__(self, port: int, path: str, key: str = "") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            + (f"Authorization: Bearer {key}\r\n" if key else "")
        ).encode()

    def post(self, body: bytes) -> int:
        self.socket.sendall(self.head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        said = b""
        while (end := said.find(b"\r\n\r\n")) < 0:
            said += self._more()
        head = said[:end].lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        left = end + 4 + length - len(said)
        while left > 0:
            left -= len(self._more())
        status = int(head.split(b" ", 2)[1])
        if status not in {201, 207}:
            raise SystemExit(f"{status}: {said[end : end + 400]!r}")
        return status

    def _more(self) -> bytes:
        found = self.socket.recv(1 << 20)
        if not found:
            raise SystemExit("The server hung up.")
        return found


def encoded(values) -> list[bytes]:
    return [json.dumps(value).encode() for value in values]


def pressed(callers: Sequence[tuple[Caller, list[bytes]]], seconds: float) -> tuple[int, float]:
    """How many calls all of them together get answered, and in how many seconds."""
    began = time.perf_counter()

    def press(caller: Caller, calls: list[bytes]) -> int:
        count = 0
        while time.perf_counter() - began < seconds:
            # No agent meets one mistake twice on a ticket: the third time is a loop, and told of.
            caller.post(calls[count % len(calls)].replace(CALL.encode(), b"%06d" % next(_CALLS)))
            count += 1
        return count

    with ThreadPoolExecutor(len(callers)) as pool:
        done = sum(pool.map(lambda one: press(*one), callers))
    return done, time.perf_counter() - began
