"""What `up` runs: EVOX's own processes as children to supervise."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evox import env
from evox.embedded.children import Child
from evox.embedded.processes import MARKER

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO_BACKOFF = "4,8,12"


@dataclass(frozen=True)
class Address:
    """Where the web listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Where a browser on this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def address() -> Address:
    """EVOX_HOST and EVOX_PORT. Ends the process with one line when they are nonsense."""
    host = env.text("EVOX_HOST", "127.0.0.1").strip("[]")
    return Address(host, env.integer("EVOX_PORT", 8000, minimum=1, maximum=65535))


def child_env(data_dir: Path, own: Mapping[str, str], *, demo: bool) -> dict[str, str]:
    """The environment of EVOX's processes: the caller's, `own`, and where this `up` is."""
    environment = {
        **os.environ,
        **own,
        MARKER: str(data_dir),
        "EVOX_DATA_DIR": str(data_dir),
        "EVOX_URL": address().url,
        "DJANGO_SETTINGS_MODULE": "evox.settings",
        "PYTHONUNBUFFERED": "1",
    }
    if demo:
        environment["EVOX_RETRY_BACKOFF"] = env.text("EVOX_RETRY_BACKOFF", DEMO_BACKOFF)
    return environment


def web(environment: Mapping[str, str], where: Address) -> Child:
    """The HTTP server: as many processes as there are cores, four at most."""
    workers = min(4, max(2, os.cpu_count() or 2))
    command = ("granian", "--interface", "wsgi", "--host", where.host, "--port", str(where.port))
    # A caller that sends its body slowly holds a thread meanwhile, so there are many.
    tuning = ("--workers", str(workers), "--blocking-threads", "16", "--respawn-failed-workers")
    # A signal that comes while its processes start would be lost on them.
    ending = ("--workers-kill-timeout", "3")
    return _python("web", environment, *command, *tuning, *ending, "evox.wsgi:application")


def worker(environment: Mapping[str, str]) -> Child:
    """Celery's worker. What it is cut off from by a stop is swept up by the next run."""
    options = ("--loglevel", "INFO", "--concurrency", "2", "--without-gossip", "--without-mingle")
    return _python("worker", environment, "celery", "-A", "evox", "worker", *options)


def beat(environment: Mapping[str, str]) -> Child:
    """Celery's clock."""
    scheduler = ("--scheduler", "django_celery_beat.schedulers:DatabaseScheduler")
    return _python(
        *("beat", environment, "celery", "-A", "evox", "beat"),
        *("--loglevel", "INFO", "--pidfile", ""),
        *scheduler,
    )


def demo(environment: Mapping[str, str]) -> Child:
    """The demonstration; it ends by itself."""
    return Child(
        name="demo",
        command=(sys.executable, str(ROOT / "scripts" / "demo.py")),
        env=environment,
        folder=ROOT,
        restart=False,
        echo=True,
    )


def is_serving(where: Address) -> bool:
    """Whether the web answers its health check now."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{where.url}/healthz", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _python(name: str, environment: Mapping[str, str], module: str, *arguments: str) -> Child:
    # By module: a script in bin/ can't be run when its path is longer than the kernel takes.
    return Child(
        name=name,
        command=(sys.executable, "-m", module, *arguments),
        env=environment,
        folder=ROOT,
        stop_seconds=15,
    )
