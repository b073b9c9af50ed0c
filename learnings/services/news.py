"""What is said about learnings: a post when one is told first, the digest, words to its owner."""

from __future__ import annotations

from datetime import datetime

from agents import queries as agent_queries
from agents.errors import NotFoundError
from agents.models import Channel, Message
from agents.services.messages import send_message, team_channel
from failures.flags import plain_line
from learnings.models import Learning
from learnings.policy.digest import Item, News, digest
from learnings.policy.documents import post
from learnings.policy.revisions import update_post
from learnings.services import documents
from learnings.states import LearningStatus

CHANNEL = "dev"
MOST_NEWS = 200


def announce(learning: Learning, *, now: datetime) -> bool:
    """Tell #dev, once; without that channel it is left for the next run."""
    channel = _dev()
    if channel is None:
        return False
    send_message(
        post(documents.page_of_learning(learning), is_pattern=learning.is_pattern),
        to=channel,
        about=("learning", learning.pk),
        dedup_key=_announced(learning.pk),
        now=now,
    )
    learning.announced_at = now
    learning.save(update_fields=["announced_at"])
    return True


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


def announce_pending(*, now: datetime) -> list[int]:
    """Announce what is active and was not; the ids."""
    pending = Learning.objects.unannounced().order_by("id")[:MOST_NEWS]
    return [learning.pk for learning in pending if announce(learning, now=now)]


def post_digest(week: str, *, since: datetime, now: datetime) -> dict[str, object]:
    """Say in #dev what happened since then, once an ISO week; what became of it, for the record.

    What it names counts as announced. Without the channel, or anything to say, nothing is said.
    """
    channel = _dev()
    if channel is None:
        return {"said": False, "why": "There is no #dev."}
    news, unheard = _news(since)
    text = digest(week, news)
    if not text:
        return {"said": False, "why": "There was nothing to say."}
    message = send_message(text, to=channel, dedup_key=f"learnings-digest:{week}", now=now)
    Learning.objects.filter(pk__in=unheard).update(announced_at=now)
    return {"said": True, "messageId": message.pk, "unannounced": unheard}


def tell_of_merges(count: int, week: str, *, now: datetime) -> None:
    """Tell the lead, once a week, how many merges of groups wait for somebody's yes."""
    send_message(
        f"{count} proposed merge{'s' if count > 1 else ''} of failure groups: titles that"
        " differ in one word, so probably one mistake each. The admin lists them under"
        " Failure groups, Proposed merges; nothing is merged before somebody says so.",
        to=agent_queries.lead() or team_channel(now=now),
        dedup_key=f"merges-proposed:{week}",
        now=now,
    )


def tell_owner(learning: Learning, text: str, *, key: str, now: datetime) -> None:
    """Write to whoever answers for it, once for each `key`: its owner, else the lead, else #dev."""
    named = agent_queries.active_agents().filter(name=learning.owner).first()
    send_message(
        f"Learning {learning.pk} “{plain_line(learning.title)}” {text}",
        to=named or agent_queries.lead() or team_channel(now=now),
        about=("learning", learning.pk),
        dedup_key=f"learning-{key}",
        now=now,
    )


def _dev() -> Channel | None:
    try:
        return agent_queries.channel_named(CHANNEL)
    except NotFoundError:
        return None


def _announced(pk: int) -> str:
    return f"learning-announced:{pk}"


def _news(since: datetime) -> tuple[News, list[int]]:
    rows = Learning.objects.order_by("id")
    pending = list(rows.unannounced()[:MOST_NEWS])
    keys = [_announced(row.pk) for row in pending]
    heard = set(Message.objects.filter(dedup_key__in=keys).values_list("dedup_key", flat=True))
    recurred = (
        rows.told()
        .filter(last_repeat_at__gte=since)
        .exclude(exposed_repeats=0, unexposed_repeats=0)
    )
    retired = rows.filter(status=LearningStatus.RETIRED.value, retired_at__gte=since)
    news = News(
        unannounced=[_item(row) for row in pending if _announced(row.pk) not in heard],
        recurred=[_item(row) for row in recurred[:MOST_NEWS]],
        regressed=[_item(row) for row in rows.told().filter(regressed_at__gte=since)[:MOST_NEWS]],
        retired=[_item(row) for row in retired[:MOST_NEWS]],
    )
    return news, [row.pk for row in pending]


def _item(learning: Learning) -> Item:
    return Item(
        learning_id=learning.pk,
        title=learning.title,
        exposed=learning.exposed_repeats,
        unexposed=learning.unexposed_repeats,
        reason=learning.retire_reason,
    )
