"""One run, from claimed to delivered: build once, upload aside, commit, rename, commit.

The temporary file on the server is a token that can be renamed once: whichever attempt renames it, the file appears
exactly once, whatever is killed at any point and even if the receiver takes it away at once. Every write here is
fenced by the claim's attempt number. No transaction is open while a server is talked to.
"""

import contextlib
import logging
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from portal.core import clock, files
from portal.core.config import Settings
from portal.core.db import reading_only, writing
from portal.core.errors import N_, Sentence
from portal.core.vault import Vault, VaultError
from portal.delivery import operations as destinations
from portal.delivery import sending
from portal.delivery.sending import SECRET_LOST, Line, place_on_server, reach, target
from portal.exports import building, telling
from portal.exports.claims import Claim, Heartbeat, LeaseLost, Sessions, in_seconds, release, step
from portal.exports.models import ExportAttempt, ExportRun, RunState
from portal.exports.readiness import obstacle, stop
from portal.formats.errors import FormatError, SettingsError
from portal.transports import DeliveryError, NameTakenError, PeerChangedError, TemporaryGoneError
from portal.transports.session import Session as ServerSession
from portal.transports.targets import Target

log = logging.getLogger(__name__)
MOST_FAILURES = 20  # with doubling waits from half a minute to six hours: over a weekend, the last 62.5 hours on
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 30, 6 * 3600
LOOK_AGAIN_SECONDS, LOOK_AGAIN_AT_MOST = 60, 900  # at a run that waits for data or a licence
PIECE = 1 << 20
EARLIER = N_("Published by an earlier attempt.")
INTERNAL = Sentence("Something went wrong in the portal itself. It is tried again; the operator has a record.")


@dataclass
class Connections:
    """The connection of the destination served last, kept for the next run to the same one: a handshake costs as much
    as many small files."""

    vault: Vault
    settings: Settings
    _line: Line = field(default_factory=Line)

    def target_of(self, run: ExportRun) -> Target:
        """The run's server. VaultError."""
        allowed, task = reach(self.settings), run.task
        return target(task.destination, self.vault, allowed, period_start=run.period_start, task=task.name)

    def to(self, wanted: Target) -> ServerSession:
        """A session on this server. DeliveryError."""
        return self._line.to(wanted)

    def close(self) -> None:
        """Forget the connection; after an error it is not used again."""
        self._line.close()


