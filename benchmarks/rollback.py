"""Measure what the Git hook costs: on a good commit, and on a bad one until it is reported.

    python -m benchmarks.rollback [commits]

Every round makes one bare commit and one with the hook, whose build is `true`, in turn and in
repositories alike (20 files), so that both see the same machine. A bad commit's time is from
`git commit` to the report's arrival at a server in this process, less its two builds.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.rollback.world import Recorder, World

GOOD_GOAL_MS, BAD_GOAL_MS = 120, 300
FILES = 20


def repository(folder: Path, recorder: Recorder) -> World:
    folder.mkdir()
    world = World(folder, recorder)
    for number in range(FILES):
        world.write(f"file-{number}.txt", f"{number}\n" * 20)
    world.git("add", ".")
    world.unseen("Files")
    world.env["EVOX_ROLLBACK_MAX_PER_HOUR"] = "10000"
    return world


def milliseconds(act: Callable[[], object]) -> tuple[float, float]:
    """What passed, and what the processors worked for it; the second knows no other load."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    act()
    passed, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1000 * passed, 1000 * worked


def good(bare: World, hooked: World, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds of bare commits and of those with the hook, in turn."""
    found: dict[str, list[tuple[float, float]]] = {"bare": [], "hooked": []}
    hooked.command("true")
    for number in range(rounds):
        order = [("bare", bare), ("hooked", hooked)]
        for name, world in order if number % 2 else reversed(order):
            world.write("a.txt", f"{number}\n")
            found[name].append(milliseconds(lambda w=world: w.git("commit", "-qam", "Change")))
    return found


def bad(world: World, rounds: int) -> list[float]:
    """Milliseconds from `git commit` to the report's arrival, less what the two builds took."""
    seconds = 0.2
    world.command(f"grep -q BROKEN a.txt || exit 0; sleep {seconds}; exit 1")
    world.write("a.txt", "fine\n")
    world.git("commit", "-qam", "Fine")
    found = []
    for number in range(rounds):
        heard = len(world.server.heard)
        world.write("a.txt", f"BROKEN {number}\n")
        took, _ = milliseconds(lambda: world.git("commit", "-qam", "Break it"))
        assert len(world.server.heard) == heard + 1
        assert world.server.heard[-1]["kind"] == "rolled_back"
        arrived = 1000 * (world.server.at[-1] - time.perf_counter())
        found.append(took + arrived - 2000 * seconds)
    return found


def spread(values: list[float]) -> str:
    ordered = sorted(values)
    return (
        f"median {statistics.median(ordered):4.0f} ms, "
        f"quartiles {ordered[len(ordered) // 4]:.0f} to {ordered[len(ordered) * 3 // 4]:.0f} ms"
    )


def main(rounds: int) -> int:
    recorder = Recorder()
    with tempfile.TemporaryDirectory(prefix="evox-bench-") as name:
        bare = repository(Path(name, "bare"), recorder)
        for hook in (bare.top / ".git" / "hooks").glob("post-*"):
            hook.unlink()
        hooked = repository(Path(name, "hooked"), recorder)
        good(bare, hooked, 5)
        found = good(bare, hooked, rounds)
        more = bad(hooked, max(rounds // 3, 3))
    recorder.stop()
    over = [
        tuple(h - b for b, h in zip(*pair, strict=True))
        for pair in zip(found["bare"], found["hooked"], strict=True)
    ]
    print(f"{rounds} rounds in turn, load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores")
    print(f"bare commit        {spread([passed for passed, _ in found['bare']])}")
    print(f"with the hook      {spread([passed for passed, _ in found['hooked']])}")
    print(f"overhead           {spread([passed for passed, _ in over])}  (goal {GOOD_GOAL_MS})")
    print(f"  of it, work      {spread([worked for _, worked in over])}")
    print(f"bad, less 2 builds {spread(more)}  (goal {BAD_GOAL_MS})")
    middle = statistics.median(passed for passed, _ in over)
    within = middle <= GOOD_GOAL_MS and statistics.median(more) <= BAD_GOAL_MS
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 60))
