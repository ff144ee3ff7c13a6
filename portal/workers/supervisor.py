"""Everything with one command: `python -m portal.workers.supervisor` (make run), with `--demo` (make demo).

Starts the embedded queue, brings the database to the present schema, then runs web, workers and scheduler, starts
again what dies, and ends all of it in order on Ctrl-C, SIGTERM or when its terminal is closed.
"""

import contextlib
import http.client
import logging
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from types import FrameType

from portal.accounts import operations, queries
from portal.accounts.links import Links, Purpose
from portal.core import logs, schema
from portal.core.background import QUEUES
from portal.core.config import Settings, from_environment
from portal.core.db import reading_only, session_factory
from portal.core.errors import SettingsError
from portal.workers import preconditions
from portal.workers.children import Child, start, stop
from portal.workers.valkey import start_server

log = logging.getLogger("portal.workers.supervisor")
READY_SECONDS = 60
LOOK_SECONDS, AGAIN_SECONDS = 0.2, 0.05
PROGRAMS_SECONDS, SERVERS_SECONDS = 8, 4  # to end by themselves; service managers kill after 90, people sooner
QUICK_DEATH_SECONDS, MOST_QUICK_DEATHS = 10, 5


class Ended(Exception):
    """A signal asks to end."""


class Ending:
    """Whether a signal has asked to end. Python loses what a signal handler raises while a process is being forked, so
    it is raised from there only in the long steps that start no process; elsewhere `check` asks. It is lost in a
    destructor too: there the handler asks again a little later."""

    asked = False
    _at_once = False

    @classmethod
    def listen(cls) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means to go on
                signal.signal(number, cls._ask)

    @classmethod
    def _ask(cls, _number: int, frame: FrameType | None) -> None:
        cls.asked = True
        if not cls._at_once:
            return
        if _in_destructor(frame):
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
            return
        cls._at_once = False
        raise Ended

    @classmethod
    def check(cls) -> None:
        if cls.asked:
            raise Ended

    @classmethod
    @contextlib.contextmanager
    def at_once(cls) -> Iterator[None]:
        """A long step, which a signal breaks off."""
        cls.check()
        cls._at_once = True
        try:
            yield
        finally:
            cls._at_once = False
        cls.check()

    @classmethod
    def pause(cls, seconds: float) -> None:
        """Sleep; Ended as soon as a signal asks."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            cls.check()
            time.sleep(min(left, LOOK_SECONDS))
        cls.check()


def _in_destructor(frame: FrameType | None) -> bool:
    while frame and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


def main(demo: bool) -> int:
    """Run until told to stop; the exit status is 1 when something could not start or keeps dying."""
    logs.set_up()
    Ending.listen()
    try:
        return _start_alone(demo)
    except SettingsError as error:
        sys.stderr.write(f"piquet: {error}\n")
        return 1
    except Ended:
        return 0


def _start_alone(demo: bool) -> int:
    environ = dict(os.environ)
    if demo:
        from portal.demo import surroundings

        environ = surroundings.environment(environ)
    settings = from_environment(environ)
    with preconditions.only_one(settings.data_dir):
        preconditions.port_is_free(settings.host, settings.port)
        if demo:
            environ = surroundings.with_drop_box(settings.data_dir, environ)
            settings = from_environment(environ)
        return _run(settings, environ, demo=demo)


def _run(settings: Settings, environ: Mapping[str, str], *, demo: bool) -> int:
    servers: list[Child] = []
    programs: list[Child] = []
    try:
        _say("Piquet is starting ...")
        if settings.embedded_queue:
            servers.append(start_server(settings.data_dir))
        preconditions.queue_answers(settings)
        with Ending.at_once():
            schema.upgrade(settings.migration_database_url, settings.database_url)
        welcome = _begin_demo(settings, environ, servers) if demo else _begin_empty(settings)
        programs.append(start("web", _web(settings), environ))
        _wait_until_ready(settings, [*servers, *programs])
        _say(welcome)
        programs.extend(start(name, command, environ) for name, command in _background().items())
        return _keep_running(servers, programs)
    except Ended:
        _say("Piquet is stopping ...")
        raise
    finally:
        stop(programs, PROGRAMS_SECONDS)
        stop(servers, SERVERS_SECONDS)  # last: the programs use them to the end


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone already
        print(text, flush=True)


def _begin_demo(settings: Settings, environ: Mapping[str, str], servers: list[Child]) -> str:
    from portal.demo import loading, surroundings

    servers.append(start("drop box", surroundings.drop_box_command(settings.data_dir), environ))
    with Ending.at_once():
        shift = loading.load(settings, _say)
    return surroundings.welcome(settings, shift)


def _begin_empty(settings: Settings) -> str:
    """What `make run` tells: the address, and as long as there is no operator the link that makes one."""
    sessions = session_factory(settings.database_url)
    schema.check(sessions.kw["bind"])
    with reading_only(), sessions() as session:
        missing = not queries.operator_exists(session)
    sessions.kw["bind"].dispose()
    lines = [f"Piquet is ready:  {settings.public_url}"]
    if missing:
        links = Links.of(settings)
        link = links.page(f"/{Purpose.SET_UP}/{operations.operator_link_token(links)}")
        lines += ["There is no operator yet. This link, good for 7 days, makes the first one:", link]
    lines.append(f"Ctrl-C stops everything; the data stay in {settings.data_dir}.")
    return "\n" + "\n\n".join(lines) + "\n"


def _web(settings: Settings) -> list[str]:
    bind = f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"
    return [sys.executable, "-m", "gunicorn", "wsgi:app", "--config", "python:portal.workers.web", "--bind", bind]


def _background() -> dict[str, list[str]]:
    """What runs beside web; started after it, so that people wait for as little as possible."""
    workers = {f"{queue} worker": [sys.executable, "-m", "portal.workers.worker", queue] for queue in QUEUES}
    return {**workers, "scheduler": [sys.executable, "-m", "portal.workers.scheduler"]}


def _wait_until_ready(settings: Settings, children: list[Child]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _is_healthy(settings):
        dead = [child.name for child in children if child.ended()]
        if dead:
            raise SettingsError(f"The {', '.join(dead)} could not be started; the reason stands above.")
        if time.monotonic() > deadline:
            raise SettingsError(f"Web does not answer after {READY_SECONDS} seconds; the reason stands above.")
        Ending.pause(LOOK_SECONDS)


def _is_healthy(settings: Settings) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104  compared, not bound
    connection = http.client.HTTPConnection(host, settings.port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _keep_running(*groups: list[Child]) -> int:
    """Start again whatever dies, after a while if it does not live long; give up on what dies again and again."""
    quick_deaths: Counter[str] = Counter()
    while True:
        Ending.pause(LOOK_SECONDS)
        for group in groups:
            for place, child in enumerate(group):
                if not child.ended():
                    continue
                quick = time.monotonic() - child.started < QUICK_DEATH_SECONDS
                quick_deaths[child.name] = deaths = quick_deaths[child.name] + 1 if quick else 0
                if deaths >= MOST_QUICK_DEATHS:
                    log.error("%s keeps ending (status %s): all is stopped", child.name, child.process.returncode)
                    return 1
                log.warning("%s ended (status %s) and is started again", child.name, child.process.returncode)
                Ending.pause(2**deaths - 1)
                group[place] = start(child.name, child.command, child.environment)


if __name__ == "__main__":
    sys.exit(main("--demo" in sys.argv[1:]))
