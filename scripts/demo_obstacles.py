"""What stands in the way of the demonstration's commands, for a while, as a process of its own."""

from __future__ import annotations

import http.server
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

BUSY_SECONDS = 10.0
"""How long the port, the lock and the starting server are in the way."""


def be_in_the_way(lock: Path) -> None:
    """Hold a port and a lock file, and answer 503, for a while; ends when stdin does."""
    ready_at = time.monotonic() + BUSY_SECONDS

    class Starting(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ready = time.monotonic() >= ready_at
            self.send_response(200 if ready else 503)
            self.end_headers()
            self.wfile.write(b"staging is up" if ready else b"still starting")

        def log_message(self, *_: Any) -> None:
            pass

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Starting)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    holder = socket.create_server(("127.0.0.1", 0))
    lock.write_text(str(os.getpid()), encoding="utf-8")
    print(json.dumps({"port": holder.getsockname()[1], "web": web.server_port}), flush=True)
    time.sleep(BUSY_SECONDS)
    holder.close()
    lock.unlink()
    sys.stdin.read()


if __name__ == "__main__":
    be_in_the_way(Path(sys.argv[1]))
