"""Pattern documents: files that follow the rows, and are repaired when they don't.

They are written after the rows are committed. What failed, or was deleted since, is written again
by the next run or sweep.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from learnings.models import Learning
from learnings.policy.documents import Page, document
from learnings.policy.effect_words import said_of
from learnings.services.effects import latest
from learnings.states import LearningStatus

logger = logging.getLogger(__name__)
READABLE = 0o644


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
    file = _path(learning.slug)
    if learning.status == LearningStatus.RETIRED and not file.exists():
        return False  # Nothing is left that would have to say so.
    try:
        written = _write(file, document(page_of_learning(learning)))
    except OSError:
        logger.exception("The document of learning %s could not be written.", learning.pk)
        return False
    shown = _shown_path(file)
    if learning.doc_path != shown:
        learning.doc_path = shown
        learning.save(update_fields=["doc_path"])
    return written


def publish_all(only: Collection[int] | None = None) -> int:
    """Bring the files of all published learnings, or `only` these, up to date.

    Returns how many were written.
    """
    published = Learning.objects.filter(published_at__isnull=False).order_by("id")
    if only is not None:
        published = published.filter(pk__in=only)
    rows = published.prefetch_related("measurements").iterator(chunk_size=500)
    return sum(publish(learning) for learning in rows)


def repair_missing() -> int:
    """Write the files that are told of but don't exist; how many."""
    told = Learning.objects.told().values_list("id", "slug", "doc_path")
    missing = [pk for pk, slug, path in told if not path or not _path(slug).exists()]
    return sum(publish(learning) for learning in Learning.objects.filter(id__in=missing))


def _path(slug: str) -> Path:
    folder: Path = settings.EVOX_PATTERNS_DIR
    return folder / f"{slug}.md"


def _shown_path(file: Path) -> str:
    if file.is_relative_to(settings.BASE_DIR):
        file = file.relative_to(settings.BASE_DIR)
    return str(file)[:500]


def _write(file: Path, text: str) -> bool:
    """Replace `file` at once: whoever reads it sees the old text or the new one."""
    with suppress(FileNotFoundError, UnicodeDecodeError):
        if file.read_text(encoding="utf-8") == text:
            return False
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
    return True
