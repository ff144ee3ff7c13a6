"""The daily digest: once a local day, at seven in the reader's zone, with what needs him and what was delivered."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.links import Links
from portal.accounts.models import Account
from portal.charging import changes
from portal.charging.models import Coverage
from portal.core import clock, mail
from portal.core.audit import AuditEntry
from portal.core.config import Settings
from portal.core.mail import MailMessage
from portal.core.vault import Vault
from portal.exports import digests, notices
from portal.exports.models import ExportNotice, ExportRun
from portal.licences.models import Kind
from tests import world
from tests.exports import scene as scenes
from tests.exports.conftest import Sessions
from tests.exports.scene import BEGINS_AT, Scene, charge, plan, runs

LogIn = Callable[[Account], FlaskClient]
Work = Callable[[], int]
LINKS = Links("key", "https://piquet.example")
DAY = timedelta(days=1)


@pytest.fixture
def work(session: Session, settings: Settings, vault: Vault, sessions: Sessions) -> Work:
    return lambda: scenes.work(session, settings, vault, sessions)


def morning(hour: float = 6, days: int = 0) -> datetime:
    """An hour UTC of the day whose morning in Zurich comes next, when all that a test does is over."""
    here = clock.now().astimezone(ZoneInfo("Europe/Zurich"))
    coming = here.date() if here.hour < digests.HOUR else here.date() + DAY
    return datetime.combine(coming, time(), UTC) + timedelta(hours=hour, days=days)


def sent(session: Session, at: datetime) -> list[MailMessage]:
    digests.send(session, LINKS, at)
    session.commit()
    found = sa.select(MailMessage).where(MailMessage.subject.startswith("Exports:")).order_by(MailMessage.id)
    return list(session.scalars(found).all())


@pytest.mark.parametrize("revoked", [True, False])
def test_a_digest_is_withheld_when_he_may_export_no_more(
    session: Session, scene: Scene, sessions: Sessions, tmp_path: Path, *, revoked: bool
) -> None:
    guest = world.account(session, "guest@demo.example", Kind.AUTHORISATION, Kind.AUTO_EXPORT)
    world.licence(session, scene.owner, Kind.AUTHORISATION)
    grant = world.grant(session, scene.group, "manage", guest.email)
    scene.task.owner_id = guest.id
    notices.choose_digest(session, guest, "daily")
    plan(session)
    run = runs(session)[0]
    run.state, run.delivered_at, run.energy_wh = "delivered", morning(-12), 4000
    session.commit()
    (letter,) = sent(session, morning())
    assert (letter.recipient, "4.00 kWh" in letter.body) == (guest.email, True)
    grant.revoked_at = clock.now() if revoked else None
    session.commit()
    assert mail.send_due(sessions, f"folder://{tmp_path}/mail", "piquet@portal.example") == (not revoked)
    session.refresh(letter)
    assert (letter.withheld_at is not None, letter.body == "") == (revoked, revoked)


@pytest.fixture
def daily(session: Session, scene: Scene) -> Scene:
    notices.choose_digest(session, scene.owner, "daily")
    session.commit()
    return scene


def test_it_tells_what_was_delivered(session: Session, daily: Scene, work: Work) -> None:
    plan(session)
    work()
    (letter,) = sent(session, morning())
    assert (letter.recipient, letter.subject) == (daily.owner.email, "Exports: all is well")
    assert "- Monthly to IS-E: 2 files, 4.21 kWh" in letter.body
    assert "https://piquet.example/exports/notices" in letter.body


def test_it_comes_once_a_local_day_and_not_before_seven(session: Session, daily: Scene) -> None:
    daily.owner.time_zone = "Asia/Tokyo"  # seven there is 22 UTC
    assert [len(sent(session, morning(hour))) for hour in (21.9, 22.1, 23.5, 30)] == [0, 1, 1, 1]
    assert [len(sent(session, morning(hour, 1))) for hour in (21.9, 22.1)] == [1, 2]
    assert session.get_one(ExportNotice, daily.owner.id).digest_on == (morning(22.1, 1) + timedelta(hours=9)).date()


def test_what_one_tells_the_next_one_does_not(session: Session, daily: Scene, work: Work) -> None:
    plan(session)
    work()
    sent(session, morning())
    last = sent(session, morning(days=1))[-1]
    assert "Nothing was delivered since" in last.body


def test_as_usual_it_comes_only_when_something_needs_the_owner(session: Session, scene: Scene, work: Work) -> None:
    plan(session)
    work()
    assert sent(session, morning()) == []
    runs(session)[0].state = "failed"
    runs(session)[0].reason = {"code": "failed", "step": "write", "message": "x", "template": "Disk full", "params": {}}
    session.commit()
    (letter,) = sent(session, morning(days=1))
    assert letter.subject == "Exports: 1 matter needs you"
    assert "- Monthly to IS-E: Error\n  Disk full\n  https://piquet.example/exports/tasks/" in letter.body


def test_corrections_to_confirm_are_in_it(session: Session, scene: Scene, work: Work) -> None:
    plan(session)
    work()
    at = BEGINS_AT + timedelta(hours=10)
    charge(session, scene.connectors[0], at, 250)
    changes.note(session, [(scene.connectors[0].id, at, at + timedelta(minutes=15))])
    plan(session)
    (letter,) = sent(session, morning())
    assert "1 period, +0.25 kWh" in letter.body
    assert f"/exports/tasks/{scene.task.id}?state=proposed" in letter.body


def test_a_pause_by_its_owner_needs_nobody_and_one_by_failures_does(session: Session, scene: Scene) -> None:
    scene.task.paused_at = clock.now()
    session.commit()
    assert sent(session, morning()) == []
    scene.task.paused_reason = {"code": "failed", "template": "No such host", "params": {}, "failures": 20}
    session.commit()
    (letter,) = sent(session, morning(days=1))
    assert "Paused\n  No such host" in letter.body


def test_a_wait_of_hours_needs_nobody_and_one_of_days_does(session: Session, scene: Scene, work: Work) -> None:
    session.execute(sa.update(Coverage).values(ends_at=BEGINS_AT + timedelta(hours=1)))
    plan(session)
    work()
    assert sent(session, morning()) == []
    session.execute(sa.update(ExportRun).values(created_at=clock.now() - 4 * DAY))
    session.commit()
    (letter,) = sent(session, morning(days=1))
    assert "It waits for values of 2 meters, such as Centro · 1 from 2026-03-28 01:00 on." in letter.body


def test_who_may_not_export_any_more_reads_no_meter(session: Session, scene: Scene, work: Work) -> None:
    session.execute(sa.update(Coverage).values(ends_at=BEGINS_AT + timedelta(hours=1)))
    plan(session)
    work()
    guest = world.account(session, "guest@demo.example")
    scene.task.owner_id = guest.id
    session.commit()
    (letter,) = sent(session, morning())
    assert "Stopped" in letter.body
    assert "Centro" not in letter.body
    assert scene.group.name not in letter.body


def test_never_means_never(session: Session, scene: Scene) -> None:
    notices.choose_digest(session, scene.owner, "never")
    scene.task.paused_at, scene.task.paused_reason = clock.now(), {"code": "failed"}
    session.commit()
    assert sent(session, morning()) == []


def test_it_is_written_in_the_readers_language(session: Session, daily: Scene) -> None:
    daily.owner.language = "de"
    digests.send(session, LINKS, morning())
    (letter,) = session.scalars(sa.select(MailMessage))
    assert letter.subject == "Exporte: alles in Ordnung"


def test_two_schedulers_send_it_once(session: Session, daily: Scene, sessions: Sessions) -> None:
    due = digests._due(session, date(2030, 1, 1), ["Europe/Zurich"], 10)
    assert [account.id for account, _, _ in due] == [daily.owner.id]
    session.commit()
    with sessions() as other:
        assert digests._take(other, daily.owner.id, date(2030, 1, 1))
        other.commit()
    assert not digests._take(session, daily.owner.id, date(2030, 1, 1))


def test_who_has_no_task_gets_none(session: Session, scene: Scene) -> None:
    other = world.account(session, "other@demo.example")
    notices.choose_digest(session, other, "daily")
    notices.choose_digest(session, scene.owner, "never")
    session.commit()
    assert sent(session, morning()) == []


def test_it_is_chosen_on_a_page_and_noted(session: Session, scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.owner)
    assert re.search(r'checked[^>]*value="attention"', browser.get("/exports/notices").text)
    assert browser.post("/exports/notices", data={"digest": "daily"}).location == "/exports/notices"
    assert browser.post("/exports/notices", data={"digest": "hourly"}).status_code == 422
    session.expire_all()
    assert session.get_one(ExportNotice, scene.owner.id).digest == "daily"
    (entry,) = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "export.digest_chosen"))
    assert entry.detail["changed"] == {"digest": ["attention", "daily"]}
    assert "Only when something needs me" in browser.get("/audit").text
