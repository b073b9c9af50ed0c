"""A receiver of webhooks that is not well: python -m benchmarks.escalation.receiver SECRET SEED …

Writes its port to standard output, and every call into its book before it answers. It is given the
share of 503, the share of slow answers, that of answers slower than the sender waits, and how long
the sender waits.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from standardwebhooks import Webhook, WebhookVerificationError

from benchmarks.escalation.faults import Book

IN_A_ROW = 3
"""So often at most is one message refused in a row: more would only make the run longer."""


def main() -> None:
    book, secret = Book(Path(sys.argv[1])), sys.argv[2]
    seed, unwell, slow, too_slow, patience = map(float, sys.argv[3:8])
    refused: Counter[str] = Counter()
    chance, lock = random.Random(seed), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            key = self.headers["webhook-id"]
            with lock:
                draw, delay = chance.random(), chance.uniform(0.1, 0.5)
                status = 503 if draw < unwell and refused[key] < IN_A_ROW else 204
                refused[key] = refused[key] + 1 if status == 503 else 0
            if 1 - draw < too_slow:
                delay = patience * 1.3
            if 1 - draw < slow + too_slow:
                time.sleep(delay)
            try:
                Webhook(secret).verify(body, dict(self.headers))
                message = json.loads(body)["data"]["id"]
                if self.headers["Idempotency-Key"] != key or not key.startswith(f"msg-{message}-"):
                    status = 422
            except WebhookVerificationError:
                status = 401
            book.write("received", key=key, status=status)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """The book has it."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """Callers that are killed hang up."""

    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
