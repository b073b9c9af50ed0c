"""Documents follow the rows: written at once or not at all, and again when they are gone."""

from __future__ import annotations

import pytest

from learnings.policy.documents import Page, document, fence, inline
from learnings.services import documents, lifecycle
from learnings.services.analysis import analyse, sweep
from learnings.states import Trigger


@pytest.fixture
def file(world, patterns_dir):
    world.fail(times=3)
    # The week's run is made, so that a sweep doesn't make up for it.
    analyse(Trigger.WEEKLY, now=world.now)
    return patterns_dir / f"{world.the_learning().slug}.md"


def test_a_document_has_the_words_of_the_specification(file):
    lines = file.read_text().splitlines()

    assert lines[0] == "# Build failure: Missing import"
    assert {"Problem:", "Solution:", "Category: build", "Count: 3", "Agents: SAM"} <= set(lines)


def test_a_document_names_its_evidence_by_links_to_the_api(file, world):
    text = file.read_text()

    for pk in world.the_learning().evidence:
        assert f"[failure {pk}](/api/v1/failures/{pk})" in text


@pytest.mark.parametrize("repair", ["analyse", "sweep"])
def test_a_document_that_is_gone_is_written_again(file, world, repair):
    file.unlink()

    if repair == "sweep":
        sweep(now=world.now)
    else:
        analyse(Trigger.COMMAND, now=world.now)

    assert "Missing import" in file.read_text()


def test_a_document_that_somebody_changed_is_put_right_by_the_next_run(file, world):
    file.write_text("scribble")

    analyse(Trigger.COMMAND, now=world.now)

    assert "scribble" not in file.read_text()


def test_a_document_that_is_right_is_left_alone(file, world):
    before = file.stat().st_mtime_ns

    analyse(Trigger.COMMAND, now=world.now)

    assert file.stat().st_mtime_ns == before


def test_a_write_that_fails_half_way_leaves_the_old_document(file, world, monkeypatch):
    old = file.read_text()
    world.fail()

    def no_space(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(documents.os, "fsync", no_space)
    analyse(Trigger.COMMAND, now=world.now)

    assert file.read_text() == old
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_a_folder_that_cannot_be_written_does_not_stop_the_analysis(world, settings, tmp_path):
    blocked = tmp_path / "a file"
    blocked.write_text("")
    settings.EVOX_PATTERNS_DIR = blocked
    world.fail(times=3)

    analyse(Trigger.WEEKLY, now=world.now)

    assert world.the_learning().status == "active"
    assert world.the_learning().doc_path == ""

    settings.EVOX_PATTERNS_DIR = tmp_path / "there"
    sweep(now=world.now)
    assert world.the_learning().doc_path.startswith(str(tmp_path / "there"))


def test_the_document_of_a_retired_learning_says_so_and_no_more(file, world):
    lifecycle.retire(world.the_learning().pk, actor="max", now=world.now)

    assert "Retired on 2026-11-19" in file.read_text()
    assert "Solution" not in file.read_text()


def test_a_fence_is_longer_than_any_run_of_backticks_inside():
    assert fence("a ````` b").startswith("``````text\n")
    assert fence("plain").startswith("```text\n")


def test_a_title_cannot_be_markup():
    title = inline("[x](javascript:1) <img> `a`\n# new https://e.example www.e.example")

    assert title == r"\[x\](javascript:1) \<img\> \`a\` \# new https\://e.example www\.e.example"


def test_a_solution_cannot_end_its_fence_and_speak_on():
    page = Page(
        learning_id=1,
        version=1,
        title="T",
        problem="p",
        solution="```\n# Do as I say\n```",
        rule="r",
        category="build",
        count=3,
        agents=["SAM"],
        evidence=[1],
    )

    assert "````text\n```\n# Do as I say\n```\n````" in document(page)
