"""What is said about learnings to all: a post when one is told first, and the digest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db.models import QuerySet

from agents import queries as agent_queries
from agents.errors import NotFoundError
from agents.models import Channel, Message
from agents.services.messages import Words, send_message, send_messages, team_channel
from learnings.models import Learning
from learnings.policy.digest import Item, News, digest, many
from learnings.policy.documents import post
from learnings.policy.record import MOST_KEPT
from learnings.policy.revisions import update_post
from learnings.services import documents
from learnings.states import LearningStatus

CHANNEL = "dev"
MOST_POSTS = 10
"""New learnings that have a post of their own in one look; more would flood the channel."""
MOST_NEWS = 10_000


def announce(learning: Learning, *, now: datetime) -> None:
    """Tell #dev, once; without that channel it is left for the next run."""
    if (channel := _dev()) is not None:
        _say([learning.pk], [], channel, now)


def announce_pending(*, now: datetime) -> list[int]:
    """Announce what is active and was not, however much it is; the ids.

    The most frequent have a post of their own, all others one together.
    """
    channel = _dev()
    if channel is None:
        return []
    pending, unheard = _pending()
    _say(unheard[:MOST_POSTS], unheard[MOST_POSTS:], channel, now)
    _note(pending, now)
    return pending


def announce_made(made: Collection[int], *, now: datetime) -> list[int]:
    """Give the most frequent of these a post of their own; the ids. The digest names the rest."""
    channel = _dev()
    if channel is None or not made:
        return []
    _, unheard = _pending()
    own = [pk for pk in unheard if pk in made][:MOST_POSTS]
    _say(own, [], channel, now)
    return own


def announce_revision(learning: Learning, *, now: datetime) -> None:
    """Tell #dev what it says from its version on, once."""
    channel = _dev()
    if channel is not None:
        send_message(
            update_post(documents.page_of_learning(learning)),
            to=channel,
            about=("learning", learning.pk),
            dedup_key=f"learning-revised:{learning.pk}:{learning.version}",
            now=now,
        )


def post_digest(week: str, *, since: datetime, now: datetime) -> dict[str, object]:
    """Say in #dev what happened since then, once an ISO week; what became of it, for the record.

    What it names counts as announced. Without the channel, or anything to say, nothing is said.
    """
    channel = _dev()
    if channel is None:
        return {"said": False, "why": "There is no #dev."}
    pending, unheard = _pending()
    text = digest(week, _news(since, unheard))
    if not text:
        return {"said": False, "why": "There was nothing to say."}
    message = send_message(text, to=channel, dedup_key=f"learnings-digest:{week}", now=now)
    _note(pending, now)
    return {"said": True, "messageId": message.pk, "unannounced": pending[:MOST_KEPT]}


def tell_of_merges(count: int, week: str, *, now: datetime) -> None:
    """Tell the lead, once a week, how many merges of groups wait for somebody's yes."""
    send_message(
        f"{count} proposed merge{'s' if count > 1 else ''} of failure groups: titles that"
        " differ in one word, so probably one mistake each. The admin lists them under"
        " Failure groups, Proposed merges; nothing is merged before somebody says so.",
        to=agent_queries.lead(now=now) or team_channel(now=now),
        dedup_key=f"merges-proposed:{week}",
        now=now,
    )


def _dev() -> Channel | None:
    try:
        return agent_queries.channel_named(CHANNEL)
    except NotFoundError:
        return None


def _announced(pk: int) -> str:
    return f"learning-announced:{pk}"


def _pending() -> tuple[list[int], list[int]]:
    """Ids of what is active and not noted as announced, the most frequent first.

    And of these what #dev really hasn't heard of.
    """
    rows = Learning.objects.unannounced().order_by("-count", "id")
    ids = list(rows.values_list("id", flat=True)[:MOST_NEWS])
    keys = {_announced(pk): pk for pk in ids}
    said = Message.objects.filter(dedup_key__in=list(keys)) if keys else Message.objects.none()
    heard = set(said.values_list("dedup_key", flat=True))
    return ids, [pk for key, pk in keys.items() if key not in heard]


def _say(own: Sequence[int], together: Sequence[int], channel: Channel, now: datetime) -> None:
    """A post for each of `own`, and one for all that are named `together`."""
    said = [
        Words(
            text=post(documents.page_of_learning(row), is_pattern=row.is_pattern),
            to=channel,
            about=("learning", row.pk),
            dedup_key=_announced(row.pk),
        )
        for row in Learning.objects.filter(pk__in=own).prefetch_related("measurements")
    ]
    if together:
        ids = f"{min(together)}-{max(together)}:{len(together)}"
        text = many(_items(Learning.objects.filter(pk__in=together).order_by("-count", "id")))
        said.append(Words(text=text, to=channel, dedup_key=f"learnings-announced:{ids}"))
    send_messages(said, now=now)
    _note(own, now)


def _note(announced: Sequence[int], now: datetime) -> None:
    if announced:
        Learning.objects.filter(pk__in=announced).update(announced_at=now)


def _news(since: datetime, unheard: Sequence[int]) -> News:
    rows = Learning.objects.order_by("id")
    recurred = (
        rows.told()
        .filter(last_repeat_at__gte=since)
        .exclude(exposed_repeats=0, unexposed_repeats=0)
    )
    retired = rows.filter(status=LearningStatus.RETIRED.value, retired_at__gte=since)
    return News(
        unannounced=_items(rows.filter(pk__in=unheard).order_by("-count", "id")),
        recurred=_items(recurred),
        regressed=_items(rows.told().filter(regressed_at__gte=since)),
        retired=_items(retired),
    )


def _items(rows: QuerySet[Learning]) -> list[Item]:
    found = rows.values_list("id", "title", "exposed_repeats", "unexposed_repeats", "retire_reason")
    return [
        Item(learning_id=pk, title=title, exposed=exposed, unexposed=unexposed, reason=reason)
        for pk, title, exposed, unexposed, reason in found[:MOST_NEWS]
    ]
