"""`./scripts/test`: lint, types and import contracts, then the tests, leaving nothing behind."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from evox.embedded import chromium, processes
from evox.embedded.children import server_account
from evox.embedded.errors import StartError
from evox.embedded.launch import ROOT
from evox.embedded.logs import say
from evox.embedded.purge import purge_below
from evox.embedded.throwaway import temporary_folder

LINTERS = {
    "lint": ("-m", "ruff", "check", "."),
    "format": ("-m", "ruff", "format", "--check", "."),
    "types": ("-m", "mypy"),
    "contracts": (
        "-c",
        "from importlinter.cli import lint_imports_command as run; run(['--no-logo'])",
    ),
}
# The tests in a browser are one group, since one browser and one server serve them all.
PYTEST = ("-m", "pytest", "-n", "2", "--dist", "loadgroup")
COVERAGE = ("--cov", "--cov-report=term:skip-covered")


def main() -> None:
    """Run everything and exit: 0 when all is well, else with the names of what failed."""
    arguments = _parse()
    steps = dict(LINTERS)
    steps["tests"] = (*PYTEST, *_pytest_options(arguments))
    chromium.ensure()
    try:
        with _private_environment() as environment:
            failed = Steps(environment).run(steps)
    except StartError as error:
        sys.exit(f"The tests cannot start: {error}")
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")
    say("All is well.")


class Steps:
    """Runs commands one after the other, out of Ctrl-C's reach: a signal is passed on once."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Run commands with `environment`."""
        self._environment = environment
        self._current: subprocess.Popen[bytes] | None = None
        self._stopped = False
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)

    def run(self, steps: Mapping[str, tuple[str, ...]]) -> list[str]:
        """Run all, also after a failure, and return the names of those that failed."""
        failed = []
        for name, arguments in steps.items():
            if not self._stopped and not self._passes(name, arguments):
                failed.append(name)
        return failed or (["stopped"] if self._stopped else [])

    def _passes(self, name: str, arguments: tuple[str, ...]) -> bool:
        say(f"--- {name}")
        begun = time.monotonic()
        self._current = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=dict(self._environment),
            stdin=subprocess.DEVNULL,
            process_group=0,
        )
        code = self._current.wait()
        self._current = None
        say(f"--- {name}: {'ok' if code == 0 else 'failed'} ({time.monotonic() - begun:.0f} s)")
        return code == 0

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        # A second SIGINT would cut short how pytest cleans up.
        if self._current is not None and not self._stopped:
            self._current.send_signal(signal.SIGINT)
        self._stopped = True


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./scripts/test", description="Run linters, type checks and tests."
    )
    parser.add_argument("--full", action="store_true", help="also run the slow tests")
    parser.add_argument("pytest", nargs="*", help="after --: handed to pytest")
    return parser.parse_args()


def _pytest_options(arguments: argparse.Namespace) -> tuple[str, ...]:
    full = ("--full",) if arguments.full else ()
    # A part of the tests can't reach the coverage that all of them must.
    return (*full, *arguments.pytest) if arguments.pytest else (*full, *COVERAGE)


@contextmanager
def _private_environment() -> Iterator[dict[str, str]]:
    """An environment with a temporary folder of its own; what was started in it ends with it."""
    folder = temporary_folder(server_account())
    environment = dict(os.environ) | {"TMPDIR": str(folder), processes.MARKER: str(folder)}
    try:
        yield environment
    finally:
        processes.end(processes.marked(str(folder)), grace=10)
        purge_below(folder.resolve())
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
