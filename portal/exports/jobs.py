"""What RQ and the scheduler run: plan, and work off what is due."""

import logging
import os
import socket
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal import models  # noqa: F401  every table
from portal.core import process
from portal.core.config import Settings
from portal.core.vault import Vault
from portal.exports import corrections, planning
from portal.exports.claims import LeaseLost, Sessions, claim, due
from portal.exports.delivering import Connections, Delivery
from portal.exports.models import ExportRun

log = logging.getLogger(__name__)
MOST_RUNS = 500  # a job, then the next ring: no job of hours


def plan(session: Session) -> int:
    """Make the runs of every period that has ended, and the corrections of what was exported before it changed; the
    caller commits."""
    planned = planning.plan(session)
    corrections.mark(session)
    corrections.look(session)
    return planned


def waits_since(session: Session) -> datetime | None:
    """Since when the oldest run that somebody should work on waits; None when nothing is due."""
    return session.scalar(sa.select(sa.func.min(ExportRun.not_before)).where(*due(session)))


def drain() -> int:
    """RQ's entry: deliver what is due, with this process's settings."""
    settings, sessions = process.context()
    return run_due(sessions, settings, Vault(settings.vault_keys))


def run_due(
    sessions: Sessions, settings: Settings, vault: Vault, most: int = MOST_RUNS, task_id: int | None = None
) -> int:
    """Work off the runs that are due, one after the other, and say how many were taken up; with `task_id` those of one
    task. Safe to call from any number of processes at once, and to be killed at any point."""
    worker = f"{socket.gethostname()}:{os.getpid()}"
    connections = Connections(vault, settings)
    taken = 0
    try:
        while taken < most:
            with sessions() as session:
                held = claim(session, worker, task_id)
                session.commit()
            if held is None:
                break
            taken += 1
            try:
                Delivery(sessions, held, connections).work()
            except LeaseLost:
                log.warning("run %s was taken over by another worker", held.run_id)
    finally:
        connections.close()
    return taken
