"""A run on its way: built once, uploaded aside, renamed, told; and all that can be in its way."""

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging import quarter_hour_months
from portal.charging.models import QuarterHour
from portal.core import files
from portal.core.config import Settings
from portal.core.mail import MailMessage
from portal.core.vault import Vault
from portal.exports import claims, delivering, drafts, troubles
from portal.exports.models import ExportRun
from portal.exports.totals import Totals
from portal.transports import DeliveryError
from portal.transports.sftp_session import SftpSession
from tests.exports import scene as scenes
from tests.exports.conftest import Sessions
from tests.exports.scene import START, Scene, plan, runs, wake
from tests.servers.sshd import Sshd

Work = Callable[[], int]


@pytest.fixture
def work(session: Session, settings: Settings, vault: Vault, sessions: Sessions) -> Work:
    return lambda: scenes.work(session, settings, vault, sessions)


def _first(session: Session) -> ExportRun:
    return runs(session)[0]


def test_every_period_arrives_as_it_is_stored(session: Session, scene: Scene, work: Work) -> None:
    plan(session)
    assert work() == 2
    arrived = scene.files()
    assert len(arrived) == 2
    for run in runs(session):
        content = b"".join(files.chunks(session, run.files[0].file_id or 0))
        assert arrived[run.files[0].name] == content
        assert hashlib.sha256(content).hexdigest() == run.files[0].sha256
    assert scene.left_over() == []


def test_both_files_of_the_ise_pair_arrive_with_one_run(session: Session, scene: Scene, work: Work) -> None:
    scene.formatter.format, scene.formatter.settings = "ise_pair", {"file_name": "{period_start}.{extension}"}
    plan(session)
    assert work() == 2
    arrived = scene.files()
    assert sorted(arrived) == [f"202603{day}.{extension}" for day in (28, 29) for extension in ("csv", "xml")]
    for run in runs(session):
        assert [hashlib.sha256(arrived[file.name]).hexdigest() for file in run.files] == [
            file.sha256 for file in run.files
        ]
        quarters, days = (arrived[file.name].decode() for file in run.files)
        told = sum(round(float(line.split(";")[2]) * 1000) for line in quarters.splitlines()[1:])
        assert told == sum(round(float(value) * 1000) for value in re.findall(r'value="([\d.]+)"', days))
        assert told == run.energy_wh


def test_it_goes_from_due_over_uploaded_to_delivered(session: Session, scene: Scene, work: Work) -> None:
    plan(session)
    work()
    run = _first(session)
    assert [attempt.step for attempt in run.attempts] == ["built", "uploading", "uploaded", "delivered"]
    assert (run.state, run.worker, run.lease_until, run.unconfirmed) == ("delivered", None, None, False)
    assert run.delivered_at is not None


def test_the_energy_in_the_files_is_that_of_the_quarter_hours(session: Session, scene: Scene, work: Work) -> None:
    plan(session)
    work()
    exported = [
        round(float(line.split(b";")[4]) * 1000)
        for content in scene.files().values()
        for line in content.splitlines()[1:]
    ]
    stored = session.scalar(sa.select(sa.func.sum(QuarterHour.energy_wh)))
    assert sum(exported) == sum(run.energy_wh or 0 for run in runs(session)) == stored == 4210


def test_it_counts_rows_and_completeness(session: Session, scene: Scene, work: Work) -> None:
    plan(session)
    work()
    summer = runs(session)[1]
    assert (summer.rows, summer.quarters_measured, summer.quarters_substitute, summer.quarters_missing) == (
        2,
        184,
        0,
        0,
    )


def test_a_delivered_run_is_never_touched_again(session: Session, scene: Scene, work: Work) -> None:
    plan(session)
    work()
    wake(session)
    assert work() == 0