@dataclass
class Delivery:
    """A worker's hold on one run and what it needs to deliver it."""

    sessions: Sessions
    held: Claim
    connections: Connections

    def work(self) -> None:
        """Deliver the run, or record why not. Returns in every case that a later look can mend; LeaseLost passes, and
        a database that is away or locked: it leaves the run to whoever finds its lease ended."""
        try:
            with Heartbeat(self.sessions, self.held) as heartbeat:
                if not self.held.uploaded and not (self._build() and self._upload(heartbeat)):
                    return
                heartbeat.check()
                if not self._withdrawn():
                    self._publish()
        except (LeaseLost, OperationalError, InterfaceError):
            raise
        except DeliveryError as error:
            log.warning("run %s, %s: %s", self.held.run_id, error.step, error.message)
            self.connections.close()
            self._keep_change(error)
            self._failed(error.step, Sentence(*error.shown), permanent=error.permanent)
        except (FormatError, SettingsError) as error:
            self._failed("build", Sentence(error.template, error.params), permanent=True)
        except VaultError as error:
            log.error("run %s: %s", self.held.run_id, error)
            self._failed("login", Sentence(SECRET_LOST), permanent=True)
        except Exception:
            log.exception("run %s failed in the portal itself", self.held.run_id)
            self.connections.close()
            self._failed("internal", INTERNAL, permanent=False)

    @contextlib.contextmanager
    def _run(self) -> Iterator[tuple[Session, ExportRun]]:
        with self.sessions() as session:
            if session.get_bind().dialect.name == "postgresql":
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session, self._row(session)

    def _row(self, session: Session) -> ExportRun:
        run = session.get(ExportRun, self.held.run_id)
        if run is None:
            raise LeaseLost  # the task was deleted meanwhile
        return run

    def _build(self) -> bool:
        """Make the file once; a later attempt sends the same bytes. False when the run has to wait."""
        with reading_only(), self._run() as (session, run):
            waits_for = obstacle(session, run) if run.file_id is None else stop(session, run.task)
            if waits_for is None and run.file_id is not None:
                return True
            if waits_for is None:
                created, totals = clock.now(), building.Totals()
                with tempfile.TemporaryFile() as draft:
                    for chunk in building.contents(session, run, totals, created):
                        draft.write(chunk)
                    name = building.name_of(session, run, created)
                    session.rollback()  # no reading transaction while the file is stored
                    self._keep(name, draft, totals)
                return True
            reason, known = waits_for.as_reason(), dict(run.reason)
            look = look_again(clock.now() - run.created_at)
        self._waits(reason, look, known=known)
        return False

    def _keep(self, name: str, draft: Any, totals: building.Totals) -> None:
        draft.seek(0)
        with writing(), self.sessions() as session:
            kept = files.keep(session, name, iter(lambda: draft.read(PIECE), b""))
            values = {"file_id": kept.id, "file_name": name, "size": kept.size, "sha256": kept.sha256, "reason": {}}
            done = Sentence("%(name)s, %(size)s bytes", {"name": name, "size": kept.size})
            step(session, self.held, "built", done, {**values, **totals.values()})
            session.commit()

    def _stopped(self) -> dict[str, Any]:
        """Why nothing may be sent, asked of the database at this instant; empty when it may."""
        with reading_only(), self._run() as (session, run):
            stopped = stop(session, run.task)
            return stopped.as_reason() if stopped else {}

    def _upload(self, heartbeat: Heartbeat) -> bool:
        """Put the file aside on the server. False when the right to send it was lost since it was built."""
        with reading_only(), self._run() as (session, run):
            temporary, file_id, size = temporary_name(run, self.held.attempt), run.file_id or 0, run.size or 0
            earlier = [temporary_name(run, number) for number in self._uploads(session)]
            wanted = self.connections.target_of(run)
        server = self.connections.to(wanted)
        if reason := self._stopped():  # a connection may take its time, and a file may have been built weeks ago
            self._waits(reason, timedelta(seconds=LOOK_AGAIN_SECONDS), known={})
            return False
        self._note("uploading", temporary, {})
        server.upload(temporary, self._pieces(file_id), size)
        for name in earlier:
            server.discard(name)  # what attempts that were killed left behind
        uploaded = {
            "state": RunState.UPLOADED.value,
            "temporary_name": temporary,
            "uploaded_to": place_on_server(wanted),
        }
        try:
            heartbeat.check()
            self._note("uploaded", temporary, uploaded)
        except LeaseLost:
            with contextlib.suppress(DeliveryError):
                server.discard(temporary)
            raise
        return True

    def _withdrawn(self) -> bool:
        """Whether the right to send was lost after the upload: the temporary file is taken off the server again, and
        the run waits. A file that an earlier attempt has given its name already is delivered, as it was then."""
        reason = self._stopped()
        if not reason:
            return False
        with reading_only(), self._run() as (_, run):
            name, size, temporary = run.file_name or "", run.size, run.temporary_name or ""
            uploaded_to, wanted = run.uploaded_to, self.connections.target_of(run)
        if uploaded_to == place_on_server(wanted):
            server = self.connections.to(wanted)
            server.check_directory()
            if not server.holds(temporary):
                self._delivered(Sentence(EARLIER), unconfirmed=server.size(name) != size)
                return True
            server.discard(temporary)
        again = {"temporary_name": None, "uploaded_to": None}
        self._waits(reason, timedelta(seconds=LOOK_AGAIN_SECONDS), known={}, **again)
        return True

    def _uploads(self, session: Session) -> list[int]:
        """The earlier attempts that may have left a temporary file."""
        begun = (ExportAttempt.run_id == self.held.run_id, ExportAttempt.step == "uploading")
        return list(session.scalars(sa.select(ExportAttempt.number).where(*begun).distinct()))

    def _pieces(self, file_id: int) -> Iterator[bytes]:
        with self.sessions() as session:
            pieces = files.chunks(session, file_id)
            while True:
                with reading_only():
                    piece = next(pieces, None)
                    session.rollback()  # a slow server keeps no transaction open
                if piece is None:
                    return
                yield piece

    def _publish(self) -> None:
        with reading_only(), self._run() as (_, run):
            name, size, temporary = run.file_name or "", run.size, run.temporary_name or ""
            replace, uploaded_to = run.revision > 0, run.uploaded_to
            wanted = self.connections.target_of(run)
        if uploaded_to != place_on_server(wanted):
            self._moved()
            return
        server = self.connections.to(wanted)
        message: str | Sentence = name
        unconfirmed = False
        try:
            server.publish(temporary, name, replace=replace)
        except NameTakenError:
            name = message = self._other_name()
            server.publish(temporary, name)
        except TemporaryGoneError:
            # An earlier attempt renamed it and was killed before it could say so. Where the receiver has taken the
            # file away since, nothing on the server can tell that from a deleted temporary file.
            unconfirmed = server.size(name) != size
            message = Sentence(EARLIER)
        self._delivered(message, unconfirmed=unconfirmed)

    def _delivered(self, message: str | Sentence, *, unconfirmed: bool) -> None:
        delivered = {"state": RunState.DELIVERED.value, "delivered_at": clock.now(), "reason": {}, "failures": 0}
        self._leave("delivered", message, {**delivered, "unconfirmed": unconfirmed})

    def _moved(self) -> None:
        """The destination was changed after the upload: the file goes to the new place, from the beginning."""
        again = {"state": RunState.DUE.value, "temporary_name": None, "uploaded_to": None, "not_before": clock.now()}
        self._leave("moved", Sentence("The destination was changed after the upload."), again)

    def _other_name(self) -> str:
        """A name of its own for a run built in the same moment as another one of that name. NameTakenError where the
        file in the way is not one of ours."""
        with self.sessions() as session:
            run = self._row(session)
            name = run.file_name or ""
            other = building.numbered(name, run.id)
            if not building.taken(session, run, name):
                raise NameTakenError(name)
            step(session, self.held, "renamed", other, {"file_name": other})
            session.commit()
        return other

    def _waits(self, reason: dict[str, Any], look: timedelta, *, known: dict[str, Any], **also: None) -> None:
        values = {"state": RunState.WAITING.value, "reason": reason, "not_before": clock.now() + look, **also}
        news = "waiting" if reason != known else ""  # a run that waits for weeks is looked at often, and told of once
        with self.sessions() as session:
            if news:
                telling.of_stop(session, self._row(session), reason, self.connections.settings.public_url)
            release(session, self.held, news, str(reason["code"]), values)
            session.commit()

    def _keep_change(self, error: DeliveryError) -> None:
        """Another host key or certificate than the confirmed one keeps every run from this destination."""
        if isinstance(error, PeerChangedError):
            with self.sessions() as session:
                destinations.keep_change(session, self._row(session).task.destination, error)
                session.commit()

    def _failed(self, at: str, message: Sentence, *, permanent: bool) -> None:
        with self.sessions() as session:
            run = self._row(session)
            failures, uploaded = run.failures + 1, run.state == RunState.UPLOADED
            over = permanent or failures >= MOST_FAILURES
            state = RunState.FAILED if over else RunState.UPLOADED if uploaded else RunState.DUE
            reason = {"code": "failed", "step": at, "message": str(message), **message.kept()}
            values = {"state": state.value, "failures": failures, "reason": reason, "not_before": retry_at(failures)}
            if over:
                telling.of_failure(session, run, message, self.connections.settings.public_url)
            release(session, self.held, at, message, values, failed=True)
            session.commit()

    def _note(self, name: str, message: str, values: dict[str, Any]) -> None:
        with self.sessions() as session:
            step(session, self.held, name, message, values)
            session.commit()

    def _leave(self, name: str, message: str | Sentence, values: dict[str, Any]) -> None:
        with self.sessions() as session:
            release(session, self.held, name, message, values)
            session.commit()


def temporary_name(run: ExportRun, attempt: int) -> str:
    """The name under which an attempt uploads: its own, so that a worker that woke up late writes into nobody's file,
    and told apart from another portal's by the content."""
    own = f"{(run.sha256 or '')[:12]}-{run.id}-{attempt}"
    return sending.temporary_name(run.task.destination, run.file_name or "", own)


def retry_at(failures: int) -> datetime:
    """When to try again: half a minute doubled with every failure, six hours at most, spread by a quarter so that the
    runs of one broken server do not come back all at once."""
    wait = min(FIRST_WAIT_SECONDS * 2 ** (failures - 1), LONGEST_WAIT_SECONDS)
    return in_seconds(wait * random.uniform(0.75, 1.25))  # noqa: S311  spreads load, hides nothing


def look_again(waited: timedelta) -> timedelta:
    """How long to leave a run alone that has waited so long already: a tenth of that, one to fifteen minutes."""
    return timedelta(seconds=min(max(waited.total_seconds() / 10, LOOK_AGAIN_SECONDS), LOOK_AGAIN_AT_MOST))
