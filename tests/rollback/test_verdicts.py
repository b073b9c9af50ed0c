"""What the hook finds of a commit, and what it does about it."""

from __future__ import annotations

from tests.rollback.world import case

BAD = "one\nBROKEN\nthree\n"


@case
def test_a_good_commit_stays(world):
    world.commit(a_txt="fine\n")
    assert world.reverted() == []
    assert world.kinds() == []
    assert world.builds() == 1
    world.is_clean()


@case
def test_a_bad_commit_is_reverted_and_reported(world):
    before = world.tree()
    bad = world.commit("Break it", a_txt=BAD)
    assert world.reverted() == [bad]
    assert world.tree() == before
    assert world.kinds() == ["rolled_back"]
    assert world.git("status", "--porcelain") == ""
    world.is_clean()


@case
def test_on_a_red_branch_nobody_innocent_is_reverted(world):
    world.commit("Break it unseen", "--no-verify", a_txt=BAD)
    world.git("reset", "-q", "--hard", world.made())
    world.server.heard.clear()
    world.commit("Only docs", b_txt="better\n")
    assert world.reverted() == []
    assert world.kinds() == ["base_already_broken"]
