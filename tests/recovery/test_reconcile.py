"""What never arrived is found by asking; what is known gets its review; and both are proved."""

from __future__ import annotations

import json
import re
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from agents.clock import db_now
from agents.models import AuditEntry, Dispatch
from agents.states import AgentRole
from failures.models import Incident
from failures.states import IncidentStatus
from monitoring.queries_reviews import review_figures
from recovery.models import PullRequest, Repository, ReviewHead, WebhookDelivery
from recovery.services import claims, operator, reconcile, reports
from tests.recovery.github import SECRET, deliver, pull_event, sha
from tests.recovery.world import hire, queue

DAY = timedelta(days=1)


class FakeGitHub(ThreadingHTTPServer):
    """Behaves like GitHub's REST for one repository: pages, ETags, limits, errors."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pulls: dict[int, dict[str, Any]] = {}
        self.page_size = 100
        self.fails: list[tuple[int, dict[str, str]]] = []
        self.asked: list[tuple[str, int]] = []
        self.renamed_from = ""
        self.tokens: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def has(self, number: int, **over: Any) -> dict[str, Any]:
        """A pull request as GitHub's REST shows it."""
        event = pull_event("opened", number=number, **over)
        repo = {"id": 42, "full_name": "octo/house"}
        pull = event["pull_request"] | {"number": number, "merged_at": None}
        pull["base"] = pull["base"] | {"repo": repo}
        pull["state"] = over.get("state", "open")
        self.pulls[number] = pull
        return pull


class _Handler(BaseHTTPRequestHandler):
    server: FakeGitHub

    def do_GET(self) -> None:
        self.server.tokens.add(self.headers.get("Authorization", ""))
        parts = urlsplit(self.path)
        if self.server.fails:
            status, headers = self.server.fails.pop(0)
            return self.answer(status, None, headers)
        if self.server.renamed_from and f"/{self.server.renamed_from}/" in parts.path:
            to = self.path.replace(self.server.renamed_from, "octo/house")
            return self.answer(301, None, {"Location": to})
        if found := re.fullmatch(r"/repos/octo/house/pulls/(\d+)", parts.path):
            pull = self.server.pulls.get(int(found[1]))
            return self.answer(200 if pull else 404, pull)
        if parts.path != "/repos/octo/house/pulls":
            return self.answer(404, None)
        return self.list_page(parse_qs(parts.query))

    def list_page(self, query: dict[str, list[str]]) -> None:
        page, size = int(query.get("page", ["1"])[0]), self.server.page_size
        shown = [p for _, p in sorted(self.server.pulls.items()) if p["state"] == "open"]
        rows = shown[(page - 1) * size : page * size]
        etag = f'"{hash(json.dumps(rows))}"'
        headers = {"ETag": etag}
        if page * size < len(shown):
            url = f"{self.server.url}/repos/octo/house/pulls?state=open&page={page + 1}"
            headers["Link"] = f'<{url}>; rel="next", <{url}>; rel="last"'
        if self.headers.get("If-None-Match") == etag:
            return self.answer(304, None, headers)
        return self.answer(200, rows, headers)

    def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        raw = b"" if body is None else json.dumps(body).encode()
        self.server.asked.append((self.path, status))
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def github(settings):
    """A server like GitHub's, which EVOX asks with a token."""
    server = FakeGitHub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings.GITHUB_API_URL, settings.GITHUB_TOKEN = server.url, "t0ken"
    settings.GITHUB_WEBHOOK_SECRET = SECRET
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def quinn(team):
    return hire("QUINN", role=AgentRole.REVIEWER)


def known_repository() -> Repository:
    """The repository that the webhook spoke of, due now."""
    repository, _ = Repository.objects.get_or_create(
        repository_id=42, defaults={"name": "octo/house", "next_check_at": db_now()}
    )
    Repository.objects.update(next_check_at=db_now() - timedelta(seconds=1))
    return repository


def list_again() -> Repository:
    """One round; returns how the repository stands after it."""
    known_repository()
    reconcile.reconcile(now=db_now())
    return Repository.objects.get()


def reviewed() -> dict[int, str]:
    """The commit of each pull request's live or ended review."""
    rows = Dispatch.objects.exclude(status="cancelled").values_list(
        "payload__prNumber", "payload__headSha"
    )
    return {number: head[0] for number, head in rows}


