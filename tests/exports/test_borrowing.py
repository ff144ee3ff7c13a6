"""Tasks on destinations and formatters that are lent by name."""

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
from portal.delivery.models import DestinationLoan
from portal.exports.models import ExportAttempt, FormatterLoan
from portal.licences.models import Kind
from tests import world
from tests.exports import scene as scenes
from tests.exports.scene import Scene, plan, runs

LogIn = Callable[[Account], FlaskClient]
Work = Callable[[], int]
BORROWER = "borrower@demo.example"


@pytest.fixture
def work(session: Session, settings: Settings, vault: Vault, sessions: Any) -> Work:
    return lambda: scenes.work(session, settings, vault, sessions)


@pytest.fixture
def borrower(session: Session, scene: Scene) -> Account:
    """Manages the owner's group, and has nothing of his own."""
    world.licence(session, scene.owner, Kind.AUTHORISATION)
    account = world.account(session, BORROWER, Kind.AUTHORISATION, Kind.AUTO_EXPORT)
    world.grant(session, scene.group, "manage", BORROWER)
    return account


@pytest.fixture
def lent(session: Session, scene: Scene, borrower: Account) -> tuple[DestinationLoan, FormatterLoan]:
    """Both parts of the owner's task."""
    loans = scenes.lend(session, scene, BORROWER)
    scene.task.owner_id = borrower.id
    session.commit()
    return loans


def form(scene: Scene) -> dict[str, object]:
    return {
        "name": "Borrowed", "station_group": scene.group.id, "scope": "charging_points", "user": scene.owner.email,
        "formatter": scene.formatter.id, "destination": scene.destination.id, "interval": "daily",
        "trigger": "all_values", "hours_after_end": 12, "starts_on": "2026-03-28", "ends_on": "2026-03-29",
        "time_zone": "Europe/Zurich", "corrections": "confirm", "pause_after": 20, "periods_per_file": 1,
    }  # fmt: skip


@pytest.mark.usefixtures("lent")
def test_both_parts_are_offered_by_name_and_taken(scene: Scene, borrower: Account, logged_in: LogIn) -> None:
    browser = logged_in(borrower)
    page = browser.get("/exports/tasks/new").text
    for part in (scene.destination, scene.formatter):
        assert f"{part.name} (lent by {scene.owner.email})" in page
    assert browser.post("/exports/tasks/new", data=form(scene)).status_code == 302


def test_what_is_not_lent_is_refused(scene: Scene, session: Session, borrower: Account, logged_in: LogIn) -> None:
    own = scenes.add_formatter(session, borrower)
    session.commit()
    answer = logged_in(borrower).post("/exports/tasks/new", data=form(scene) | {"formatter": own.id})
    assert answer.status_code == 422


@pytest.mark.usefixtures("lent")
def test_a_borrowed_destination_is_delivered_to(session: Session, scene: Scene, work: Work) -> None:
    plan(session)
    work()
    assert [run.state for run in runs(session)] == ["delivered", "delivered"]


@pytest.mark.parametrize("number", [0, 1])
def test_what_was_taken_back_keeps_the_next_run(
    session: Session, lent: tuple[Any, Any], borrower: Account, logged_in: LogIn, work: Work, scene: Scene, number: int
) -> None:
    lent[number].ended_at = clock.now()
    plan(session)
    work()
    assert {(run.state, run.reason["code"]) for run in runs(session)} == {("waiting", "not_lent")}
    assert scene.files() == {}
    assert "is no longer lent to you" in logged_in(borrower).get(f"/exports/tasks/{scene.task.id}").text


@pytest.mark.usefixtures("lent")
@pytest.mark.parametrize(("field", "value"), [("directory", "secret-place"), ("host", "secret-host.example")])
def test_a_failure_is_told_without_the_servers_words(
    session: Session, scene: Scene, borrower: Account, logged_in: LogIn, work: Work, field: str, value: str
) -> None:
    setattr(scene.destination, field, value)
    scene.destination.username = "secret-user"
    plan(session)
    for _ in range(3):
        scenes.wake(session)
        work()
    run, browser = runs(session)[0], logged_in(borrower)
    pages = [browser.get(url).text for url in (f"/exports/tasks/{scene.task.id}", f"/exports/runs/{run.id}")]
    kept = [*session.scalars(sa.select(ExportAttempt.message)), *session.scalars(sa.select(MailMessage.body))]
    assert "The server of this destination" in pages[0]
    assert "Ask who lent it to you" in pages[0]
    for text in (*pages, *kept, str(run.reason)):
        for hidden in ("secret", scene.destination.host):
            assert hidden not in text, text


def test_a_formatter_is_lent_and_taken_back(
    session: Session, scene: Scene, borrower: Account, logged_in: LogIn
) -> None:
    owner, other = logged_in(scene.owner), logged_in(borrower)
    url = f"/exports/formatters/{scene.formatter.id}"
    assert owner.post(f"{url}/lend", data={"email": f" {BORROWER.upper()}"}).status_code == 302
    assert BORROWER in owner.get(f"{url}/lend").text
    listed = other.get("/exports/formatters").text
    assert scene.formatter.name in listed
    assert scene.owner.email in listed
    for path in ("", "/lend", "/delete"):
        assert other.get(f"{url}{path}").status_code == 404
    loan = session.scalars(sa.select(FormatterLoan)).one()
    end = f"{url}/loans/{loan.id}/end"
    session.commit()
    assert other.post(end).status_code == 404
    assert owner.post(end).status_code == 302
    assert scene.formatter.name not in other.get("/exports/formatters").text


@pytest.mark.parametrize("email", ["", "nobody", "owner@demo.example", BORROWER])
def test_a_formatter_is_not_lent_to_everything(session: Session, scene: Scene, logged_in: LogIn, email: str) -> None:
    session.add(FormatterLoan(formatter_id=scene.formatter.id, email=BORROWER, lent_by_id=scene.owner.id))
    session.commit()
    answer = logged_in(scene.owner).post(f"/exports/formatters/{scene.formatter.id}/lend", data={"email": email})
    assert answer.status_code == 422
    assert 'id="email-error"' in answer.text
