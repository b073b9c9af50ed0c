"""The command: fill, measure in turns, print a table of medians and ratios."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.queues import latency, pace, server, venv

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PLANS = {
    "P1": {"batch": 1, "systems": ("evox", "procrastinate", "chancy", "pgqueuer_bare")},
    "P2": {"batch": 10, "systems": ("evox", "pgqueuer", "pgqueuer_bare", "chancy")},
}
BACKLOG = {"P1": 12_000, "P2": 60_000}
"""Claimable rows at the begin of each round."""
GOALS = {("P1", "procrastinate"): 4.0, ("P1", "chancy"): 1.5, ("P2", "pgqueuer"): 1.5}

Figures = dict[tuple[str, str], list[dict[str, float]]]
"""What each round of a system found in each of the two comparisons."""


def main() -> int:
    options = _options()
    rounds, seconds = (2, 1.0) if options.quick else (options.rounds, options.seconds)
    python = venv.python_of_peers(options.venv)
    with server.fresh_server() as url:
        _print_setting(url, python)
        figures: Figures = {}
        bench = Bench(url, python, spared=options.spare_peers)
        for name in [name for name in PLANS if name in options.only]:
            for number in range(rounds):
                _round(bench, name, number, seconds, figures)
        met = _print_table(figures)
        if "latency" in options.only:
            finished = 50_000 if options.quick else 1_000_000
            met = latency.measure(server.database(url, "latency"), finished) and met
    return 0 if met else 1


class Bench:
    """Starts a system's driver, in a process of its own, on a database of its own."""

    def __init__(self, url: str, python: Path, *, spared: bool) -> None:
        self._python, self.url, self._spared = python, url, spared
        self._databases: dict[str, str] = {}
        self._environment = {**os.environ, pace.POSTMASTER: str(server.postmaster(url))}

    def drive(self, system: str, *arguments: object) -> dict[str, float]:
        if system not in self._databases:
            self._databases[system] = server.database(self.url, f"queue_{system}")
        script: list[object] = [self._python, HERE / f"drive_{system}.py"]
        if system == "evox":
            script = [sys.executable, "-m", "benchmarks.queues.drive_evox"]
        if self._spared and system != "evox" and arguments[0] == "fill":
            arguments = (*arguments, "spared")
        command = [str(part) for part in (*script, self._databases[system], *arguments)]
        run = subprocess.run(
            command,
            cwd=ROOT,
            env=self._environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        found: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
        return found


def _round(bench, name, number, seconds, figures) -> None:
    """Each system once, each time another one first."""
    systems, batch = PLANS[name]["systems"], PLANS[name]["batch"]
    turn = number % len(systems)
    for system in systems[turn:] + systems[:turn]:
        bench.drive(system, "fill", BACKLOG[name])
        server.settle(bench.url)
        found = bench.drive(system, "run", batch, seconds)
        if found["dry"]:
            raise SystemExit(f"{system} ran dry.")
        figures.setdefault((name, system), []).append(found)
        load = os.getloadavg()[0]
        print(
            f"{name} round {number + 1}: {system} {found['per_second']:,.0f}/s, of processor"
            f" {found['server_ms']:.3f} + {found['driver_ms']:.3f} ms each (load {load:.1f})",
            flush=True,
        )


def _print_table(figures: Figures) -> bool:
    print("\n|  | system | median a second | lowest–highest | rounds | ms: server | driver |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for (name, system), rounds in figures.items():
        seen = [found["per_second"] for found in rounds]
        spread = f"{min(seen):,.0f}–{max(seen):,.0f}"
        server_ms, driver_ms = (
            median(found[key] for found in rounds) for key in ("server_ms", "driver_ms")
        )
        print(
            f"| {name} | {system} | {median(seen):,.0f} | {spread} | {len(seen)}"
            f" | {server_ms:.3f} | {driver_ms:.3f} |"
        )
    print("\nms: processor time of one job, in PostgreSQL and in the process that drives it.\n")
    verdicts = [_met(figures, name, system) for name, system in figures if system != "evox"]
    return all(verdicts)


def _met(figures: Figures, name: str, peer: str) -> bool:
    """Print the ratio to a peer; whether its goal, if it has one, is met."""
    pairs = list(zip(figures[name, "evox"], figures[name, peer], strict=True))
    ratio = median(own["per_second"] / other["per_second"] for own, other in pairs)
    work = median(_processor(other) / _processor(own) for own, other in pairs)
    goal = GOALS.get((name, peer))
    word = "no goal" if goal is None else f"goal {goal}: {'met' if ratio >= goal else 'MISSED'}"
    print(
        f"{name}: evox / {peer} = {ratio:.2f} (median of rounds; {word});"
        f" work done by a second of processor: {work:.2f}"
    )
    return goal is None or ratio >= goal


def _processor(found: dict[str, float]) -> float:
    return found["server_ms"] + found["driver_ms"]


def _print_setting(url: str, python: Path) -> None:
    commit = _said("git", "rev-parse", "--short=12", "HEAD")
    changed = " with changes" if _said("git", "status", "--porcelain", "--", "*.py") else ""
    peers = venv.versions(python, *venv.PEERS, "psycopg", "asyncpg", "uvloop")
    own = venv.versions(Path(sys.executable), "django", "psycopg")
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit}{changed}")
    print(f"{_cpu()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}")
    print(f"Python {platform.python_version()}; EVOX: {_listed(own)}; peers: {_listed(peers)}")
    print(f"PostgreSQL: {_listed(server.described(url))}", flush=True)


def _listed(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in found.items())


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _said(*command: str) -> str:
    run = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    return run.stdout.strip()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queues", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="2 short rounds, a twentieth of the rows"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="the window of a round")
    parser.add_argument(
        "--spare-peers", action="store_true", help="no obstacles for the peers, all for EVOX"
    )
    parser.add_argument(
        "--only", nargs="+", default=["P1", "P2", "latency"], choices=["P1", "P2", "latency"]
    )
    kept = Path(tempfile.gettempdir()) / "evox-benchmark-peers"
    parser.add_argument("--venv", type=Path, default=kept, help="where the peers are installed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
