"""Everything with one command: `python -m portal.workers.supervisor` (make run), with `--demo` (make demo).

Starts the embedded queue, brings the database to the present schema, then runs web, workers and scheduler, starts
again what dies, and ends all of it in order on Ctrl-C or SIGTERM.
"""

import fcntl
import os
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from portal.core import schema
from portal.core.background import QUEUES
from portal.core.config import Settings, from_environment
from portal.core.errors import SettingsError
from portal.workers.children import Child, start, stop
from portal.workers.valkey import start_server

WEB_WORKERS, WEB_THREADS = 2, 4
READY_SECONDS = 60
QUICK_DEATH_SECONDS, MOST_QUICK_DEATHS = 10, 5


def main(demo: bool) -> int:
    """Run until told to stop; the exit status is 1 when something could not start or keeps dying."""
    try:
        environ = dict(os.environ)
        if demo:
            from portal.demo import surroundings

            environ = surroundings.environment(environ)
        settings = from_environment(environ)
        lock = _only_one(settings.data_dir)
        _port_is_free(settings)
        return _run(settings, environ, demo=demo, lock=lock)
    except SettingsError as error:
        print(f"piquet: {error}", file=sys.stderr)
        return 1


def _run(settings: Settings, environ: Mapping[str, str], *, demo: bool, lock: IO[str]) -> int:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    children: list[Child] = []
    try:
        print("Piquet is starting ...", flush=True)
        if settings.embedded_queue:
            children.append(start_server(settings.data_dir))
        schema.upgrade(settings.migration_database_url)
        announce = _begin_demo(settings, environ, children) if demo else _begin_empty(environ)
        for name, command in _programs(settings).items():
            children.append(start(name, command, environ))
        _wait_until_ready(settings, children, ended)
        announce()
        return _keep_running(children, ended)
    finally:
        print("Piquet is stopping ...", flush=True)
        stop(children)
        lock.close()


def _begin_demo(settings: Settings, environ: Mapping[str, str], children: list[Child]) -> Callable[[], None]:
    from portal.demo import loading, surroundings

    children.append(start("drop box", surroundings.drop_box_command(settings.data_dir), environ))
    surroundings.wait_for_drop_box(settings.data_dir)
    shift = loading.load(settings)
    return lambda: print(surroundings.welcome(settings, shift), flush=True)


def _begin_empty(environ: Mapping[str, str]) -> Callable[[], None]:
    from portal.accounts.first_operator import invitation

    return lambda: print(invitation(environ), flush=True)


def _programs(settings: Settings) -> dict[str, list[str]]:
    python = sys.executable
    bind = f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"
    web = [python, "-m", "gunicorn", "wsgi:app", "--bind", bind, "--worker-class", "gthread", "--graceful-timeout", "5"]
    web += [
        "--workers",
        str(WEB_WORKERS),
        "--threads",
        str(WEB_THREADS),
        "--log-level",
        "warning",
        "--no-control-socket",
    ]
    workers = {f"{queue} worker": [python, "-m", "portal.workers.worker", queue] for queue in QUEUES}
    return {"web": web, **workers, "scheduler": [python, "-m", "portal.workers.scheduler"]}


def _only_one(data_dir: Path) -> IO[str]:
    """Two supervisors on one DATA_DIR would start two queues on one socket. The lock ends with the process."""
    lock = (data_dir / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SettingsError(f"Piquet is running already with DATA_DIR {data_dir}; stop it first.") from None
    return lock


def _port_is_free(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            reason = error.strerror or error
            raise SettingsError(f"PORT {settings.port} on {settings.host} cannot be used: {reason}.") from None


def _wait_until_ready(settings: Settings, children: list[Child], ended: threading.Event) -> None:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104  compared, not bound
    url = f"http://{host}:{settings.port}/healthz"
    deadline = time.monotonic() + READY_SECONDS
    while not ended.is_set() and time.monotonic() < deadline:
        dead = [child.name for child in children if child.process.poll() is not None]
        if dead:
            raise SettingsError(f"{', '.join(dead)} could not be started; the reason stands above.")
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        ended.wait(0.2)


def _keep_running(children: list[Child], ended: threading.Event) -> int:
    """Start again whatever dies; give up on what dies at once again and again."""
    quick_deaths: dict[str, int] = {}
    while not ended.wait(0.5):
        for place, child in enumerate(children):
            status = child.process.poll()
            if status is None:
                continue
            quick = time.monotonic() - child.started < QUICK_DEATH_SECONDS
            quick_deaths[child.name] = quick_deaths.get(child.name, 0) + 1 if quick else 0
            if quick_deaths[child.name] >= MOST_QUICK_DEATHS:
                print(f"piquet: {child.name} keeps ending (status {status}); giving up.", file=sys.stderr)
                return 1
            print(f"piquet: {child.name} ended (status {status}) and is started again.", file=sys.stderr)
            children[place] = start(child.name, child.command, child.environment)
    return 0


if __name__ == "__main__":
    sys.exit(main("--demo" in sys.argv[1:]))
