"""A team with a day behind it, made by the real services at instants that they are told."""

from __future__ import annotations

from datetime import datetime, timedelta

from agents.models import Agent, Dispatch
from agents.services.agents import record_heartbeat, seed_team, touch_agent
from agents.services.claim_rows import Claimed
from agents.services.dispatches import NewDispatch, create_dispatch
from agents.services.records import beat
from agents.states import AgentStatus
from failures.states import ErrorType
from recovery.services import claims, reports
from recovery.services.outcomes import FailureTerms
from recovery.services.sweeps import sweep


class World:
    """Short words for what agents do."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        seed_team(now=now - timedelta(days=9))

    def agent(self, name: str) -> Agent:
        return Agent.objects.get(name=name)

    def queue(self, title: str, *, ago: float, **fields: object) -> Dispatch:
        """A dispatch made `ago` minutes ago."""
        new = NewDispatch(title=title, command=f"run {title}", **fields)
        return create_dispatch(new, actor="MAX", now=self.at(ago))

    def at(self, ago: float) -> datetime:
        return self.now - timedelta(minutes=ago)

    def claim(self, name: str, dispatch: Dispatch, *, ago: float) -> Claimed:
        """`name` takes that dispatch, whose retry may be due."""
        sweep(now=self.at(ago))
        agent = self.agent(name)
        Dispatch.objects.filter(pk=dispatch.pk).update(agent=None, agent_until=None)
        touch_agent(agent, now=self.at(ago))
        lease = timedelta(minutes=30)
        [claimed] = claims.claim_work(agent, only=dispatch.pk, lease=lease, now=self.at(ago))
        return claimed

    def fail(
        self, name: str, dispatch: Dispatch, message: str, *, ago: float, retryable: bool = True
    ) -> None:
        """`name` takes it and fails a minute later."""
        claimed = self.claim(name, dispatch, ago=ago)
        report = reports.FailureReport(
            error_type=ErrorType.TEST, message=message, terms=FailureTerms(retryable=retryable)
        )
        reports.fail_dispatch(
            dispatch.pk, claimed.attempt.claim, report, by=None, now=self.at(ago - 0.5)
        )

    def complete(self, name: str, dispatch: Dispatch, *, ago: float) -> None:
        """`name` takes it and it works."""
        claimed = self.claim(name, dispatch, ago=ago)
        reports.complete_dispatch(
            dispatch.pk, claimed.attempt.claim, by=None, now=self.at(ago - 0.4)
        )

    def block(self, name: str, dispatch: Dispatch, why: str, *, ago: float) -> None:
        """`name` takes it and needs a person."""
        claimed = self.claim(name, dispatch, ago=ago)
        reports.block_dispatch(
            dispatch.pk, claimed.attempt.claim, reason=why, by=None, now=self.at(ago - 0.5)
        )

    def seen(self, name: str, *, ago: float = 0.1, status: AgentStatus | None = None) -> None:
        """A sign of life."""
        record_heartbeat(self.agent(name), status=status, session=None, now=self.at(ago))

    def swept(self, *, ago: float = 0.1) -> None:
        """EVOX did its round."""
        beat("sweeper", now=self.at(ago))


MISSING = "ModuleNotFoundError: No module named 'stripe_v7'"
PORT = "OSError: [Errno 98] Address already in use: ('127.0.0.1', 8765)"
ASSERTION = "FAILED tests/test_invoice.py::test_total - AssertionError: assert 1190 == 1200"


def busy_day(now: datetime) -> World:
    """Many quiet successes, some retries that worked, one that gave up, one blocked, one silent."""
    world = World(now)
    for n in range(24):
        name = ("SAM", "LEO", "ALEX")[n % 3]
        work = world.queue(f"Compile package {n + 1}", ago=900 - n * 20, ticket_id=f"AGT-{300 + n}")
        if n % 5 == 2:
            world.fail(name, work, f"{ASSERTION} in case {n}", ago=890 - n * 20)
            # Somebody got past this failure before, so it goes to somebody else.
            world.complete(("LEO", "ALEX", "SAM")[n % 3], work, ago=884 - n * 20)
        else:
            world.complete(name, work, ago=890 - n * 20)
    port = world.queue("Start the preview server", ago=120, ticket_id="AGT-340")
    world.fail("LEO", port, PORT, ago=118)
    world.fail("LEO", port, PORT, ago=112)
    world.complete("SAM", port, ago=100)
    gone = world.queue("Import the payment client", ago=100, ticket_id="AGT-341")
    for ago, name in ((98, "ALEX"), (92, "ALEX"), (80, "SAM"), (55, "LEO")):
        world.fail(name, gone, MISSING, ago=ago)
    blocked = world.queue("Deploy to staging", ago=40, ticket_id="AGT-342")
    world.block("ALEX", blocked, "The staging password has expired.", ago=38)
    silent = world.queue("Rebuild the search index", ago=20, ticket_id="AGT-343")
    world.claim("LEO", silent, ago=14)
    retrying = world.queue("Run the invoice tests", ago=6, ticket_id="AGT-344")
    world.fail("SAM", retrying, "AssertionError: an invoice without a line", ago=1.2)
    running = world.queue("Lint the API", ago=3, ticket_id="AGT-345")
    world.claim("SAM", running, ago=0.6)
    world.queue("Update the changelog", ago=2)
    world.seen("SAM")
    world.seen("ALEX", ago=0.3)
    world.seen("QUINN", ago=130)
    Agent.objects.filter(name="LEO").update(last_seen_at=world.at(9))
    world.swept()
    return world
