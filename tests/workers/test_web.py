"""Web: a schema that is not the present one is refused, but for the command that brings it there."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
from gunicorn.config import Config

from portal.workers import web
from tests.servers.portal import environment
from tests.servers.processes import free_port
from tests.workers.supervised import PRODUCTION, ROOT

GUNICORN = (sys.executable, "-m", "gunicorn", "wsgi:app", "--config", "python:portal.workers.web")
PLAIN = (sys.executable, "-m", "gunicorn", "wsgi:app", "--no-control-socket")
UPGRADE = (sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade")


def run(tmp_path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    url = f"sqlite:///{tmp_path / 'piquet.db'}"
    environ = environment(tmp_path, free_port(), DATABASE_URL=url, **PRODUCTION)
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_gunicorn_refuses_an_old_schema_in_one_sentence(tmp_path: Path) -> None:
    done = run(tmp_path, *GUNICORN, "--bind", f"127.0.0.1:{free_port()}")
    assert done.returncode != 0
    assert done.stderr.startswith("piquet: The database has schema none, but this version of Piquet needs ")
    assert done.stderr.count("\n") == 1


def test_gunicorn_without_our_settings_gives_up_too(tmp_path: Path) -> None:
    done = run(tmp_path, *PLAIN, "--bind", f"127.0.0.1:{free_port()}")
    assert done.returncode != 0
    assert "piquet: The database has schema none" in done.stderr


@pytest.mark.parametrize("times", [1, 2])
def test_the_command_brings_the_schema_there(tmp_path: Path, times: int) -> None:
    for _ in range(times):
        assert run(tmp_path, *UPGRADE).returncode == 0
    assert run(tmp_path, sys.executable, "-c", "import wsgi").stderr == ""


def test_no_worker_stops_to_collect_garbage_in_the_application() -> None:
    assert "when_ready" in Config().settings, "gunicorn passes by a setting that it does not know"
    before = len(gc.get_objects())
    web.when_ready(None)
    try:
        assert len(gc.get_objects()) < before / 10
    finally:
        gc.unfreeze()
