"""A child's output: kept in a file of bounded size, and shown if wanted."""

from __future__ import annotations

import re
import sys
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

MEGABYTE = 1_000_000
LONGEST_LINE = 8192


class ChildLog:
    """The log of one child over all its restarts: `file`, `file`.1 (older) and `file`.2."""

    def __init__(self, file: Path, *, echo: bool, cap: int = 5 * MEGABYTE, keep: int = 2) -> None:
        """Append to `file`; start a new one at `cap` bytes and keep `keep` older ones."""
        self.file = file
        self._echo = echo
        self._cap = cap
        self._keep = keep
        self._last: deque[str] = deque(maxlen=50)
        self._lock = threading.Lock()

    def follow(self, stream: IO[bytes]) -> threading.Thread:
        """Copy `stream` here until it ends, on a thread of its own."""
        thread = threading.Thread(target=self._copy, args=(stream,), daemon=True)
        thread.start()
        return thread

    def write(self, line: bytes) -> None:
        """Add a line. A full disk loses it: a child must never wait for its log."""
        with self._lock:
            self._last.append(line.decode(errors="replace").rstrip())
            with suppress(OSError):
                if self.file.exists() and self.file.stat().st_size + len(line) > self._cap:
                    self._rotate()
                with self.file.open("ab") as stream:
                    stream.write(line)
        if self._echo:
            say(f"{self.file.stem:8} | {line.decode(errors='replace').rstrip()}")

    def complaint(self) -> str:
        """The last line that names an error, else the last that isn't blank, else ""."""
        return complaint(self._last)

    def _rotate(self) -> None:
        for number in range(self._keep - 1, 0, -1):
            with suppress(FileNotFoundError):
                self._older(number).replace(self._older(number + 1))
        self.file.replace(self._older(1))

    def _older(self, number: int) -> Path:
        return self.file.with_name(f"{self.file.name}.{number}")

    def _copy(self, stream: IO[bytes]) -> None:
        with stream:
            while line := stream.readline(LONGEST_LINE):
                self.write(line)


def complaint(said: Iterable[str]) -> str:
    """Of what a program said, the last line that names an error, else its last, else ""."""
    lines = [line.strip() for line in said if line.strip()]
    named = [line for line in lines if re.search(r"(?i)(error|exception|fatal)\b.*:", line)]
    return (named or lines or [""])[-1]


def say(line: str) -> None:
    """Tell the person at the terminal, if there still is one."""
    with suppress(OSError, ValueError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
