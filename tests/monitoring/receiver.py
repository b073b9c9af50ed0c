"""A receiver of messages on loopback: real HTTP, and answers that a test names."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Request:
    """What came in."""

    path: str
    headers: dict[str, str]
    body: str

    @property
    def key(self) -> str:
        return self.headers["webhook-id"]

    @property
    def text(self) -> str:
        return json.loads(self.body)["data"]["text"]


Answer = tuple[int, dict[str, str]]


@dataclass
class Receiver:
    """Its address, what it got, and what it says next: the last of `answers` for good."""

    url: str
    got: list[Request] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=lambda: [(200, {})])
    before: Callable[[Request], Any] = lambda _: None
    """Called before it answers."""

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1].split("/")[0])

    def says(self, *answers: int | Answer) -> None:
        self.answers = [(a, {}) if isinstance(a, int) else a for a in answers]

    def keys(self) -> list[str]:
        return [request.key for request in self.got]


@contextmanager
def receiver(host: str = "127.0.0.1") -> Iterator[Receiver]:
    """A receiver that listens until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.path, headers, body)
            state.got.append(request)
            state.before(request)
            with lock:
                status, extra = state.answers[0]
                if len(state.answers) > 1:
                    state.answers.pop(0)
            self.send_response(status)
            for name, value in {"Content-Length": "2", **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A caller that hangs up is what some tests want."""

    lock = threading.Lock()
    server = Server((host, 0), Handler)
    state = Receiver(f"http://{host}:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
