"""A period that waits for days is told to the owner: once, with what is missing, and its delivery as well."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.links import Links
from portal.charging.models import Coverage
from portal.core import clock
from portal.core.config import Settings
from portal.core.mail import MailMessage
from portal.core.vault import Vault
from portal.exports import waiting
from portal.exports.models import ExportRun
from portal.workers.chores import Seldom
from tests import world
from tests.exports import scene as scenes
from tests.exports.conftest import Sessions
from tests.exports.scene import BEGINS_AT, Scene, plan, runs, wake
from tests.statements import recorded

Work = Callable[[], int]
LINKS = Links("key", "https://piquet.example")


@pytest.fixture
def work(session: Session, settings: Settings, vault: Vault, sessions: Sessions) -> Work:
    return lambda: scenes.work(session, settings, vault, sessions)


@pytest.fixture
def held_back(session: Session, scene: Scene, work: Work) -> Scene:
    """Both days wait: the values of the second charging point are missing from their middle on."""
    late = Coverage.connector_id == scene.connectors[1].id
    session.execute(sa.update(Coverage).where(late).values(ends_at=BEGINS_AT + timedelta(hours=12)))
    plan(session)
    work()
    assert {run.state for run in runs(session)} == {"waiting"}
    return scene


def age(session: Session, days: float) -> None:
    session.execute(sa.update(ExportRun).values(created_at=clock.now() - timedelta(days=days)))
    session.commit()


def told(session: Session) -> list[MailMessage]:
    waiting.tell(session, LINKS)
    waiting.tell(session, LINKS)
    session.commit()
    return list(session.scalars(sa.select(MailMessage).order_by(MailMessage.id)))


def test_it_is_told_once_which_meter_since_when_and_where_to_look(session: Session, held_back: Scene) -> None:
    age(session, 3.1)
    (letter,) = told(session)
    assert letter.recipient == held_back.owner.email
    assert "Monthly to IS-E has waited for days" in letter.subject
    assert "It waits for values of Centro · 2 from 2026-03-28 12:00 on." in letter.body
    assert "1 further period of it waits as well." in letter.body
    assert f"https://piquet.example/exports/tasks/{held_back.task.id}" in letter.body


def test_three_days_are_no_news(session: Session, held_back: Scene) -> None:
    age(session, 2.9)
    assert told(session) == []


def test_its_delivery_is_told_and_what_still_waits_afterwards(session: Session, held_back: Scene, work: Work) -> None:
    age(session, 4)
    told(session)
    late = Coverage.connector_id == held_back.connectors[1].id
    session.execute(sa.update(Coverage).where(late).values(ends_at=BEGINS_AT + timedelta(hours=30)))
    wake(session)
    work()
    assert [run.state for run in runs(session)] == ["delivered", "waiting"]
    assert ["delivers again" in letter.subject for letter in told(session)] == [False, True, False]
    assert "It waits for values of Centro · 2 from 2026-03-29 06:00 on." not in told(session)[0].body


def test_a_delivery_of_another_period_is_no_recovery(session: Session, held_back: Scene, work: Work) -> None:
    age(session, 4)
    told(session)
    session.execute(sa.update(ExportRun).where(ExportRun.id == runs(session)[0].id).values(created_at=clock.now()))
    scenes.cover(session, held_back.connectors[1], BEGINS_AT + timedelta(hours=20), BEGINS_AT + timedelta(days=4))
    wake(session)
    work()
    assert [run.state for run in runs(session)] == ["waiting", "delivered"]
    assert len(told(session)) == 1


def test_who_chose_a_fixed_hour_is_not_told_of_values(session: Session, held_back: Scene) -> None:
    held_back.task.trigger = "hours_after_end"
    age(session, 4)
    assert told(session) == []


def test_a_paused_task_waits_by_its_owners_choice(session: Session, held_back: Scene) -> None:
    held_back.task.paused_at = clock.now()
    age(session, 4)
    assert told(session) == []


@pytest.mark.parametrize(("reason", "words"), [
    ({"code": "identifier", "meter": "Centro · 1", "identifier": "metering_code", "of": 1}, "Centro · 1 has no"),
    ({"code": "no_connectors"}, "no charging point in Lugano"),
    ({"code": "no_driver", "user": "x@x.example"}, "knows no driver x@x.example"),
    ({"code": "host_key", "destination": "Utility"}, "of the destination Utility is not confirmed"),
    ({"code": "licence"}, "licence Auto-export is missing"),
])  # fmt: skip
def test_whatever_it_waits_for_is_said(
    session: Session, held_back: Scene, reason: dict[str, object], words: str
) -> None:
    session.execute(sa.update(ExportRun).values(reason=reason))
    age(session, 4)
    (letter,) = told(session)
    assert words in letter.body


def test_who_may_not_export_any_more_learns_no_meter(session: Session, held_back: Scene) -> None:
    guest = world.account(session, "guest@demo.example")
    held_back.task.owner_id = guest.id
    age(session, 4)
    assert told(session) == []


def test_a_second_scheduler_finds_what_the_first_one_wrote(
    session: Session, held_back: Scene, sessions: Sessions
) -> None:
    age(session, 4)
    assert len(told(session)) == 1
    session.commit()
    with sessions() as other:
        assert waiting.tell(other, LINKS) == 0


def test_the_look_takes_few_statements_and_is_seldom(session: Session, held_back: Scene) -> None:
    watch = Seldom(waiting.tell, waiting.LOOK_EVERY, waiting.AT_ONCE)
    age(session, 1)
    with recorded() as statements:
        assert (watch(session, LINKS), watch(session, LINKS)) == (0, 0)
    assert len(statements) == 1