def test_what_was_never_delivered_is_queued_within_one_round(github, quinn):
    for number in range(1, 31):
        event = pull_event("opened", number=number)
        github.has(number)
        if number % 10 > 2:  # 30 % never arrive.
            assert deliver(event).status_code == 200
    assert len(reviewed()) == 21

    repository = list_again()

    assert reviewed() == dict.fromkeys(range(1, 31), "a")
    assert repository.proved_at is not None
    assert github.tokens == {"Bearer t0ken"}
    figures = review_figures(now=db_now(), window=DAY)
    assert (figures.eligible, figures.missed) == (30, 0)
    assert figures.by_source == {"webhook": 21, "reconcile": 9}


def test_pages_are_followed_and_unchanged_ones_cost_nothing(github, quinn):
    github.page_size = 4
    for number in range(1, 11):
        github.has(number)
    list_again()
    assert len(reviewed()) == 10
    github.asked.clear()

    list_again()

    assert [status for _, status in github.asked] == [304, 304, 304]
    github.has(11)
    list_again()
    assert len(reviewed()) == 11


def test_a_push_that_never_arrived_updates_the_waiting_review(github, quinn):
    deliver(pull_event("opened", number=7))
    github.has(7, head="b", at=60)

    list_again()

    assert reviewed() == {7: "b"}
    assert Dispatch.objects.count() == 1


def test_what_is_listed_no_more_is_looked_at_and_its_review_cancelled(github, quinn):
    deliver(pull_event("opened", number=7))
    github.has(7, state="closed", at=60)["merged"] = True

    list_again()

    assert Dispatch.objects.get().status == "cancelled"
    assert PullRequest.objects.get().state == "merged"


def test_a_listing_older_than_what_is_known_changes_nothing(github, quinn):
    deliver(pull_event("opened", number=7, at=60, head="b"))
    github.has(7, at=0, head="a")

    list_again()

    assert reviewed() == {7: "b"}


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (500, {}, 300),
        (404, {}, 300),
        (429, {"Retry-After": "90"}, 90),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"}, 3600),
        (403, {}, 60),
    ],
)
def test_when_github_will_not_answer_nothing_breaks_and_it_is_asked_later(
    github, quinn, status, headers, wait
):
    github.has(1)
    github.fails = [(status, headers)]
    now = db_now()

    repository = list_again()

    assert (repository.proved_at, repository.failures) == (None, 1)
    assert str(status) in repository.error
    assert abs((repository.next_check_at - now).total_seconds() - wait) < 5
    assert list_again().failures == 0
    assert reviewed() == {1: "a"}


def test_with_github_down_nothing_breaks_and_since_when_is_known(github, quinn, settings):
    github.has(1)
    proved = list_again().proved_at
    settings.GITHUB_API_URL = "http://127.0.0.1:9"

    repository = list_again()

    assert "can't be reached" in repository.error
    assert repository.proved_at == proved
    assert review_figures(now=db_now(), window=DAY).proved_at == proved


def test_an_error_on_the_second_page_proves_nothing(github, quinn):
    github.page_size = 2
    for number in range(1, 5):
        github.has(number)
    deliver(pull_event("opened", number=9))
    known_repository()
    first = github.asked.__len__

    class Second(list):
        def __bool__(self) -> bool:
            return first() >= 1

        def pop(self, index: int = 0) -> Any:
            return (500, {})

    github.fails = Second()
    repository = list_again()

    assert repository.proved_at is None
    assert Dispatch.objects.get(payload__prNumber=9).status == "pending"


def test_a_renamed_repository_is_followed_on_the_same_host_alone(github, quinn):
    github.renamed_from = "octo/shed"
    github.has(1)
    known_repository()
    Repository.objects.update(name="octo/shed")
    assert list_again().failures == 0

    github.renamed_from = ""
    github.fails = [(301, {"Location": "http://example.invalid/repos/octo/house/pulls"})]
    assert list_again().failures == 1


def test_without_a_token_nobody_is_asked_and_nothing_is_claimed(github, quinn, settings):
    settings.GITHUB_TOKEN = ""
    github.has(1)

    repository = list_again()

    assert github.asked == []
    assert repository.proved_at is None
    assert review_figures(now=db_now(), window=DAY).token is False


def test_a_pull_that_can_not_be_read_strands_no_other(github, quinn):
    github.has(1)["head"] = {"ref": "x"}
    github.has(2)

    list_again()

    assert reviewed() == {2: "a"}