def test_an_attempt_after_a_crash_sends_the_same_bytes(
    session: Session, scene: Scene, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(session)
    with _Breaking(monkeypatch, "upload", DeliveryError("write", "The server ended the connection.")):
        work()
    scenes.charge(session, scene.connectors[0], scenes.BEGINS_AT, 9999)
    before = [run.files[0].sha256 for run in runs(session)]
    wake(session)
    work()
    assert [run.files[0].sha256 for run in runs(session)] == before
    assert {hashlib.sha256(content).hexdigest() for content in scene.files().values()} == set(before)


def test_a_broken_connection_is_tried_again_later(
    session: Session, scene: Scene, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(session)
    with _Breaking(monkeypatch, "upload", DeliveryError("write", "The server ended the connection.")):
        work()
    run = _first(session)
    assert (run.state, run.failures) == ("due", 1)
    assert {"code": "failed", "step": "write"}.items() <= run.reason.items()
    assert run.reason["message"] == "The server ended the connection."
    assert run.not_before > run.created_at + timedelta(seconds=20)
    assert work() == 0
    wake(session)
    work()
    assert {(run.state, run.failures, str(run.reason)) for run in runs(session)} == {("delivered", 0, "{}")}


def test_waits_double_up_to_six_hours() -> None:
    now = datetime.now(UTC)
    waits = [(troubles.retry_at(failures) - now).total_seconds() for failures in (1, 2, 5, 20)]
    for wait, middle in zip(waits, (30, 60, 480, 21_600), strict=True):
        assert 0.7 * middle < wait < 1.3 * middle


def test_after_too_many_failures_the_owner_is_told_once(
    session: Session, scene: Scene, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(session)
    session.execute(sa.update(ExportRun).values(failures=delivering.MOST_FAILURES - 1))
    session.commit()
    with _Breaking(monkeypatch, "upload", DeliveryError("write", "Disk quota exceeded")):
        work()
    assert {run.state for run in runs(session)} == {"failed"}
    (letter,) = session.scalars(sa.select(MailMessage))
    assert letter.recipient == scene.owner.email
    assert "Disk quota exceeded" in letter.body
    assert f"/exports/tasks/{scene.task.id}" in letter.body


def test_a_refused_directory_fails_at_once_with_the_words(session: Session, scene: Scene, work: Work) -> None:
    scene.destination.directory = "not-there"
    plan(session)
    work()
    run = _first(session)
    assert (run.state, run.reason["step"]) == ("failed", "directory")
    assert "not-there" in run.reason["message"]
    assert [attempt.failed for attempt in run.attempts][-1] is True


def test_another_host_key_fails_before_any_secret(session: Session, scene: Scene, work: Work, sshd: Sshd) -> None:
    scene.destination.host_key_fingerprint = "SHA256:" + "A" * 43
    plan(session)
    work()
    run = _first(session)
    assert (run.state, run.reason["step"]) == ("failed", "host_key")
    assert sshd.fingerprints["ssh-ed25519"] in run.reason["message"]


def test_an_address_that_is_not_allowed_is_told_in_the_neutral_sentence(
    session: Session, scene: Scene, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    scene.destination.host = "169.254.169.254"
    plan(session)
    work()
    run = _first(session)
    assert "169.254" not in str(run.reason) + "".join(attempt.message for attempt in run.attempts)
    assert "169.254.169.254" in caplog.text


def test_a_secret_that_does_not_open_fails_without_naming_keys(session: Session, scene: Scene, work: Work) -> None:
    scene.destination.sealed_secret = b"gAAAAA"
    plan(session)
    work()
    run = _first(session)
    assert (run.state, run.reason["step"]) == ("failed", "login")
    assert "VAULT" not in run.reason["message"]


def test_a_name_that_is_taken_on_the_server_is_left_alone(session: Session, scene: Scene, work: Work) -> None:
    (scene.folder / "Monthly-to-IS-E_20260328.csv").write_bytes(b"theirs")
    plan(session)
    work()
    run = _first(session)
    assert (run.state, run.reason["step"]) == ("failed", "rename")
    assert scene.files()["Monthly-to-IS-E_20260328.csv"] == b"theirs"


def test_two_tasks_with_one_file_name_get_two_files(
    session: Session, scene: Scene, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.formatter.settings = {"file_name": "same.csv"}
    plan(session)
    work()
    assert {run.state for run in runs(session)} == {"delivered"}
    assert sorted(scene.files()) == sorted(["same.csv", f"same-{runs(session)[1].id}.csv"])
    assert {run.files[0].name for run in runs(session)} == set(scene.files())


def test_a_file_that_an_earlier_attempt_published_is_not_sent_twice(
    session: Session, scene: Scene, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(session)
    _kill_after(monkeypatch, "publish")
    with pytest.raises(KeyboardInterrupt):
        work()
    wake(session)
    assert _first(session).state == "uploaded"
    work()
    run = _first(session)
    assert (run.state, run.unconfirmed) == ("delivered", False)
    assert run.attempts[-1].message == "Published by an earlier attempt."
    assert len(scene.files()) == 2


def test_a_file_that_the_receiver_took_at_once_is_delivered_unconfirmed(
    session: Session, scene: Scene, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(session)
    _kill_after(monkeypatch, "publish")
    with pytest.raises(KeyboardInterrupt):
        work()
    _empty(scene.folder)
    wake(session)
    work()
    assert [(run.state, run.unconfirmed) for run in runs(session)] == [("delivered", True), ("delivered", False)]
    assert len(scene.files()) == 1


def test_what_a_killed_upload_left_is_removed_by_the_next(
    session: Session, scene: Scene, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(session)
    _kill_after(monkeypatch, "upload")
    with pytest.raises(KeyboardInterrupt):
        work()
    assert len(scene.left_over()) == 1
    wake(session)
    work()
    assert (len(scene.files()), scene.left_over()) == (2, [])


def test_a_changed_destination_gets_the_file_from_the_beginning(
    session: Session, scene: Scene, work: Work, monkeypatch: pytest.MonkeyPatch, sshd: Sshd
) -> None:
    plan(session)
    with _Breaking(monkeypatch, "publish", DeliveryError("rename", "The server ended the connection.")):
        work()
    assert _first(session).state == "uploaded"
    elsewhere = sshd.root / f"{scene.folder.name}-elsewhere"
    elsewhere.mkdir(mode=0o777)
    elsewhere.chmod(0o777)
    scene.destination.directory = elsewhere.name
    wake(session)
    work()
    assert {run.state for run in runs(session)} == {"delivered"}
    assert len([path for path in elsewhere.iterdir() if not path.name.startswith(".")]) == 2


def test_a_worker_that_lost_its_lease_changes_nothing(
    session: Session, scene: Scene, sessions: Sessions, settings: Settings, vault: Vault
) -> None:
    plan(session)
    late = claims.claim(session, "late")
    session.commit()
    assert late is not None
    session.execute(sa.update(ExportRun).values(lease_until=None))
    again = claims.claim(session, "again")
    session.commit()
    assert again is not None
    assert (again.run_id, again.attempt) == (late.run_id, late.attempt + 1)
    connections = delivering.Connections(vault, settings)
    with pytest.raises(claims.LeaseLost):
        delivering.Delivery(sessions, late, connections).work()
    connections.close()
    run = next(run for run in runs(session) if run.id == late.run_id)
    assert (run.worker, run.built_at, run.attempts, scene.files()) == ("again", None, [], {})


def test_an_error_of_our_own_is_recorded_and_other_runs_go_on(
    session: Session, scene: Scene, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(session)
    real = drafts.documents

    def broken(session: Session, run: ExportRun, *rest: object) -> object:
        if run.period_start == START:
            raise ValueError("a bug")
        return real(session, run, *rest)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(drafts, "documents", broken)
    work()
    first, second = runs(session)
    assert (first.state, first.reason["step"], second.state) == ("due", "internal", "delivered")
    assert "a bug" not in first.reason["message"]


def test_no_write_lock_is_held_while_a_server_is_talked_to(
    session: Session, scene: Scene, work: Work, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(session)
    real = SftpSession.upload

    def upload(self: SftpSession, *arguments: object) -> None:
        with sessions() as other:
            other.execute(sa.update(ExportRun).where(ExportRun.id == -1).values(failures=0))
            other.commit()
        real(self, *arguments)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(SftpSession, "upload", upload)
    work()
    assert {run.state for run in runs(session)} == {"delivered"}


def test_all_meters_of_a_file_are_of_one_instant(
    session: Session, scene: Scene, work: Work, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.charging.energy.CONNECTORS_AT_ONCE", 1)
    plan(session)
    real = Totals.count

    def count(self: Totals, rows: Iterator[object]) -> Iterator[object]:
        for number, row in enumerate(real(self, rows)):  # type: ignore[arg-type]  # passed on
            if number == 0 and scene.connectors[1].number == 2:
                with sessions() as other:
                    scenes.charge(other, scene.connectors[1], scenes.BEGINS_AT, 5555)
                    other.commit()
            yield row

    monkeypatch.setattr(Totals, "count", count)
    work()
    assert _first(session).energy_wh == 4000


class _Breaking:
    """Inside, a method of the session at the server raises this instead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, method: str, error: Exception) -> None:
        self._context, self._method, self._error = monkeypatch.context(), method, error

    def __enter__(self) -> None:
        def broken(*_: object, **__: object) -> None:
            raise self._error

        self._context.__enter__().setattr(SftpSession, self._method, broken)

    def __exit__(self, *details: object) -> None:
        self._context.__exit__(*details)  # type: ignore[arg-type]  # passed on


def _kill_after(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """The first call of this method works, and then the worker is gone."""
    real = getattr(SftpSession, method)

    def once(self: SftpSession, *arguments: object, **named: object) -> None:
        real(self, *arguments, **named)
        monkeypatch.setattr(SftpSession, method, real)
        raise KeyboardInterrupt

    monkeypatch.setattr(SftpSession, method, once)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def test_a_month_made_while_a_file_is_built_takes_nothing_out_of_it(
    session: Session, scene: Scene, work: Work, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL, where the scheduler moves quarter hours to the month they belong to."""
    build = drafts.draft

    def disturbed(*given: Any) -> drafts.Draft:
        with sessions() as other:
            quarter_hour_months.make(other, scene.task.starts_on)
            other.commit()
        return build(*given)

    monkeypatch.setattr(drafts, "draft", disturbed)
    plan(session)
    work()
    assert [run.energy_wh for run in runs(session)] == [1500 + 2500, 70 + 140]
