"""Forks the children of the chaos run, and another for each that was killed, until its input ends.

    python -m benchmarks.escalation.nursery FOLDER

FOLDER holds terms.json, tickets and the book. It sets Django up once, so that a child costs
milliseconds, and speaks to no server itself.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    folder = Path(sys.argv[1])
    terms = json.loads((folder / "terms.json").read_text())
    import django

    django.setup()
    import monitoring.tasks  # noqa: F401 - read once, for all children
    from benchmarks.escalation.faults import Book

    book = Book(folder / "book.jsonl")
    children = {_born(role, folder, terms): role for role in terms["roles"]}
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            role = children.pop(pid)
            if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
                book.write("fell", role=role, status=status)
            children[_born(role, folder, terms)] = role
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _born(role: str, folder: Path, terms: dict[str, object]) -> int:
    pid = os.fork()
    if pid == 0:
        _live(role, folder, terms)
    return pid


def _live(role: str, folder: Path, terms: dict[str, object]) -> None:
    parent = os.getppid()
    try:
        from benchmarks.escalation import roles
        from benchmarks.escalation.faults import Book, Faults, Tickets

        book = Book(folder / "book.jsonl")
        faults = Faults(Tickets(folder / "tickets"), book)
        step = getattr(roles, role)(terms, faults, book)
        while os.getppid() == parent:
            step()
    except Exception:  # noqa: BLE001 - the parent counts it, and starts another
        import traceback

        traceback.print_exc()
        time.sleep(0.5)  # Not a storm of births.
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
