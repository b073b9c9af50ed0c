#!/usr/bin/env python3
"""EVOX's client for agents: one file, standard library only, Python 3.8 or newer.

export EVOX_URL=http://127.0.0.1:8000 EVOX_AGENT=SAM
evoxctl.py next                          claim work; prints it with its instructions
evoxctl.py progress "half of it" --marker "$(git rev-parse HEAD)"
evoxctl.py done --evidence "42 tests passed"
evoxctl.py fail --type test "2 tests failed"       or: pytest 2>&1 | evoxctl.py fail -
evoxctl.py work                          claim and run commands until stopped
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

REFUSED, USAGE, UNREACHABLE, NO_CLAIM, NO_WORK = 1, 2, 3, 4, 5
EXITS = """exit codes:
  0  done as asked             3  the server can't be reached
  1  the server refused, or    4  there is no live claim: expired, superseded,
     the command of work         cancelled, closed already or never made
     --once failed             5  there is no work to claim
  2  wrong usage               128+N  ended by signal N

The key of a server that wants one comes from EVOX_KEY or --key-file."""
TYPES = ("build", "test", "api", "timeout", "other")
GUESSES = (
    ("test", r"\b(pytest|unittest|test|tests)\b"),
    ("build", r"\b(compile|compileall|build|make|tsc|ruff|mypy)\b"),
    ("api", r"\b(curl|wget)\b|https?://"),
)
GONE = {"expired", "superseded", "cancelled", "finished", "stale", "unknown_claim"}
NO_SENSE = {400, 403, 404, 409, 413, 415, 422}
TAIL_BYTES = 8_192
GRACE_SECONDS = 3.0
LONGEST_WAIT = 30.0
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class EvoxctlError(Exception):
    """What ends evoxctl with one line and an exit code."""

    def __init__(self, message: str, exit_code: int = REFUSED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class UnreachableError(EvoxctlError):
    """No answer, or one that isn't EVOX's: worth another try."""

    def __init__(self, message: str) -> None:
        super().__init__(message, UNREACHABLE)


class RefusedError(EvoxctlError):
    """EVOX answered with an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        gone = status == 409 and code in GONE
        hint = "set EVOX_KEY or --key-file" if status == 401 else code
        super().__init__(f"{message} ({hint})", NO_CLAIM if gone else REFUSED)
        self.status, self.code = status, code


class _StayHere(urllib.request.HTTPRedirectHandler):
    # A redirect would turn a POST into a GET, and carry the key to another host.
    def redirect_request(self, *_: Any) -> None:
        return None


