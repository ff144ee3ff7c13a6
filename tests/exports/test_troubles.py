"""What failures do to a task, with real servers: when its owner hears of it, when it rests, when it is paused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import clock, mail
from portal.core.audit import AuditEntry
from portal.core.config import Settings
from portal.core.mail import MailMessage
from portal.core.vault import Vault
from portal.delivery import operations as destinations
from portal.delivery.sending import look_at_peer, place, reach
from portal.exports import operations
from portal.exports.models import ExportRun, ExportTask
from portal.licences.models import Kind
from portal.transports.ssh_keys import generate_key_pair
from tests import world
from tests.exports import scene as scenes
from tests.exports.conftest import Sessions
from tests.exports.scene import Scene, plan, runs, wake
from tests.servers.processes import free_port
from tests.servers.sshd import Sshd

Work = Callable[[], int]
NOBODY = free_port()  # where nothing listens
OTHER_KEY = "SHA256:" + "A" * 43


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, delivery_allowed_ports=(*settings.delivery_allowed_ports, NOBODY))


@pytest.fixture
def work(session: Session, settings: Settings, vault: Vault, sessions: Sessions) -> Work:
    return lambda: scenes.work(session, settings, vault, sessions)


@pytest.fixture
def fail(session: Session, scene: Scene, work: Work) -> Callable[[int], None]:
    """So many failures in a row: the server is away."""
    plan(session)

    def failing(times: int) -> None:
        scene.destination.port = NOBODY
        for _ in range(times):
            wake(session)
            assert work() == 1

    return failing


@pytest.fixture
def recover(session: Session, scene: Scene, sshd: Sshd, work: Work) -> Work:
    """The server is there again."""

    def recovering() -> int:
        scene.destination.port = sshd.port
        wake(session)
        return work()

    return recovering


Fail = Callable[[int], None]


def letters(session: Session) -> list[MailMessage]:
    session.commit()
    return list(session.scalars(sa.select(MailMessage).order_by(MailMessage.id)))


def subjects(session: Session) -> list[str]:
    return [letter.subject for letter in letters(session)]


def task_of(session: Session, scene: Scene) -> ExportTask:
    session.commit()
    session.refresh(scene.task)
    return scene.task


def test_the_owner_hears_of_the_third_failure_once_in_his_language(session: Session, scene: Scene, fail: Fail) -> None:
    scene.owner.language = "de"
    fail(2)
    assert letters(session) == []
    assert task_of(session, scene).trouble_since is None
    fail(3)
    (letter,) = letters(session)
    assert (letter.recipient, letter.subject) == (
        scene.owner.email,
        "Export «Monthly to IS-E» konnte nicht geliefert werden",
    )
    assert f"/exports/tasks/{scene.task.id}" in letter.body
    assert task_of(session, scene).failures == 5
    assert task_of(session, scene).trouble_since is not None


def test_a_letter_that_waits_for_the_mail_server_is_withheld_when_he_may_export_no_more(
    session: Session, scene: Scene, fail: Fail, sessions: Sessions, tmp_path: Path
) -> None:
    guest = world.account(session, "guest@demo.example", Kind.AUTHORISATION, Kind.AUTO_EXPORT)
    world.licence(session, scene.owner, Kind.AUTHORISATION)
    grant = world.grant(session, scene.group, "manage", guest.email)
    for row in (scene.task, scene.destination, scene.formatter):
        row.owner_id = guest.id
    fail(3)
    grant.revoked_at = clock.now()
    session.commit()
    assert mail.send_due(sessions, f"folder://{tmp_path}/mail", "piquet@portal.example") == 0
    (letter,) = letters(session)
    session.refresh(letter)
    assert (letter.recipient, letter.sent_at, letter.body) == (guest.email, None, "")
    grant.revoked_at, letter.withheld_at, letter.body = None, None, "Once more"
    letter.not_before -= mail.LEASE
    session.commit()
    assert mail.send_due(sessions, f"folder://{tmp_path}/mail", "piquet@portal.example") == 1


def test_he_hears_of_the_pause_and_nothing_is_tried_any_more(
    session: Session, scene: Scene, fail: Fail, work: Work
) -> None:
    scene.task.pause_after = 4
    fail(4)
    assert subjects(session) == [
        "Export Monthly to IS-E could not be delivered",
        "Export Monthly to IS-E is paused",
    ]
    assert "paused after 4 failed attempts in a row" in letters(session)[1].body
    task = task_of(session, scene)
    assert task.paused_at is not None
    assert {"code": "failed", "step": "connect", "failures": 4}.items() <= task.paused_reason.items()
    wake(session)
    assert work() == 0
    assert [run.state for run in runs(session)] == ["due", "due"]


def test_he_hears_of_the_recovery_once(session: Session, scene: Scene, fail: Fail, recover: Work) -> None:
    scene.owner.language = "de"
    fail(3)
    assert recover() == 2
    assert subjects(session)[1:] == ["Export Monthly to IS-E übermittelt wieder"]
    assert "2026-03-28" in letters(session)[1].body
    task = task_of(session, scene)
    assert (task.failures, task.trouble_since, task.paused_at) == (0, None, None)


def test_what_he_was_not_told_of_recovers_in_silence(session: Session, scene: Scene, fail: Fail, recover: Work) -> None:
    fail(2)
    assert recover() == 2
    assert letters(session) == []
    assert task_of(session, scene).failures == 0


def test_after_the_pause_it_is_resumed_and_recovers(session: Session, scene: Scene, fail: Fail, recover: Work) -> None:
    scene.task.pause_after = 1
    fail(1)
    operations.resume(session, scene.owner, task_of(session, scene))
    session.commit()
    assert recover() == 2
    assert subjects(session) == ["Export Monthly to IS-E is paused", "Export Monthly to IS-E delivers again"]


def test_a_server_that_is_away_is_asked_for_one_period_alone(session: Session, fail: Fail, work: Work) -> None:
    fail(1)
    first, second = runs(session)
    assert (first.failures, second.failures) == (1, 0)
    assert second.not_before == first.not_before
    assert work() == 0


def test_a_file_that_is_refused_keeps_no_other_period(session: Session, scene: Scene, work: Work) -> None:
    scene.folder.chmod(0o555)
    plan(session)
    assert work() == 2
    assert [(run.state, run.reason["step"]) for run in runs(session)] == [("failed", "write")] * 2


@pytest.mark.parametrize(("pause_after", "given_up_at"), [(5, 20), (20, 20), (30, 30), (100, 100)])
def test_a_period_is_given_up_after_twenty_failures_but_not_before_the_pause(
    session: Session, scene: Scene, fail: Fail, pause_after: int, given_up_at: int
) -> None:
    fail(1)
    scene.task.pause_after = pause_after
    state = {"failures": given_up_at - 2}
    session.execute(sa.update(ExportRun).values(**state))
    session.execute(sa.update(ExportTask).values(failures=min(given_up_at, pause_after) - 2))
    fail(1)
    assert (runs(session)[0].state, task_of(session, scene).paused_at) == ("due", None)
    fail(1)
    assert runs(session)[0].state == "failed"
    assert task_of(session, scene).paused_at is not None


@pytest.mark.parametrize("step", ["login", "host_key"])
def test_what_only_people_mend_pauses_at_once(
    session: Session, scene: Scene, vault: Vault, work: Work, step: str
) -> None:
    if step == "login":
        scene.destination.sealed_secret = vault.seal(place(scene.destination), generate_key_pair("other").private)
    else:
        scene.destination.host_key_fingerprint = OTHER_KEY
    plan(session)
    assert work() == 1
    first, second = runs(session)
    assert (first.state, first.reason["step"], second.state) == ("failed", step, "due")
    assert subjects(session) == ["Export Monthly to IS-E is paused"]
    assert "paused after 1 failed attempt." in letters(session)[0].body
    assert task_of(session, scene).paused_reason["step"] == step
    wake(session)
    assert work() == 0


@pytest.fixture
def changed(session: Session, scene: Scene, work: Work) -> ExportTask:
    """A second task of the same destination, after the first one has met another host key there than confirmed."""
    columns = sa.inspect(ExportTask).mapper.column_attrs.keys()
    held = {name: getattr(scene.task, name) for name in columns if name not in ("id", "name")}
    other = ExportTask(**held, name="Daily copy")
    scene.destination.host_key_fingerprint = OTHER_KEY
    plan(session)
    assert work() >= 1
    session.add(other)  # planned later: of two tasks planned at once either may come first
    plan(session)
    work()
    session.refresh(scene.destination)
    return other


def test_a_changed_host_key_is_kept_and_told_once(
    session: Session, scene: Scene, changed: ExportTask, sshd: Sshd, work: Work
) -> None:
    shown = sshd.fingerprints["ssh-ed25519"]
    assert shown in (scene.destination.changed_to or "")
    assert scene.destination.changed_at is not None
    wake(session)
    work()
    found = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "destination.peer_changed"))
    (entry,) = found
    assert (entry.actor_id, entry.subject) == (None, f"destination/{scene.destination.id}")
    assert (entry.detail["before"], shown in entry.detail["fingerprint"]) == (OTHER_KEY, True)
    assert len(letters(session)) == 1
    assert shown in letters(session)[0].body
    assert OTHER_KEY in letters(session)[0].body


def test_a_changed_host_key_keeps_every_task_of_the_destination(
    session: Session, scene: Scene, changed: ExportTask
) -> None:
    found = [(run.state, run.reason.get("code")) for run in runs(session) if run.task_id == changed.id]
    assert found == [("waiting", "host_key")] * 2
    assert scene.files() == {}


def test_once_the_host_key_is_confirmed_both_tasks_deliver(
    session: Session, scene: Scene, changed: ExportTask, settings: Settings, work: Work
) -> None:
    fresh = look_at_peer(scene.destination, reach(settings))
    shown = (getattr(fresh, "type", ""), fresh.fingerprint)
    destinations.confirm_peer(session, scene.owner, scene.destination, shown, fresh)
    operations.resume(session, scene.owner, task_of(session, scene))
    wake(session)
    assert work() == 4
    assert {run.state for run in runs(session)} == {"delivered"}
    assert len(scene.files()) == 4
