"""One run, from claimed to delivered: build once, upload aside, commit, rename, commit.

The temporary file on the server is a token that can be renamed once: whichever attempt renames it, the file appears
exactly once, whatever is killed at any point and even if the receiver takes it away at once. Every write here is
fenced by the claim's attempt number.
"""

import contextlib
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from portal.core import clock, files
from portal.core.config import Settings
from portal.core.db import reading_only
from portal.core.vault import Vault, VaultError
from portal.delivery.sending import reach, target
from portal.exports import building
from portal.exports.claims import Claim, Heartbeat, LeaseLost, Sessions, in_seconds, release, step
from portal.exports.models import ExportRun, RunState
from portal.exports.readiness import obstacle
from portal.formats.errors import FormatError, SettingsError
from portal.transports import DeliveryError, TemporaryGoneError
from portal.transports.sftp import SftpSession, SftpTarget, connect

MOST_FAILURES = 12  # with doubling waits from half a minute to six hours: about a day and a half
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 30, 6 * 3600
LOOK_AGAIN_SECONDS = 60  # at a run that waits for data or a licence
PIECE = 1 << 20


@dataclass
class Connections:
    """The connection of the destination served last, kept for the next run to the same one: a handshake costs as much
    as many small files."""

    vault: Vault
    settings: Settings
    _key: tuple[int, SftpTarget] | None = None
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _session: SftpSession | None = None

    def to(self, run: ExportRun) -> SftpSession:
        """A session on the run's destination. DeliveryError, VaultError."""
        destination = run.task.destination
        key = (destination.id, target(destination, self.vault, reach(self.settings)))
        if self._session is None or key != self._key:
            self.close()
            self._session, self._key = self._open.enter_context(connect(key[1])), key
        return self._session

    def close(self) -> None:
        """Forget the connection; after an error it is not used again."""
        self._session, self._key = None, None
        with contextlib.suppress(DeliveryError, OSError):
            self._open.close()


@dataclass
class Delivery:
    """A worker's hold on one run and what it needs to deliver it."""

    sessions: Sessions
    held: Claim
    connections: Connections

    def work(self) -> None:
        """Deliver the run, or record why not. Returns in every case that a later look can mend; LeaseLost passes."""
        try:
            with Heartbeat(self.sessions, self.held) as heartbeat:
                if not self.held.uploaded:
                    if not self._build():
                        return
                    self._upload(heartbeat)
                heartbeat.check()
                self._publish()
        except DeliveryError as error:
            self.connections.close()
            self._failed(error.step, error.shown, permanent=error.permanent)
        except (FormatError, SettingsError) as error:
            self._failed("build", str(error), permanent=True)
        except VaultError as error:
            self._failed("login", str(error), permanent=True)

    @contextlib.contextmanager
    def _run(self) -> Iterator[tuple[Session, ExportRun]]:
        with self.sessions() as session:
            yield session, session.get_one(ExportRun, self.held.run_id)

    def _build(self) -> bool:
        """Make the file once; a later attempt sends the same bytes. False when the run has to wait."""
        with reading_only(), self._run() as (session, run):
            if run.file_id is not None:
                return True
            waits_for = obstacle(session, run)
            if waits_for is None:
                created, totals = clock.now(), building.Totals()
                with tempfile.TemporaryFile() as draft:
                    for chunk in building.contents(session, run, totals, created):
                        draft.write(chunk)
                    name = building.name_of(session, run, created)
                    session.rollback()  # no reading transaction while the file is stored
                    self._keep(name, draft, totals)
                return True
        self._waits(waits_for.as_reason())
        return False

    def _keep(self, name: str, draft: Any, totals: building.Totals) -> None:
        draft.seek(0)
        with self.sessions() as session:
            kept = files.keep(session, name, iter(lambda: draft.read(PIECE), b""))
            values = {"file_id": kept.id, "file_name": name, "size": kept.size, "sha256": kept.sha256, "reason": {}}
            step(session, self.held, "built", f"{name}, {kept.size} bytes", {**values, **totals.values()})
            session.commit()

    def _upload(self, heartbeat: Heartbeat) -> None:
        with reading_only(), self._run() as (session, run):
            temporary = temporary_name(run, self.held.attempt)
            server = self.connections.to(run)
            server.upload(temporary, files.chunks(session, run.file_id or 0), run.size or 0)
            for earlier in range(1, self.held.attempt):
                server.remove(temporary_name(run, earlier))  # what attempts that were killed left behind
        try:
            heartbeat.check()
            with self.sessions() as session:
                uploaded = {"state": RunState.UPLOADED.value, "temporary_name": temporary}
                step(session, self.held, "uploaded", temporary, uploaded)
                session.commit()
        except LeaseLost:
            with contextlib.suppress(DeliveryError):
                server.remove(temporary)
            raise

    def _publish(self) -> None:
        with reading_only(), self._run() as (_, run):
            name, size, temporary = run.file_name or "", run.size, run.temporary_name or ""
            server = self.connections.to(run)
            replace = run.revision > 0
        message, unconfirmed = name, False
        try:
            server.publish(temporary, name, replace=replace)
        except TemporaryGoneError:
            # An earlier attempt renamed it and was killed before it could say so. Where the receiver has taken the
            # file away since, nothing on the server can tell that from a deleted temporary file.
            unconfirmed = server.size(name) != size
            message = "Published by an earlier attempt."
        delivered = {"state": RunState.DELIVERED.value, "delivered_at": clock.now(), "reason": {}}
        delivered["unconfirmed"] = unconfirmed
        with self.sessions() as session:
            release(session, self.held, "delivered", message, delivered)
            session.commit()

    def _waits(self, reason: dict[str, Any]) -> None:
        with self.sessions() as session:
            values = {"state": RunState.WAITING.value, "reason": reason, "not_before": in_seconds(LOOK_AGAIN_SECONDS)}
            release(session, self.held, "waiting", str(reason["code"]), values)
            session.commit()

    def _failed(self, at: str, message: str, *, permanent: bool) -> None:
        with self._run() as (session, run):
            failures, uploaded = run.failures + 1, run.state == RunState.UPLOADED
            over = permanent or failures >= MOST_FAILURES
            state = RunState.FAILED if over else RunState.UPLOADED if uploaded else RunState.DUE
            reason = {"code": "failed", "step": at, "message": message}
            values = {"state": state.value, "failures": failures, "reason": reason, "not_before": retry_at(failures)}
            release(session, self.held, at, message, values, failed=True)
            session.commit()


def temporary_name(run: ExportRun, attempt: int) -> str:
    """The name under which an attempt uploads: its own, so that a worker that woke up late writes into nobody's file,
    and told apart from another portal's by the content."""
    return f".piquet-{(run.sha256 or '')[:12]}-{run.id}-{attempt}.part"


def retry_at(failures: int) -> Any:
    """When to try again: half a minute doubled with every failure, six hours at most, spread by a quarter so that the
    runs of one broken server do not come back all at once."""
    wait = min(FIRST_WAIT_SECONDS * 2 ** (failures - 1), LONGEST_WAIT_SECONDS)
    return in_seconds(wait * random.uniform(0.75, 1.25))  # noqa: S311  spreads load, hides nothing
