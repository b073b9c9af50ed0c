"""GitHub's REST, as far as it proves that no pull request was missed. It is only read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests

from recovery.policy_listing import Page, wait_after_limit

PER_PAGE = 100
MAX_PAGES = 50
"""5,000 open pull requests: more are not listed, and completeness is not claimed."""
TIMEOUT = (3.05, 10.0)
MAX_BYTES = 20 * 1024 * 1024
RENAMES = 3
VERSION = "2022-11-28"
NOT_MODIFIED, OK = 304, 200
LIMITED = {403, 429}


class GitHubError(Exception):
    """GitHub did not answer as it should; `wait` is how long it wants to be left alone."""

    def __init__(self, message: str, *, wait: timedelta | None = None) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The open pull requests: those of pages that changed, and the numbers of all."""

    pulls: list[dict[str, Any]]
    numbers: frozenset[int]
    pages: tuple[Page, ...]


class GitHub:
    """A session with one server, by a token that may read pull requests."""

    def __init__(self, base: str, token: str) -> None:
        self.base = base.rstrip("/") + "/"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update(
            {
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": VERSION,
                "Authorization": f"Bearer {token}",
                "User-Agent": "EVOX",
            }
        )

    def open_pulls(self, repository: str, known: tuple[Page, ...], *, now: datetime) -> Listing:
        """Every open pull request of `owner/name`; unchanged pages cost no rate limit.

        Raises GitHubError; then nothing is known.
        """
        by_url = {page.url: page for page in known}
        pulls: list[dict[str, Any]] = []
        pages: list[Page] = []
        url = urljoin(self.base, f"repos/{quote(repository)}/pulls")
        url += f"?state=open&sort=created&direction=asc&per_page={PER_PAGE}"
        while url:
            if len(pages) == MAX_PAGES:
                raise GitHubError(f"Over {MAX_PAGES * PER_PAGE} pull requests are open.")
            page, listed = self._page(url, by_url.get(url), now=now)
            pulls += listed
            pages.append(page)
            url = page.next_url
        numbers = frozenset(number for page in pages for number in page.numbers)
        return Listing(pulls=pulls, numbers=numbers, pages=tuple(pages))

    def pull(self, repository: str, number: int, *, now: datetime) -> dict[str, Any]:
        """One pull request, open or not. Raises GitHubError."""
        url = urljoin(self.base, f"repos/{quote(repository)}/pulls/{number:d}")
        status, _, body = self._get(url, "", now=now)
        if status != OK or not isinstance(body, dict):
            raise GitHubError(f"GitHub answered {status} for pull request {number}.")
        return body

    def _page(
        self, url: str, known: Page | None, *, now: datetime
    ) -> tuple[Page, list[dict[str, Any]]]:
        status, headers, body = self._get(url, known.etag if known else "", now=now)
        if status == NOT_MODIFIED and known is not None:
            return known, []
        if status != OK or not isinstance(body, list):
            raise GitHubError(f"GitHub answered {status} for the list of pull requests.")
        listed = [pull for pull in body if isinstance(pull, dict)]
        numbers = tuple(pull["number"] for pull in listed if isinstance(pull.get("number"), int))
        page = Page(
            url=url,
            etag=headers.get("ETag", ""),
            numbers=numbers,
            next_url=self._next(headers),
        )
        return page, listed

    def _next(self, headers: Any) -> str:
        links = requests.utils.parse_header_links(headers.get("Link", ""))
        for link in links:
            url = str(link.get("url", ""))
            # A page elsewhere would be handed the token.
            if link.get("rel") == "next" and _host(url) == _host(self.base):
                return url
        return ""

    def _get(self, url: str, etag: str, *, now: datetime) -> tuple[int, Any, Any]:
        headers = {"If-None-Match": etag} if etag else {}
        try:
            answer = self._ask(url, headers)
            for _ in range(RENAMES):
                target = urljoin(url, answer.headers.get("Location", ""))
                # A repository that was renamed, never another host: it would be handed the token.
                if not answer.is_redirect or _host(target) != _host(self.base):
                    break
                answer = self._ask(target, headers)
            with answer:
                return self._read(answer, now=now)
        except requests.RequestException as error:
            raise GitHubError(f"GitHub can't be reached ({type(error).__name__}).") from None

    def _ask(self, url: str, headers: dict[str, str]) -> requests.Response:
        return self.session.get(
            url, headers=headers, timeout=TIMEOUT, stream=True, allow_redirects=False
        )

    def _read(self, answer: requests.Response, *, now: datetime) -> tuple[int, Any, Any]:
        if answer.status_code in LIMITED:
            wait = wait_after_limit(answer.headers, now=now)
            raise GitHubError(f"GitHub limits us ({answer.status_code}).", wait=wait)
        if answer.status_code != OK:
            return answer.status_code, answer.headers, None
        try:
            return OK, answer.headers, json.loads(b"".join(_bounded(answer)))
        except ValueError:
            raise GitHubError("GitHub's answer is no JSON.") from None


def _bounded(answer: requests.Response) -> Iterator[bytes]:
    size = 0
    for chunk in answer.iter_content(64 * 1024):
        size += len(chunk)
        if size > MAX_BYTES:
            raise GitHubError(f"GitHub's answer is over {MAX_BYTES:,} bytes.")
        yield chunk


def _host(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
