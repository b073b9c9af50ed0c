"""Pattern documents: files that follow the rows, and are repaired when they don't.

They are written after the rows are committed. What failed, or was deleted since, is written again
by the next run or sweep.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.conf import settings
from django.db import connection

from learnings.models import Learning
from learnings.policy.documents import Page, document
from learnings.policy.effect_words import said_of
from learnings.services.effects import latest
from learnings.services.parts import AT_ONCE, Watch, nobody, parts
from learnings.states import LearningStatus

logger = logging.getLogger(__name__)
READABLE = 0o644
WRITERS = 8
"""Files that are written at a time: eight take a fifth of the time of one after the other."""

_MOVED = """
UPDATE learnings_learning l SET doc_path = said.path
FROM unnest(%s::bigint[], %s::text[]) AS said (id, path) WHERE l.id = said.id
"""


def page_of_learning(learning: Learning) -> Page:
    """What a learning's document and post say."""
    return Page(
        learning_id=learning.pk,
        version=learning.version,
        title=learning.title,
        problem=learning.problem,
        solution=learning.solution,
        rule=learning.rule,
        category=learning.category,
        count=learning.count,
        agents=learning.agents,
        evidence=sorted(learning.evidence),
        template_only=learning.template_only,
        effect=said_of(measured) if (measured := latest(learning)) else (),
        retired_at=learning.retired_at,
    )


def publish(learning: Learning) -> bool:
    """Bring the learning's file up to date; whether it had to be written. Never raises OSError."""
    return bool(_publish([learning]))


def publish_all(only: Collection[int] | None = None, *, watch: Watch = nobody) -> int:
    """Bring the files of all published learnings, or `only` these, up to date.

    Returns how many were written.
    """
    published = Learning.objects.filter(published_at__isnull=False).order_by("id")
    if only is not None:
        published = published.filter(pk__in=only)
    rows = published.prefetch_related("measurements").iterator(chunk_size=AT_ONCE)
    written, done, of = 0, 0, published.count()
    for some in parts(rows):
        written += _publish(some)
        done += len(some)
        watch("Documents", done, of)
    return written


def repair_missing() -> int:
    """Write the files that are told of but don't exist; how many."""
    told = Learning.objects.told().values_list("id", "slug", "doc_path")
    missing = [pk for pk, slug, path in told if not path or not _path(slug).exists()]
    return publish_all(only=missing) if missing else 0


def _publish(learnings: Sequence[Learning]) -> int:
    texts = {row.pk: text for row in learnings if (text := _text(row)) is not None}
    stale = [row for row in learnings if row.pk in texts and not _says(row, texts[row.pk])]
    # A disk forces several files down in the time of one.
    with ThreadPoolExecutor(max(1, min(WRITERS, len(stale)))) as pool:
        done = list(pool.map(lambda row: _write(row, texts[row.pk]), stale))
    failed = {row.pk for row, written in zip(stale, done, strict=True) if not written}
    moved = [row for row in learnings if row.pk in texts.keys() - failed and _is_elsewhere(row)]
    for row in moved:
        row.doc_path = _shown_path(_path(row.slug))
    if moved:
        with connection.cursor() as cursor:
            cursor.execute(_MOVED, [[row.pk for row in moved], [row.doc_path for row in moved]])
    return sum(done)


def _text(learning: Learning) -> str | None:
    if learning.status == LearningStatus.RETIRED and not _path(learning.slug).exists():
        return None  # Nothing is left that would have to say so.
    return document(page_of_learning(learning))


def _says(learning: Learning, text: str) -> bool:
    try:
        return _path(learning.slug).read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False


def _is_elsewhere(learning: Learning) -> bool:
    return learning.doc_path != _shown_path(_path(learning.slug))


def _path(slug: str) -> Path:
    folder: Path = settings.EVOX_PATTERNS_DIR
    return folder / f"{slug}.md"


def _shown_path(file: Path) -> str:
    if file.is_relative_to(settings.BASE_DIR):
        file = file.relative_to(settings.BASE_DIR)
    return str(file)[:500]


def _write(learning: Learning, text: str) -> bool:
    try:
        _replace(_path(learning.slug), text)
    except OSError:
        logger.exception("The document of learning %s could not be written.", learning.pk)
        return False
    return True


def _replace(file: Path, text: str) -> None:
    """Whoever reads `file` sees the old text or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.stem}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        temporary.chmod(READABLE)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
