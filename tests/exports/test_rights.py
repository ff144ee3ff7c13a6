"""A task whose owner may no longer export: it stops at every point on the way, says so, and goes on by itself."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock
from portal.core.config import Settings
from portal.core.mail import MailMessage
from portal.core.vault import Vault
from portal.exports.models import ExportRun
from portal.licences.models import Kind, Licence
from portal.stations.models import Grant
from portal.transports import DeliveryError
from portal.transports.sftp_session import SftpSession
from tests import world
from tests.exports import scene as scenes
from tests.exports.conftest import Sessions
from tests.exports.scene import Scene, plan, runs, wake

Work = Callable[[], int]
LogIn = Callable[[Account], FlaskClient]


@pytest.fixture
def work(session: Session, settings: Settings, vault: Vault, sessions: Sessions) -> Work:
    def go() -> int:
        session.commit()
        wake(session)
        return scenes.work(session, settings, vault, sessions)

    return go


@pytest.fixture
def guest(session: Session, scene: Scene) -> Account:
    """The owner of the task: a sub-account to whom the group is open with Manage."""
    guest = world.account(session, "guest@demo.example", Kind.AUTO_EXPORT, Kind.AUTHORISATION)
    world.licence(session, scene.owner, Kind.AUTHORISATION)
    world.grant(session, scene.group, "manage", guest.email)
    for part in (scene.task, scene.formatter, scene.destination):
        part.owner_id = guest.id
    session.commit()
    return guest


def revoke(session: Session) -> None:
    session.execute(sa.update(Grant).values(revoked_at=clock.now()))
    session.commit()


def give_back(session: Session) -> None:
    session.execute(sa.update(Grant).values(revoked_at=None))
    session.commit()


def letters(session: Session) -> list[MailMessage]:
    found = list(session.scalars(sa.select(MailMessage)))
    session.commit()
    return found


def at(monkeypatch: pytest.MonkeyPatch, method: str, do: Callable[[], None], *, before: bool = False) -> None:
    """Something happens right before or after this step at the server, once."""
    original, done = getattr(SftpSession, method), []

    def stepping(self: SftpSession, *arguments: Any, **named: Any) -> Any:
        if before and not done:
            done.append(do())
        answer = original(self, *arguments, **named)
        if not before and not done:
            done.append(do())
        return answer

    monkeypatch.setattr(SftpSession, method, stepping)


def test_a_revocation_before_the_claim_stops_it_and_the_right_lets_it_catch_up(
    session: Session, scene: Scene, guest: Account, work: Work
) -> None:
    plan(session)
    revoke(session)
    work()
    assert (scene.files(), scene.left_over()) == ({}, [])
    assert {str(run.reason) for run in runs(session)} == {"{'code': 'permission'}"}
    give_back(session)
    work()
    assert len(scene.files()) == 2


def test_a_file_built_before_the_revocation_is_not_sent(
    session: Session, scene: Scene, guest: Account, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(session)
    with monkeypatch.context() as broken:
        broken.setattr(SftpSession, "upload", _refuse)
        work()
    built = {run.files[0].sha256 for run in runs(session)}
    revoke(session)
    work()
    assert (scene.files(), scene.left_over()) == ({}, [])
    assert {run.state for run in runs(session)} == {"waiting"}
    give_back(session)
    work()
    assert {run.files[0].sha256 for run in runs(session)} == built
    assert len(scene.files()) == 2


def _refuse(*_arguments: object) -> None:
    raise DeliveryError("write", "The server ended the connection.")


def test_a_revocation_between_building_and_sending_is_seen(
    session: Session, scene: Scene, guest: Account, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.exports.delivering import Delivery

    original = Delivery._keep

    def keeping(*arguments: Any) -> None:
        original(*arguments)
        revoke(session)

    plan(session)
    with monkeypatch.context() as patched:
        patched.setattr(Delivery, "_keep", keeping)
        work()
    assert (scene.files(), scene.left_over()) == ({}, [])
    first = runs(session)[0]
    assert (first.state, first.reason, first.built_at is not None) == ("waiting", {"code": "permission"}, True)


def test_a_revocation_during_the_upload_takes_the_temporary_file_back(
    session: Session, scene: Scene, guest: Account, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(session)
    with monkeypatch.context() as patched:
        at(patched, "upload", lambda: revoke(session))
        work()
    assert (scene.files(), scene.left_over()) == ({}, [])
    assert [run.state for run in runs(session)] == ["waiting"] * 2
    assert [file.temporary_name for run in runs(session) for file in run.files] == [None]
    give_back(session)
    work()
    assert len(scene.files()) == 2
    assert {run.state for run in runs(session)} == {"delivered"}


def test_what_was_published_before_the_revocation_counts_as_delivered(
    session: Session, scene: Scene, guest: Account, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(session)

    class Killed(BaseException):
        pass

    def killed() -> None:
        raise Killed

    with monkeypatch.context() as patched:
        at(patched, "publish", killed)
        with pytest.raises(Killed):
            work()
    revoke(session)
    work()
    first, second = runs(session)
    assert (first.state, first.unconfirmed) == ("delivered", False)
    assert second.state == "waiting"
    assert len(scene.files()) == 1


def test_who_set_it_up_is_told_once_until_it_goes_on(
    session: Session, scene: Scene, guest: Account, work: Work
) -> None:
    plan(session)
    revoke(session)
    for _ in range(3):
        work()
    (letter,) = letters(session)
    assert letter.recipient == guest.email
    assert "has stopped" in letter.subject
    assert "You may no longer export its station group." in letter.body
    assert f"/exports/tasks/{scene.task.id}" in letter.body
    assert scene.group.name not in letter.body


@pytest.mark.parametrize(("lacking", "mine", "his"), [
    ("grant", "You may no longer export", "may no longer export Lugano"),
    ("guest", "Your licence Authorisation is not active", "is not ready"),
    ("owner", "The other side of", "Your licence Authorisation is not active"),
])  # fmt: skip
def test_the_status_says_who_must_act_to_both_sides(
    session: Session, scene: Scene, guest: Account, logged_in: LogIn, lacking: str, mine: str, his: str
) -> None:
    if lacking == "grant":
        revoke(session)
    else:
        account = guest if lacking == "guest" else scene.owner
        of = (Licence.account_id == account.id, Licence.kind == Kind.AUTHORISATION)
        session.execute(sa.update(Licence).where(*of).values(ends_at=clock.now()))
    for who, words in ((guest, mine), (scene.owner, his)):
        browser = logged_in(who)
        for page in ("/exports", f"/exports/tasks/{scene.task.id}"):
            text = browser.get(page).text
            assert "Stopped" in text
            assert words in text


def test_the_owner_is_led_to_where_he_can_let_it_go_on(
    session: Session, scene: Scene, guest: Account, logged_in: LogIn
) -> None:
    revoke(session)
    page = logged_in(scene.owner).get(f"/exports/tasks/{scene.task.id}").text
    assert f'href="/station-groups/{scene.group.id}/' in page
    assert "Guest may no longer export Lugano" in page


def test_who_lost_the_group_keeps_the_record_and_not_the_files(
    session: Session, scene: Scene, guest: Account, work: Work, logged_in: LogIn
) -> None:
    plan(session)
    work()
    run = session.scalars(sa.select(ExportRun)).first()
    assert run is not None
    browser = logged_in(guest)
    file, page = f"/exports/runs/{run.id}/files/0", f"/exports/runs/{run.id}"
    assert browser.get(file).status_code == 200
    revoke(session)
    assert browser.get(file).status_code == 403
    assert browser.get(page).status_code == 200
    assert file not in browser.get(page).text + browser.get(f"/exports/tasks/{scene.task.id}").text
    assert logged_in(scene.owner).get(file).status_code == 200


def test_who_lost_the_group_does_not_learn_its_new_name(
    session: Session, scene: Scene, guest: Account, logged_in: LogIn
) -> None:
    revoke(session)
    scene.group.name = "OTHERNAME"
    browser = logged_in(guest)
    for page in ("/", "/exports", f"/exports/tasks/{scene.task.id}", f"/exports/tasks/{scene.task.id}/edit"):
        assert "OTHERNAME" not in browser.get(page).text
    assert "that is not shared with you" in browser.get("/exports").text


def test_the_file_on_a_driver_is_closed_once_the_drivers_are_hidden(
    session: Session, scene: Scene, guest: Account, work: Work, logged_in: LogIn
) -> None:
    known = scenes.add_driver(session, scene.owner, "driver@demo.example")
    scenes.charge(session, scene.connectors[0], scenes.BEGINS_AT, 333, driver=known)
    scene.task.scope, scene.task.user_id = "driver", world.account(session, known.email or "").id
    plan(session)
    work()
    run = runs(session)[0]
    assert run.state == "delivered"
    browser = logged_in(guest)
    assert browser.get(f"/exports/runs/{run.id}/files/0").status_code == 200
    session.execute(sa.update(Grant).values(hides_drivers=True))
    session.commit()
    assert browser.get(f"/exports/runs/{run.id}/files/0").status_code == 403
    for page in ("/exports", f"/exports/tasks/{scene.task.id}", f"/exports/tasks/{scene.task.id}/edit"):
        assert "driver@demo.example" not in browser.get(page).text
    assert "no longer shows you its drivers" in browser.get("/exports").text


def test_a_second_standing_that_shows_drivers_lets_it_go_on_and_one_that_may_not_export_does_not(
    session: Session, scene: Scene, guest: Account
) -> None:
    from portal.exports import rights

    scene.task.scope = "driver"
    session.execute(sa.update(Grant).values(hides_drivers=True))
    world.grant(session, scene.group, "display", guest.email)
    assert rights.stops(session, [scene.task]) == {scene.task.id: {"code": "drivers_hidden"}}
    world.grant(session, scene.group, "manage", guest.email)
    assert rights.stops(session, [scene.task]) == {}
