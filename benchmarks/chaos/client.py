"""EVOX over HTTP as a real agent calls it: whatever is no answer is asked again, unchanged."""

import http.client
import json
import random
import time
from contextlib import suppress

PATIENCE = 120.0
"""Seconds that one call is repeated while the server is away."""


class AwayError(Exception):
    """The server gave no usable answer for PATIENCE seconds."""


class Client:
    """One server; not for several threads."""

    def __init__(self, port: int, rng: random.Random) -> None:
        self._port, self._rng = port, rng
        self.no_answer = 0
        """Calls that broke, timed out, or were answered 5xx."""
        self.hung_up = 0
        """Calls whose answer was thrown away unread on purpose."""

    def post(
        self,
        path: str,
        body: dict | None = None,
        *,
        headers: dict[str, str] | None = None,
        hang_up: bool = False,
    ) -> tuple[int, dict]:
        """(status, answer) of the first try that was answered; 4xx is an answer.

        `hang_up`: send it once and close before reading, as if the answer was lost on its way.
        """
        if hang_up:
            self._hang_up(path, body, headers)
        return self._until_answered("POST", path, body, headers)

    def get(self, path: str) -> tuple[int, dict]:
        """As `post`."""
        return self._until_answered("GET", path, None, None)

    def _until_answered(self, method, path, body, headers) -> tuple[int, dict]:
        deadline = time.monotonic() + PATIENCE
        delay = 0.1
        while time.monotonic() < deadline:
            with suppress(OSError, http.client.HTTPException, ValueError):
                status, answer = self._once(method, path, body, headers)
                if status < 500:
                    return status, answer
            self.no_answer += 1
            time.sleep(delay * self._rng.uniform(0.5, 1.5))
            delay = min(delay * 2, 1.0)
        raise AwayError(f"{method} {path}")

    def _once(self, method, path, body, headers) -> tuple[int, dict]:
        connection = self._sent(method, path, body, headers)
        try:
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else {}
        finally:
            connection.close()

    def _hang_up(self, path, body, headers) -> None:
        self.hung_up += 1
        with suppress(OSError, http.client.HTTPException):
            connection = self._sent("POST", path, body, headers)
            time.sleep(self._rng.uniform(0, 0.2))
            connection.close()

    def _sent(self, method, path, body, headers) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        data = None if body is None else json.dumps(body).encode()
        try:
            connection.request(
                method,
                f"/api/v1/{path}",
                data,
                {"Content-Type": "application/json", **(headers or {})},
            )
        except BaseException:
            connection.close()
            raise
        return connection