def review(number: int = 7, **result: Any) -> None:
    """The reviewer takes a review and completes it."""
    now = db_now()
    quinn = Dispatch.objects.get(status="pending").agent
    [held] = claims.claim_work(quinn, now=now)
    reports.complete_dispatch(
        held.dispatch.pk, held.attempt.claim, result=result or None, by=None, now=now
    )


def test_a_review_of_an_older_commit_gets_one_follow_up(github, quinn):
    deliver(pull_event("opened", head="a"))
    deliver(pull_event("synchronize", head="b", at=5))
    review(reviewedSha=sha("a"))

    reconcile.cover_known(now=db_now())
    reconcile.cover_known(now=db_now())

    assert Dispatch.objects.filter(status="pending").count() == 1
    review(reviewedSha=sha("a"))
    reconcile.cover_known(now=db_now())
    assert not Dispatch.objects.filter(status="pending").exists(), "two of them are enough"


@pytest.mark.parametrize("said", [None, sha("b"), "nonsense", 7, ["a"]])
def test_a_review_of_the_newest_commit_or_of_nonsense_gets_none(github, quinn, said):
    deliver(pull_event("opened", head="a"))
    deliver(pull_event("synchronize", head="b", at=5))
    review(reviewedSha=said)

    reconcile.cover_known(now=db_now())

    assert not Dispatch.objects.filter(status="pending").exists()


def test_a_review_that_a_person_cancelled_is_not_queued_again(github, quinn):
    deliver(pull_event("opened"))
    operator.cancel_dispatch(Dispatch.objects.get().pk, actor="MAX", reason="No.", now=db_now())

    reconcile.cover_known(now=db_now())

    assert Dispatch.objects.count() == 1


def test_a_known_commit_without_a_review_gets_one(github, quinn):
    deliver(pull_event("opened"))
    ReviewHead.objects.all().update(dispatch=None, triggered_at=None, source="")
    WebhookDelivery.objects.all().delete()
    Dispatch.objects.all().delete()

    assert reconcile.cover_known(now=db_now()) == 1

    head = ReviewHead.objects.get()
    assert (head.source, head.dispatch) == ("reconcile", Dispatch.objects.get())


def test_a_draft_waits_until_it_is_ready_when_drafts_are_off(github, quinn, settings):
    settings.EVOX_REVIEW_DRAFTS = False
    deliver(pull_event("opened", draft=True))
    reconcile.cover_known(now=db_now())
    assert not Dispatch.objects.exists()
    assert not ReviewHead.objects.exists()

    deliver(pull_event("ready_for_review", at=5))
    assert Dispatch.objects.get().status == "pending"
    deliver(pull_event("converted_to_draft", draft=True, at=9))
    assert Dispatch.objects.get().status == "cancelled"


def test_no_reviewer_is_an_incident_until_somebody_has_it(github, team):
    deliver(pull_event("opened"))
    incident = Incident.objects.get(kind="no_reviewer")
    assert incident.status == IncidentStatus.OPEN

    assert claims.claim_work(team.leo, now=db_now())
    reconcile.settle_reviewers(now=db_now())

    incident.refresh_from_db()
    assert incident.resolution == "Somebody has it now."


def test_a_push_that_closes_a_ticket_completes_nothing_and_is_on_its_timeline(github, team):
    ours = queue("t", ticket_id="AGT-123")
    push = {
        "ref": "refs/heads/main",
        "repository": {"id": 42, "full_name": "octo/house"},
        "commits": [
            {"id": sha("c"), "message": "Closes AGT-123, and fixes AGT-9", "author": {"name": "o"}},
            {"id": sha("d"), "message": "Mentions AGT-123"},
            {"id": 7, "message": None},
            "nonsense",
        ],
    }

    answer = deliver(push, event="push").json()

    assert (answer["processed"], answer["note"]) == (True, "Linked to 1 dispatch.")
    entry = AuditEntry.objects.get(verb="push", subject_id=ours.pk)
    assert entry.data["commit"] == sha("c")
    assert Dispatch.objects.get(pk=ours.pk).status == "pending"
    assert deliver({"commits": "x"}, event="push").json()["processed"] is False


def test_latency_runs_from_githubs_clock_to_the_queued_review(github, quinn):
    deliver(pull_event("opened"))
    ReviewHead.objects.update(changed_at=db_now() - timedelta(seconds=3))
    ReviewHead.objects.update(triggered_at=db_now())

    figures = review_figures(now=db_now(), window=DAY)

    assert figures.p50 is not None
    assert 2.9 < figures.p50.total_seconds() < 4
