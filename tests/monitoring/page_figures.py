"""The numbers that a page with the fragment shows, as a reader finds them: by their headings."""

from __future__ import annotations

import re
from html import unescape

_FIGURE = re.compile(
    r'<div><dt><a href="[^"]*#(\w+)">[^<]*</a></dt><dd[^>]*>(.*?)</dd>'
    r'<dd class="def">(.*?)</dd></div>',
    re.DOTALL,
)
_PROMISE = re.compile(
    r'<tr><th scope="row"><a href="[^"]*#(\w+)">[^<]*</a></th><td data-label="Now"[^>]*>(.*?)</td>'
    r'<td data-label="Target">(.*?)</td><td data-label="Kept\?">(.*?)</td></tr>',
    re.DOTALL,
)
_AGENT = re.compile(
    r'<tr><th scope="row"><a href="/agents/([^"/]+)/?">.*?<td data-label="Availability"[^>]*>(.*?)'
    r'</td><td data-label="Errors"[^>]*>(.*?)</td>',
    re.DOTALL,
)


def text(html: str) -> str:
    """Without tags, a change against the stretch before, and runs of spaces."""
    bare = re.sub(r'<small class="change.*?</small>', " ", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", bare)).split())


def figures(html: str) -> dict[str, str]:
    """The four figures above, each with what stands under it."""
    return {key: f"{text(shown)} · {text(said)}" for key, shown, said in _FIGURE.findall(html)}


def promises(html: str) -> dict[str, tuple[str, str]]:
    """Each promise's value with its counts, and whether it is kept."""
    return {key: (text(now), text(mark)) for key, now, _, mark in _PROMISE.findall(html)}


def agents(html: str) -> dict[str, tuple[str, str]]:
    """Each agent's availability and errors."""
    return {name: (text(up), text(done)) for name, up, done in _AGENT.findall(html)}


def course(html: str) -> str:
    """What is said above the incidents; empty when nothing is."""
    found = re.search(r'id="evox-incidents">.*?</h2>\s*(<p class="next">.*?</p>)?', html, re.DOTALL)
    return text(found[1] or "") if found else ""


def links(html: str) -> set[str]:
    """The definitions that are linked from it."""
    return set(re.findall(r'href="/definitions/?#([^"]*)"', html))
