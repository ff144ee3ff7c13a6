"""One run, from claimed to delivered: build once, upload aside, commit, rename, commit.

The temporary file on the server is a token that can be renamed once: whichever attempt renames it, the file appears
exactly once, whatever is killed at any point and even if the receiver takes it away at once. Every write here is
fenced by the claim's attempt number. No transaction is open while a server is talked to.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session, joinedload

from portal.charging import quarter_hour_months
from portal.core import clock, files
from portal.core.config import Settings
from portal.core.db import reading_only, writing
from portal.core.errors import N_, Sentence
from portal.core.vault import Vault, VaultError
from portal.delivery import operations as destinations
from portal.delivery.sending import SECRET_LOST, Line, place_on_server, reach, target
from portal.exports import borrowed, corrections, drafts, names, telling, troubles, webhooks
from portal.exports.claims import Claim, Heartbeat, LeaseLost, Sessions, release, step
from portal.exports.models import ExportAttempt, ExportRun, ExportTask, RunKind, RunState
from portal.exports.parts import Part, by_number, change, is_there, named
from portal.exports.readiness import obstacle, stop
from portal.formats.errors import FormatError, SettingsError
from portal.transports import DeliveryError, NameTakenError, PeerChangedError, TemporaryGoneError
from portal.transports.session import Session as ServerSession
from portal.transports.targets import Target

log = logging.getLogger(__name__)
MOST_FAILURES = 20  # with doubling waits from half a minute to six hours: over a weekend, the last 62.5 hours on
MOST_NAMED = 100  # files in a message to a webhook
FILES_AT_ONCE = 20  # sent between two commits: a crash sends so many again at most
LOOK_AGAIN_SECONDS, LOOK_AGAIN_AT_MOST = 60, 900  # at a run that waits for data or a licence
# One statement for a run and all that its task names, instead of one for each: half of what a small run costs.
WITH_ITS_TASK = tuple(
    joinedload(ExportRun.task).joinedload(part)
    for part in (
        ExportTask.owner,
        ExportTask.user,
        ExportTask.station_group,
        ExportTask.formatter,
        ExportTask.destination,
    )
)
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
                    self._publish(heartbeat)
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
            yield session, self._row(session)

    def _row(self, session: Session) -> ExportRun:
        run = session.get(ExportRun, self.held.run_id, options=WITH_ITS_TASK)
        if run is None:
            raise LeaseLost  # the task was deleted meanwhile
        return run

    def _build(self) -> bool:
        """Make the files once; a later attempt sends the same bytes. False when the run has to wait, or when a
        correction has nothing to correct any more."""
        with reading_only(), self.sessions() as session:
            quarter_hour_months.one_state(session)
            run = self._row(session)
            waits_for = obstacle(session, run) if run.built_at is None else stop(session, run.task)
            if waits_for is None and run.built_at is not None:
                return True
            if waits_for is None:
                with drafts.temporary() as content:
                    drafted = drafts.draft(session, run, content)
                    needless = run.kind == RunKind.CORRECTION and not corrections.differs(session, run, drafted.values)
                    session.rollback()  # no reading transaction while the files are stored
                    if needless:
                        self._set_aside()
                    else:
                        self._keep(drafted)
                return not needless
            reason, known = waits_for.as_reason(), dict(run.reason)
            look = look_again(clock.now() - run.created_at)
        self._waits(reason, look, known=known)
        return False

    def _keep(self, drafted: drafts.Draft) -> None:
        with writing(), self.sessions() as session:
            drafts.keep(session, self.held, drafted)
            session.commit()

    def _set_aside(self) -> None:
        reason = {"code": "no_difference"}
        self._leave("set_aside", "no_difference", {"state": RunState.SET_ASIDE.value, "reason": reason})

    def _stopped(self) -> dict[str, Any]:
        """Why nothing may be sent, asked of the database at this instant; empty when it may."""
        with reading_only(), self._run() as (session, run):
            stopped = stop(session, run.task)
            return stopped.as_reason() if stopped else {}

    def _upload(self, heartbeat: Heartbeat) -> bool:
        """Put the files aside on the server. False when the right to send them was lost since they were built."""
        with reading_only(), self._run() as (session, run):
            wanted = self.connections.target_of(run)
            place = place_on_server(wanted)
            left = [Part.of(run, file, self.held.attempt) for file in run.files if not is_there(file, place)]
            earlier = self._uploads(session)
        server = self.connections.to(wanted)
        if reason := self._stopped():  # a connection may take its time, and a file may have been built weeks ago
            self._waits(reason, timedelta(seconds=LOOK_AGAIN_SECONDS), known={})
            return False
        self._note("uploading", named([part.temporary for part in left]), {})

        def send(to: ServerSession, part: Part) -> None:
            to.upload(part.temporary, self._pieces(part.file_id), part.size)
            for number in earlier:
                to.discard(part.temporary_of(number))  # what attempts that were killed left behind

        for some in by_number(left, FILES_AT_ONCE):
            server.for_each(send, some)
            try:
                heartbeat.check()
                self._put_aside(some, place)
            except LeaseLost:
                for part in some:
                    with contextlib.suppress(DeliveryError):
                        server.discard(part.temporary)
                raise
        self._note("uploaded", named([part.temporary for part in left]), {"state": RunState.UPLOADED.value})
        return True

    def _put_aside(self, parts: Sequence[Part], place: str) -> None:
        with self.sessions() as session:
            step(session, self.held, "", "", {})
            for part in parts:
                change(session, part, temporary_name=part.temporary, uploaded_to=place)
            session.commit()

    def _withdrawn(self) -> bool:
        """Whether the right to send was lost after the upload: the temporary files are taken off the server again, and
        the run waits. What an earlier attempt has given its name already is delivered, as it was then."""
        reason = self._stopped()
        if not reason:
            return False
        with reading_only(), self._run() as (_, run):
            wanted = self.connections.target_of(run)
            left = [Part.of(run, file) for file in run.files if not file.published_at]
        for part in left:
            if part.uploaded_to == place_on_server(wanted):
                server = self.connections.to(wanted)
                server.check_directory()
                if not server.holds(part.temporary):
                    self._published(part, part.name, unconfirmed=server.size(part.name) != part.size)
                    continue
                server.discard(part.temporary)
            self._part(part, temporary_name=None, uploaded_to=None)
        with reading_only(), self._run() as (_, run):
            over = all(file.published_at for file in run.files)
        if over:
            self._delivered(Sentence(EARLIER))
        else:
            self._waits(reason, timedelta(seconds=LOOK_AGAIN_SECONDS), known={})
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

    def _publish(self, heartbeat: Heartbeat) -> None:
        """Give the files their names, one after the other in their order."""
        with reading_only(), self._run() as (_, run):
            replace, wanted = run.revision > 0 or run.replaces, self.connections.target_of(run)
            left = [Part.of(run, file) for file in run.files if not file.published_at]
            names = [file.name for file in run.files]
        if any(part.uploaded_to != place_on_server(wanted) for part in left):
            self._moved(left)
            return
        message: str | Sentence = names[0] if len(names) == 1 else named(names)
        for part in left:
            heartbeat.check()
            message = self._give_name(part, wanted, replace=replace) or message
        self._delivered(message)

    def _give_name(self, part: Part, wanted: Target, *, replace: bool) -> str | Sentence | None:
        """Rename one file; says what is worth telling: another name, or that it was done before."""
        server = self.connections.to(wanted)
        name, unconfirmed = part.name, False
        told: str | Sentence | None = None
        try:
            server.publish(part.temporary, name, replace=replace)
        except NameTakenError:
            name = told = self._other_name(part)
            server.publish(part.temporary, name)
        except TemporaryGoneError:
            # An earlier attempt renamed it and was killed before it could say so. Where the receiver has taken the
            # file away since, nothing on the server can tell that from a deleted temporary file.
            unconfirmed = server.size(name) != part.size
            told = Sentence(EARLIER)
        self._published(part, name, unconfirmed=unconfirmed)
        return told

    def _published(self, part: Part, name: str, *, unconfirmed: bool) -> None:
        self._part(part, run={"unconfirmed": True} if unconfirmed else {}, name=name, published_at=clock.now())

    def _part(self, part: Part, run: Mapping[str, Any] | None = None, **values: Any) -> None:
        with self.sessions() as session:
            step(session, self.held, "", "", run or {})
            change(session, part, **values)
            session.commit()

    def _delivered(self, message: str | Sentence) -> None:
        values = {"state": RunState.DELIVERED.value, "delivered_at": clock.now(), "reason": {}, "failures": 0}
        with self.sessions() as session:
            run = self._row(session)
            troubles.over(session, run, self.connections.settings.public_url)
            files = [{"name": file.name, "size": file.size, "sha256": file.sha256} for file in run.files[:MOST_NAMED]]
            webhooks.note(session, run, "delivered", energy_wh=run.energy_wh, files=files, of_files=len(run.files))
            release(session, self.held, "delivered", message, {**values, "replaces": False})
            session.commit()

    def _moved(self, left: Sequence[Part]) -> None:
        """The destination was changed after the upload: the files go to the new place, from the beginning."""
        with self.sessions() as session:
            for part in left:
                change(session, part, temporary_name=None, uploaded_to=None)
            again = {"state": RunState.DUE.value, "not_before": clock.now()}
            release(session, self.held, "moved", Sentence("The destination was changed after the upload."), again)
            session.commit()

    def _other_name(self, part: Part) -> str:
        """A name of its own for a file built in the same moment as another one of that name. NameTakenError where the
        file in the way is not one of ours."""
        with self.sessions() as session:
            run = self._row(session)
            other = names.numbered(part.name, run.id)
            if not names.taken(session, run, part.name):
                raise NameTakenError(part.name)
            step(session, self.held, "renamed", other, {})
            change(session, part, name=other)
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
            message = borrowed.words(run.task, at, message)
            failures, uploaded = run.failures + 1, run.state == RunState.UPLOADED
            # Not before the task is paused: its owner chose that it goes on trying for so long.
            over = permanent or failures >= max(MOST_FAILURES, run.task.pause_after)
            state = RunState.FAILED if over else RunState.UPLOADED if uploaded else RunState.DUE
            reason = {"code": "failed", "step": at, "message": str(message), **message.kept()}
            again_at = troubles.count(session, run, reason, message, over=over, settings=self.connections.settings)
            values = {"state": state.value, "failures": failures, "reason": reason, "not_before": again_at}
            release(session, self.held, at, message, values, failed=True)
            session.commit()

    def _note(self, name: str, message: str | Sentence, values: dict[str, Any]) -> None:
        with self.sessions() as session:
            step(session, self.held, name, message, values)
            session.commit()

    def _leave(self, name: str, message: str | Sentence, values: dict[str, Any]) -> None:
        with self.sessions() as session:
            release(session, self.held, name, message, values)
            session.commit()


def look_again(waited: timedelta) -> timedelta:
    """How long to leave a run alone that has waited so long already: a tenth of that, one to fifteen minutes."""
    return timedelta(seconds=min(max(waited.total_seconds() / 10, LOOK_AGAIN_SECONDS), LOOK_AGAIN_AT_MOST))
