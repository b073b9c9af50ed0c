"""Nothing grows without end and nothing waits for ever."""

from __future__ import annotations

import importlib.util
import json
import sys
import time

import pytest

from tests.rollback.world import BAD, TOOL


@pytest.fixture
def tool():
    """The tool as a module."""
    spec = importlib.util.spec_from_file_location("evox_rollback_under_test", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def inside(world, monkeypatch):
    """The world's repository as the current folder."""
    monkeypatch.chdir(world.top)
    for name in ("EVOX_URL", "EVOX_KEY"):
        monkeypatch.delenv(name, raising=False)
    return world


def test_a_green_verdict_counts_for_a_day(world):
    for hours, builds in ((23, 2), (25, 3)):
        world.counted.write_text("")
        for file in (world.top / ".git/evox/verdicts").iterdir():
            kept = json.loads(file.read_text())
            file.write_text(json.dumps(kept | {"at": time.time() - 3600 * hours}))
        world.commit("Break it", a_txt=BAD + str(hours))
        assert world.builds() == builds
    assert world.kinds() == ["rolled_back", "rolled_back"]


def test_a_verdict_that_is_torn_is_as_good_as_none(world):
    for file in (world.top / ".git/evox/verdicts").iterdir():
        file.write_text('{"state": "pass"')
    world.commit("Break it", a_txt=BAD)
    assert world.builds() == 3
    assert world.kinds() == ["rolled_back"]


def test_its_own_reverts_are_never_judged(world):
    world.commit(f"Revert it\n\nEvox-Rollback-Of: {world.head}", a_txt=BAD)
    assert world.builds() == 0
    assert world.reverted() == []


def test_the_spool_has_an_end(world):
    spool = world.top / ".git/evox/spool"
    spool.mkdir()
    for number in range(1_050):
        (spool / f"{number:015d}-{number:040d}.json").write_text("{}")
    world.env["EVOX_URL"] = "http://127.0.0.1:1"
    world.commit("Break it", a_txt=BAD)
    kept = [file.name for file in spool.iterdir()]
    assert len(kept) == 1_000
    assert any(json.loads((spool / name).read_text()) for name in kept)


def test_a_flush_has_an_end(inside, tool, monkeypatch):
    monkeypatch.setattr(tool, "FLUSH_SECONDS", -1.0)
    inside.git("config", "evox.server", inside.server.url)
    inside.write(".git/evox/spool/1-x.json", json.dumps({"idempotencyKey": "x", "kind": "k"}))
    repo = tool.Repo()
    assert "takes too long" in tool.Spool(repo).flush(tool.Config(repo))
    assert inside.kinds() == []
    monkeypatch.setattr(tool, "FLUSH_SECONDS", 9.0)
    assert tool.Spool(repo).flush(tool.Config(repo)) == ""
    assert inside.kinds() == ["k"]


def test_old_verdicts_go(tool, tmp_path):
    for number in range(30):
        (tmp_path / str(number)).write_text("")
    assert tool.keep_newest(tmp_path, 10) == 20
    assert len(list(tmp_path.iterdir())) == 10


def test_a_hook_that_hangs_is_ended(world):
    world.unseen("Break it", a_txt=BAD)
    world.git("config", "evox.rollback.budget", "6")
    run = "import sys; sys.path.insert(0, '.git/evox'); import rollback as r; "
    run += "r.WATCHDOG_SECONDS, r.RESERVE_SECONDS = 1, 0"
    began = time.monotonic()
    world.run(
        *(sys.executable, "-I", "-c", f"{run}; r.main(['post-commit'])"),
        EVOX_ROLLBACK_AT="locked:exec sleep 100",
    )
    assert 6 < time.monotonic() - began < 60
    assert "not judged: SIGALRM" in world.said
    assert world.reverted() == []


def test_a_build_whose_daemon_never_stops_talking_ends_with_its_shell(world):
    world.command("yes & exit 0")
    began = time.monotonic()
    world.commit(a_txt="fine\n")
    assert time.monotonic() - began < 60
    assert world.kinds() == []


def test_the_same_revert_on_two_branches_has_two_keys(inside, tool):
    config = tool.Config(tool.Repo())
    about = {"repository": "r", "originalCommit": "a" * 40, "revertCommit": "b" * 40}
    keys = {
        tool.make_report(config, "rolled_back", ("t", "m"), about | more)["idempotencyKey"]
        for more in ({"branch": "main"}, {"branch": "other"}, {"branch": "main"})
    }
    assert len(keys) == 2