class Server:
    """EVOX over HTTP."""

    def __init__(self, url: str, key: str) -> None:
        try:
            parts = urllib.parse.urlsplit(url)
            self.host = parts.hostname if parts.scheme in {"http", "https"} else None
        except ValueError:
            self.host = None
        if not self.host:
            raise EvoxctlError(f"Not an http:// or https:// URL: {url!r}.", USAGE)
        self.url, self.key = url.rstrip("/"), key
        direct = [urllib.request.ProxyHandler({})] if self.host in LOOPBACK else []
        self._opener = urllib.request.build_opener(_StayHere, *direct)

    def call(self, method: str, path: str, body: Any = None, seconds: float = 10) -> Any:
        """The answer's JSON, None for 204. Raises UnreachableError or RefusedError."""
        headers = {"Accept": "application/json", "User-Agent": "evoxctl"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with self._opener.open(request, timeout=seconds) as response:
                text = response.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            raise self._refusal(error) from None
        except ValueError:
            raise UnreachableError(f"{self.url} answers, but not as EVOX does.") from None
        except Exception as error:  # noqa: BLE001 - http.client raises more kinds than OSError
            why = getattr(error, "reason", None) or error
            raise UnreachableError(f"{self.url} can't be reached: {why}.") from None

    def _refusal(self, error: urllib.error.HTTPError) -> EvoxctlError:
        try:
            with error:
                found = json.loads(error.read())["error"]
            code, message = str(found["code"]), str(found["message"])
        except (OSError, ValueError, KeyError, TypeError):
            return UnreachableError(f"{self.url} answered {error.code}, not as EVOX does.")
        if error.code >= 500 or error.code == 429:
            return UnreachableError(f"{self.url} answered {error.code}: {message}")
        return RefusedError(error.code, code, message)


class Memory:
    """The claim that this agent holds at this server, kept between two calls of evoxctl."""

    def __init__(self, server: str, agent: str) -> None:
        home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        digest = hashlib.sha256(f"{server} {agent}".encode()).hexdigest()[:16]
        self.file = Path(home) / "evox" / f"claim-{digest}.json"

    def load(self) -> dict[str, Any] | None:
        """What was claimed last and not closed, as the server answered it."""
        try:
            kept = json.loads(self.file.read_text(encoding="utf-8"))
            return kept if kept["attempt"]["claim"] and kept["dispatch"]["id"] else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def store(self, claimed: dict[str, Any]) -> None:
        """Remember it; the claim is a secret, so only its owner may read it."""
        new = self.file.with_suffix(f".{os.getpid()}")
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
                json.dump(claimed, out)
            new.replace(self.file)
        except OSError as error:
            raise EvoxctlError(f"The claim can't be kept: {error}. Set XDG_STATE_HOME.") from None

    def forget(self) -> None:
        """It is closed."""
        with suppress(OSError):
            self.file.unlink()


class Tail:
    """The last bytes of a stream, however long it is, read by a thread."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._chunks, self._size = stream, deque(), 0
        self._cut, self._lock = 0, threading.Lock()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with suppress(OSError, ValueError):
            for chunk in iter(lambda: self._stream.read1(65_536), b""):
                with self._lock:
                    self._keep(chunk)

    def _keep(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        while self._size - len(self._chunks[0]) >= TAIL_BYTES:
            self._cut += len(self._chunks[0])
            self._size -= len(self._chunks.popleft())

    def text(self) -> str:
        """What was last written. A process that escaped its group may hold the stream: wait 2 s."""
        self._thread.join(2)
        with self._lock:
            kept, cut = b"".join(self._chunks), self._cut
        cut += max(0, len(kept) - TAIL_BYTES)
        text = kept[-TAIL_BYTES:].decode("utf-8", "replace").strip()
        return f"[{cut} bytes before this]\n{text}" if cut else text


class Pulse(threading.Thread):
    """Signs of life while a command runs; `verdict` says why it must stop."""

    def __init__(self, worker: Worker, claimed: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self._worker, self._claim = worker, claimed["attempt"]["claim"]
        self._every = max(1.0, float(claimed.get("heartbeatSeconds") or 60) / 3)
        self._ended = threading.Event()
        self.verdict = ""

    def run(self) -> None:
        """Beat until ended; a server that is away is no reason to stop the command."""
        while not self.verdict:
            try:
                self.verdict = verdict_of(self._worker.heartbeat("busy", self._claim))
                self._worker.complain("")
            except EvoxctlError as error:
                self._worker.complain(str(error))
            if self._ended.wait(self._every):
                return

    def end(self) -> None:
        """Stop beating, so that no late "busy" overtakes what is said next."""
        self._ended.set()
        self.join(2)


def verdict_of(life: dict[str, Any]) -> str:
    """Why the work must stop, from the answer to a sign of life; "" when it may go on."""
    if life.get("cancelRequested"):
        return "cancelled"
    if life.get("superseded"):
        return "superseded"
    state = life.get("claimState")
    return "" if state in {"live", None} else str(state)


class Worker:
    """Claims commands and runs them, one at a time."""

    def __init__(self, server: Server, agent: str, options: argparse.Namespace) -> None:
        self.server, self.agent, self.options = server, agent, options
        self.session = str(uuid.uuid4())
        self.signal = 0
        self._complaint = ""

    def say(self, text: str) -> None:
        """One line for whoever watches."""
        print(f"{self.agent}: {clean(text)}", flush=True)

    def complain(self, text: str) -> None:
        """Say what is wrong once, and once that it is well again."""
        if text != self._complaint and not (text and self._complaint):
            self.say(f"{text} Trying again." if text else "The server answers again.")
        self._complaint = text

    def heartbeat(self, status: str, claim: str | None = None, seconds: float = 10) -> Any:
        """A sign of life."""
        body = {"session": self.session, "status": status, "claim": claim}
        return self.server.call("POST", agent_path(self.agent) + "/heartbeat", body, seconds)

    def run(self) -> int:
        """Work until stopped, idle for too long or, with --once, one dispatch is done."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note_signal)
        self._show("idle")
        idle_since, code = time.monotonic(), 0
        while not self.signal:
            claimed = self._claim()
            if claimed:
                code = self._do(claimed)
                idle_since = time.monotonic()
                if self.options.once:
                    break
            elif self._idle_for_too_long(idle_since):
                code = UNREACHABLE if self._complaint else NO_WORK if self.options.once else 0
                break
            else:
                self._sleep(self.options.poll)
        self._show("offline")
        return 128 + self.signal if self.signal else code

    def _show(self, status: str) -> None:
        with suppress(EvoxctlError):
            self.heartbeat(status, seconds=2)

    def _note_signal(self, number: int, _: Any) -> None:
        # Only noted: every wait below is short, so nothing is left half done.
        self.signal = number

    def _idle_for_too_long(self, since: float) -> bool:
        limit = self.options.idle_exit
        return limit is not None and time.monotonic() - since >= limit

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.signal and time.monotonic() < until:
            time.sleep(min(0.1, max(0.0, until - time.monotonic())))

    def _claim(self) -> dict[str, Any] | None:
        body = {"agentName": self.agent, "session": self.session}
        try:
            claimed = self.server.call("POST", "/api/v1/dispatches/claim", body)
        except UnreachableError as error:
            self.complain(str(error))
            return None
        self.complain("")
        return claimed

    def _do(self, claimed: dict[str, Any]) -> int:
        dispatch, attempt = claimed["dispatch"], claimed["attempt"]
        name = f"#{dispatch['id']} {dispatch['title']}"
        self.say(f"{name}: attempt {attempt['number']}, {attempt['strategy']}")
        outcome = self._execute(claimed)
        if outcome is None:
            self.say(f"{name}: stopped here; its lease will lapse, and it starts anew.")
            return 0
        if outcome.verdict:
            # Blocking logs no failure; a cancelled or superseded dispatch ends as such.
            self.say(f"{name}: stopped, since its claim is {outcome.verdict}.")
            verb, body = "block", {"reason": f"Stopped: {outcome.verdict}."}
        elif outcome.code == 0 and not outcome.timed_out:
            verb, body = "complete", {"evidence": outcome.text, "result": outcome.facts()}
        else:
            verb, body = "fail", outcome.failure(dispatch)
        closed = self._report(dispatch["id"], verb, {**body, "claim": attempt["claim"]})
        if closed:
            why = f" {closed['reason']}" if closed.get("reason") else ""
            self.say(f"{name}: {outcome.summary()} → {closed['status']}.{why}")
        self._show("idle")
        return 0 if verb == "complete" else REFUSED

    def _report(self, pk: int, verb: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Send it until it is answered: the same report twice is answered as the first time."""
        wait = 1.0
        while True:
            try:
                closed = self.server.call("POST", f"/api/v1/dispatches/{pk}/{verb}", body)
            except EvoxctlError as error:
                if isinstance(error, RefusedError) and error.status in NO_SENSE:
                    self.say(f"#{pk}: the report was refused: {error}")
                    return None
                self.complain(f"#{pk}: the report waits: {error}")
            else:
                self.complain("")
                return closed
            if self.signal:
                return None
            self._sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    def _execute(self, claimed: dict[str, Any]) -> Outcome | None:
        """How the command ended; None when a signal to this agent cut it off."""
        begun, pulse = time.monotonic(), Pulse(self, claimed)
        try:
            process = subprocess.Popen(  # noqa: S603 - to run this command is what we are for
                ["/bin/sh", "-c", claimed["dispatch"]["command"]],
                cwd=self.options.cwd,
                env={**os.environ, **command_env(claimed, self.server.url)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return Outcome(126, f"The command could not be started: {error}", 0.0)
        tail = Tail(process.stdout)
        pulse.start()
        limit, verdict = None, ""
        try:
            while not ended(process, 0.1):
                if time.monotonic() - begun >= self.options.timeout:
                    limit = self.options.timeout
                verdict = pulse.verdict
                if self.signal or verdict or limit:
                    break
        finally:
            cut_off = process.returncode is None
            kill_group(process)
            pulse.end()
        if self.signal and cut_off:
            return None
        code = -signal.SIGKILL if process.returncode is None else process.returncode
        return Outcome(code, tail.text(), time.monotonic() - begun, limit, verdict)


class Outcome:
    """How a command ended."""

    def __init__(
        self, code: int, text: str, seconds: float, limit: float | None = None, verdict: str = ""
    ) -> None:
        self.code, self.text, self.seconds = code, text, seconds
        self.limit, self.timed_out, self.verdict = limit, limit is not None, verdict

    def summary(self) -> str:
        """The end in a few words."""
        if self.timed_out:
            return f"Killed at its time limit of {self.limit:g} s"
        if self.verdict:
            return f"Stopped after {self.seconds:.0f} s"
        if self.code < 0:
            return f"Killed by signal {-self.code}"
        note = {126: " (it could not be run)", 127: " (there is no such command)"}
        return f"Exit code {self.code}{note.get(self.code, '')}"

    def facts(self) -> dict[str, Any]:
        """For machines."""
        return {"exitCode": self.code, "seconds": round(self.seconds, 1)}

    def failure(self, dispatch: dict[str, Any]) -> dict[str, Any]:
        """The body of a failure report."""
        message = f"{self.summary()}\n{self.text}".strip()
        kind = "timeout" if self.timed_out else error_type_of(dispatch)
        return {"errorType": kind, "errorMessage": message, "context": self.facts()}


def error_type_of(dispatch: dict[str, Any]) -> str:
    """What the dispatch's payload says, else a guess from the words of its command."""
    payload = dispatch.get("payload")
    given = payload.get("errorType") if isinstance(payload, dict) else None
    if given in TYPES:
        return str(given)
    found = (kind for kind, words in GUESSES if re.search(words, dispatch["command"]))
    return next(found, "other")


def command_env(claimed: dict[str, Any], url: str) -> dict[str, str]:
    """What a command may know of its attempt."""
    attempt = claimed["attempt"]
    return {
        "EVOX_DISPATCH_ID": str(claimed["dispatch"]["id"]),
        "EVOX_ATTEMPT": str(attempt["number"]),
        "EVOX_STRATEGY": str(attempt["strategy"]),
        "EVOX_INSTRUCTIONS": str(attempt.get("instructions") or ""),
        "EVOX_CLAIM": str(attempt["claim"]),
        "EVOX_URL": url,
    }


def ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether it ends within these seconds."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End the command and what it left behind: politely, then by force."""
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGTERM)
        ended(process, GRACE_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
    ended(process, GRACE_SECONDS)


def agent_path(agent: str) -> str:
    """Where the agent lives."""
    return "/api/v1/agents/" + urllib.parse.quote(agent, safe="")


def clean(text: Any) -> str:
    """Text of others without what would steer a terminal."""
    return "".join(char for char in str(text) if char in "\n\t" or char.isprintable())


def message_or_stdin(text: str) -> str:
    """The argument, or what stdin says when it is "-"."""
    return sys.stdin.buffer.read().decode("utf-8", "replace") if text == "-" else text


def held(memory: Memory) -> tuple[int, str]:
    """The remembered dispatch and claim; raises EvoxctlError."""
    kept = memory.load()
    if kept is None:
        raise EvoxctlError("No claim is remembered here: take work with `next` first.", NO_CLAIM)
    return kept["dispatch"]["id"], kept["attempt"]["claim"]


def show(claimed: dict[str, Any]) -> None:
    """Print a dispatch as an agent reads it."""
    dispatch, attempt = claimed["dispatch"], claimed["attempt"]
    print(clean(f"#{dispatch['id']} {dispatch['title']}"))
    print(clean(f"Attempt {attempt['number']}, strategy {attempt['strategy']}"))
    print(clean(f"Command: {dispatch['command']}"))
    if dispatch.get("ticketId"):
        print(clean(f"Ticket: {dispatch['ticketId']}"))
    if dispatch.get("payload"):
        print(clean(f"Payload: {json.dumps(dispatch['payload'], ensure_ascii=False)}"))
    if attempt.get("instructions"):
        print(clean(f"\n{attempt['instructions']}"))
    print(f"\nYours until {attempt.get('leaseExpiresAt')}; each `progress` makes that later.")
    print("End it with exactly one of: done, fail, blocked.")


def do_next(server: Server, memory: Memory, options: argparse.Namespace) -> int:
    """Claim, or show again what is held already."""
    kept = memory.load()
    if kept is not None:
        body = {"claim": kept["attempt"]["claim"], "status": "busy"}
        life = server.call("POST", agent_path(options.agent) + "/heartbeat", body)
        if life.get("claimState") == "live":
            print("You hold this already; end it before you take more.")
            if verdict_of(life):
                print(
                    f"Stop: it is {verdict_of(life)}. Close it with: evoxctl.py blocked 'Stopped.'"
                )
            kept["attempt"]["leaseExpiresAt"] = life.get("leaseExpiresAt")
            show(kept)
            return 0
        memory.forget()
    claimed = server.call("POST", "/api/v1/dispatches/claim", {"agentName": options.agent})
    if not claimed:
        raise EvoxctlError("There is no work now.", NO_WORK)
    memory.store(claimed)
    show(claimed)
    return 0


def do_progress(server: Server, memory: Memory, options: argparse.Namespace) -> int:
    """Show life and progress; says when to stop."""
    pk, claim = held(memory)
    body = {"claim": claim, "note": options.note, "marker": options.marker}
    life = forgetting(
        memory, lambda: server.call("POST", f"/api/v1/dispatches/{pk}/progress", body)
    )
    verdict = verdict_of(life)
    if verdict:
        raise EvoxctlError(
            f"Stop: #{pk} is {verdict}. Close it with: evoxctl.py blocked 'Stopped.'", NO_CLAIM
        )
    print(f"#{pk} is yours until {life.get('leaseExpiresAt')}.")
    return 0


def do_close(server: Server, memory: Memory, options: argparse.Namespace) -> int:
    """Report done, fail or blocked, and forget the claim."""
    pk, claim = held(memory)
    body: dict[str, Any] = {"claim": claim}
    if options.verb == "done":
        body["evidence"] = message_or_stdin(options.evidence)
    elif options.verb == "blocked":
        body["reason"] = message_or_stdin(options.reason)
    else:
        body.update(errorType=options.type, errorMessage=message_or_stdin(options.message))
        body.update(retryable=not options.no_retry, retryAfter=options.retry_after)
    path = {"done": "complete", "blocked": "block"}.get(options.verb, "fail")
    closed = forgetting(
        memory, lambda: server.call("POST", f"/api/v1/dispatches/{pk}/{path}", body)
    )
    memory.forget()
    print(clean(f"#{pk} is {closed['status']}. {closed.get('reason') or ''}".strip()))
    if closed.get("guidance"):
        print(clean(f"Known fix: {closed['guidance']}"))
    return 0


def forgetting(memory: Memory, call: Callable[[], Any]) -> Any:
    """The call's answer; a claim that no longer counts is forgotten."""
    try:
        return call()
    except RefusedError as error:
        if error.exit_code == NO_CLAIM:
            memory.forget()
        raise


def do_inbox(server: Server, _: Memory, options: argparse.Namespace) -> int:
    """Print unread messages, the oldest first, and mark them read."""
    query = urllib.parse.urlencode({"agent": options.agent, "unread": "true", "limit": 200})
    found = server.call("GET", f"/api/v1/messages?{query}")["results"]
    for message in reversed(found):
        print(clean(f"{message['createdAt']} {message['from']}: {message['message']}"))
        if not options.keep:
            server.call("POST", f"/api/v1/messages/{message['id']}/read", {})
    if not found:
        print("Nothing unread.")
    return 0


def do_say(server: Server, _: Memory, options: argparse.Namespace) -> int:
    """Send a message to an agent, or to a #channel."""
    to = options.to
    where = {"channel": to[1:]} if to.startswith("#") else {"to": to}
    body = {"from": options.agent, "message": message_or_stdin(options.message), **where}
    sent = server.call("POST", "/api/v1/messages", body)
    print(f"Sent as message {sent['id']}.")
    return 0


def do_doctor(server: Server, memory: Memory, options: argparse.Namespace) -> int:
    """Say in plain words what works and what doesn't."""
    server.call("GET", "/healthz")
    print(f"ok: {server.url} answers.")
    if server.key and server.url.startswith("http:") and server.host not in LOOPBACK:
        print("careful: the key travels unencrypted; use https.")
    try:
        agent = server.call("GET", agent_path(options.agent))
    except RefusedError as error:
        if error.status != 404:
            raise
        print(
            f"unknown: no agent {options.agent} yet; the first `next` on a keyless server adds it."
        )
        return REFUSED
    print("ok: " + ("the key is accepted." if server.key else "no key is needed."))
    print(f"ok: {agent['name']} is known, a {agent['role']}, now {agent['status']}.")
    kept = memory.load()
    if kept is None:
        number = agent.get("dispatch")
        print(
            f"ok: no claim is remembered here{f'; elsewhere it runs #{number}' if number else ''}."
        )
        return 0
    body = {"claim": kept["attempt"]["claim"]}
    life = server.call("POST", agent_path(options.agent) + "/heartbeat", body)
    verdict, name = verdict_of(life), f"#{kept['dispatch']['id']}"
    print(f"gone: the claim on {name} is {verdict}." if verdict else f"ok: {name} is yours.")
    return NO_CLAIM if verdict else 0


def do_work(server: Server, _: Memory, options: argparse.Namespace) -> int:
    """Claim and run commands until stopped."""
    if not Path(options.cwd).is_dir():
        raise EvoxctlError(f"There is no folder {options.cwd}.", USAGE)
    return Worker(server, options.agent, options).run()


def seconds_above_zero(text: str) -> float:
    """An argument in seconds; raises ValueError."""
    value = float(text)
    if not 0 < value < 1e7:
        raise ValueError(text)
    return value


def parser() -> argparse.ArgumentParser:
    """The command line."""
    common = argparse.ArgumentParser(add_help=False)
    url, agent = os.environ.get("EVOX_URL"), os.environ.get("EVOX_AGENT", "")
    common.add_argument(
        "--server", metavar="URL", default=url or "http://127.0.0.1:8000", help="or EVOX_URL"
    )
    common.add_argument("--agent", metavar="NAME", default=agent, help="or EVOX_AGENT")
    common.add_argument("--key-file", metavar="FILE", help="else EVOX_KEY")
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(description=__doc__, epilog=EXITS, formatter_class=raw)
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, act: Callable[..., int], text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, parents=[common], help=text, description=text)
        added.set_defaults(act=act)
        return added

    verb("next", do_next, "claim work and print it")
    added = verb("progress", do_progress, "show progress and keep the claim")
    added.add_argument("note", nargs="?")
    added.add_argument("--marker", help="changes as the work does, such as a commit")
    added = verb("done", do_close, "the work is done")
    added.add_argument(
        "--evidence", metavar="TEXT", default="", help="what shows it; - reads stdin"
    )
    added = verb("fail", do_close, "the attempt failed; EVOX brings it back by itself")
    added.add_argument("--type", choices=TYPES, default="other")
    added.add_argument("--no-retry", action="store_true", help="another try can't help")
    added.add_argument("--retry-after", type=int, metavar="SECONDS", help="hold it, no try is used")
    added.add_argument("message", metavar="MESSAGE", help="- reads stdin")
    added = verb("blocked", do_close, "a person must do something first")
    added.add_argument("reason", metavar="REASON", help="- reads stdin")
    added = verb("inbox", do_inbox, "print unread messages and mark them read")
    added.add_argument("--keep", action="store_true", help="leave them unread")
    added = verb("say", do_say, "send a message")
    added.add_argument("to", metavar="TO", help="an agent, or #channel")
    added.add_argument("message", metavar="MESSAGE", help="- reads stdin")
    verb("doctor", do_doctor, "say what works and what doesn't")
    add_work_options(verb("work", do_work, "claim and run commands until stopped"))
    return top


def add_work_options(work: argparse.ArgumentParser) -> None:
    """What `work` takes."""
    seconds: dict[str, Any] = {"type": seconds_above_zero, "metavar": "SECONDS"}
    work.add_argument("--once", action="store_true", help="end after one dispatch")
    work.add_argument("--idle-exit", **seconds, help="end after so long without work")
    work.add_argument("--timeout", **seconds, default=3600.0, help="a command's limit (3600)")
    work.add_argument("--poll", **seconds, default=5.0, help="between two looks for work (5)")
    work.add_argument("--cwd", metavar="DIR", default=".", help="where commands run")


def key_of(options: argparse.Namespace) -> str:
    """The key, from the file or the environment; raises EvoxctlError."""
    key = os.environ.get("EVOX_KEY", "")
    if options.key_file:
        try:
            key = Path(options.key_file).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise EvoxctlError(f"The key can't be read: {error}.", USAGE) from None
    key = key.strip()
    if not re.fullmatch(r"[!-~]*", key):
        raise EvoxctlError("The key holds characters that no key has.", USAGE)
    return key


def agent_of(options: argparse.Namespace) -> str:
    """Who calls; raises EvoxctlError when nobody is named."""
    agent = str(options.agent).strip().upper()
    if not agent:
        raise EvoxctlError("Say who you are: --agent NAME or EVOX_AGENT.", USAGE)
    return agent


def main() -> int:
    """Run one verb."""
    for stream in (sys.stdout, sys.stderr):
        getattr(stream, "reconfigure", dict)(errors="replace")
    options = parser().parse_args()
    try:
        options.agent = agent_of(options)
        server = Server(options.server, key_of(options))
        act: Callable[..., int] = options.act
        return act(server, Memory(server.url, options.agent), options)
    except EvoxctlError as error:
        print(f"evoxctl: {clean(error)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
