"""`./scripts/up`: EVOX with all that it needs, under one supervisor."""

from __future__ import annotations

import argparse
import errno
import fcntl
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from evox import env
from evox.embedded import launch, processes
from evox.embedded.children import server_account
from evox.embedded.errors import StartError
from evox.embedded.launch import Address
from evox.embedded.logs import say
from evox.embedded.places import Places, remove_short_folder
from evox.embedded.purge import purge
from evox.embedded.session import Session
from evox.embedded.state import forget_state, read_state, running

EPILOG = """\
All variables are optional. EVOX_PORT (8000), EVOX_HOST (127.0.0.1) and EVOX_DATA_DIR (.evox)
say where; DATABASE_URL and REDIS_URL name servers of your own. The README lists the others.
Ctrl-C stops everything. Logs are in the folder logs of the data folder.
"""
INTERRUPTED = 130


class Interrupted(BaseException):
    """Someone asked for an end: Ctrl-C, SIGTERM, or the terminal was closed."""


def main() -> None:
    """Run it and exit: 0 when it was stopped or runs already, else with a line and not 0."""
    arguments = _parse()
    places = Places(env.data_dir().resolve(), None)
    try:
        if arguments.purge:
            _purge(places)
        else:
            account = None if env.text("DATABASE_URL") else server_account()
            _up(Places(places.data_dir, account), demo=arguments.demo, logs=arguments.logs)
    except StartError as error:
        sys.exit(f"EVOX cannot start: {error}")
    except (Interrupted, KeyboardInterrupt):
        sys.exit(INTERRUPTED)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./scripts/up",
        description="Start EVOX: PostgreSQL, Redis, web, worker and beat.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--demo", action="store_true", help="also run the demonstration")
    parser.add_argument("--logs", action="store_true", help="show the logs here, too")
    parser.add_argument(
        "--purge", action="store_true", help="remove what EVOX keeps in EVOX_DATA_DIR, and exit"
    )
    return parser.parse_args()


def _up(places: Places, *, demo: bool, logs: bool) -> None:
    where = launch.address()
    places.make()
    with _lock(places) as held:
        state = running(places.data_dir)
        if not held or state is not None:
            _tell_running(places)
            return
        _end_leftovers(places)
        check_port(where)
        _run(Session(places, where, demo=demo, echo=logs))


def _run(session: Session) -> None:
    """Start and serve until a signal; a second signal ends it by force."""
    asked = False

    def on_signal(_number: int, _frame: object) -> None:
        nonlocal asked
        if asked:
            session.supervisor.hurry = True
            return
        asked = True
        raise Interrupted

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, on_signal)
    ready = False
    try:
        session.start()
        ready = True
        session.serve()
    except Interrupted:
        say("Stopping ...")
        if not ready:
            raise
    finally:
        asked = True
        session.close()


def check_port(where: Address) -> None:
    """Raise StartError when the web could not listen there."""
    try:
        found = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, target = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(target)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"port {where.port} on {where.host} is taken:"
                " stop what listens there, or set EVOX_PORT to another port."
            ) from None
        raise StartError(
            f"it can't listen on {where.host} port {where.port} ({error.strerror}):"
            " set EVOX_HOST and EVOX_PORT."
        ) from None


@contextmanager
def _lock(places: Places) -> Iterator[bool]:
    """Whether this is the only `up` of its data folder. The kernel lets go of it at our end."""
    with (places.run / "lock").open("w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _tell_running(places: Places) -> None:
    state = running(places.data_dir)
    if state is None or not state.ready:
        say("EVOX is just starting or stopping in another terminal.")
    else:
        say(f"EVOX is already running at {state.url} (process {state.up.pid}).")


def _end_leftovers(places: Places) -> None:
    """End what an `up` that was killed left behind, and nothing that isn't its own."""
    state = read_state(places.data_dir)
    left = processes.marked(str(places.data_dir))
    if state is not None:
        left += [child for child in state.children.values() if child not in left]
    left = [process for process in left if processes.is_alive(process)]
    if left:
        say("Ending what an earlier start left behind ...")
        processes.end(left, grace=15)
    if state is not None:
        remove_short_folder(state.socket_folder)
        forget_state(places.data_dir)


def _purge(places: Places) -> None:
    if not places.data_dir.is_dir():
        say(f"Nothing to remove: there is no {places.data_dir}.")
        return
    places.make()
    with _lock(places) as held:
        if not held or running(places.data_dir):
            sys.exit("Nothing was removed: EVOX runs on this data folder; stop it first.")
        _end_leftovers(places)
        for path in purge(places):
            say(f"Removed {path}")


if __name__ == "__main__":
    main()
