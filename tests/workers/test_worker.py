"""A worker whose queue is not there."""

import subprocess
import sys
from pathlib import Path

from tests.servers.portal import environment
from tests.servers.processes import free_port
from tests.workers.supervised import PRODUCTION, ROOT


def test_without_its_queue_it_ends_in_one_sentence(sqlite_template: Path, tmp_path: Path) -> None:
    settings = PRODUCTION | {"REDIS_URL": f"unix://{tmp_path / 'none.sock'}"}
    environ = environment(tmp_path, free_port(), DATABASE_URL=f"sqlite:///{sqlite_template}", **settings)
    command = [sys.executable, "-m", "portal.workers.worker", "exports"]
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "the worker of exports ends without its queue: " in done.stderr
    assert done.stderr.count("\n") == 1
