"""The pages that ask before something shrinks, extend in one click, and change or revoke what was ticked."""

import re
from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.core import clock
from portal.core.mail import MailMessage
from portal.sharing import operations
from portal.sharing.operations import Offer
from portal.stations.models import Grant, Permission
from tests import world
from tests.statements import recorded

DAY = timedelta(days=1)


def sharing(place: SimpleNamespace) -> str:
    return f"/station-groups/{place.group.id}/sharing"


def hidden(page: str) -> dict[str, list[str]]:
    """What the form of a page that asks sends along."""
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page):
        fields.setdefault(name, []).append(value)
    return fields


def live(session: Session) -> dict[str | None, str]:
    found = {row.email: row.role for row in session.scalars(sa.select(Grant).where(Grant.revoked_at.is_(None)))}
    session.commit()  # on SQLite an open transaction of the test would block the application's
    return found


@pytest.fixture
def pair(session: Session, place: SimpleNamespace) -> tuple[Grant, Grant]:
    """What the master gave to sub, and what sub gave under it."""
    top = world.grant(session, place.group, "administrate", place.sub.email)
    child = operations.give(session, place.sub, place.group, Offer(Permission.DISPLAY, "child@x.example"))
    session.commit()
    return top, child


def test_a_change_with_consequences_asks_first(
    session: Session, place: SimpleNamespace, pair: tuple[Grant, Grant], master: FlaskClient
) -> None:
    url = f"/grants/{pair[0].id}/change"
    page = master.post(url, data={"role": "manage"}).text
    assert "Nothing is changed yet." in page
    assert "child@x.example loses “Display stations”. 2 stations become invisible there." in page
    assert live(session) == {"sub@x.example": "administrate", "child@x.example": "display"}
    assert master.post(url, data=hidden(page)).status_code == 302
    assert live(session) == {"sub@x.example": "manage"}


def test_who_agreed_to_less_is_asked_again(
    session: Session, place: SimpleNamespace, pair: tuple[Grant, Grant], master: FlaskClient
) -> None:
    url = f"/grants/{pair[0].id}/change"
    fields = hidden(master.post(url, data={"role": "manage"}).text)
    operations.give(session, place.sub, place.group, Offer(Permission.MANAGE, "second@x.example"))
    session.commit()
    page = master.post(url, data=fields).text
    assert "second@x.example loses “Manage stations”" in page
    assert len(live(session)) == 3


def test_a_change_without_consequences_saves_at_once(
    session: Session, place: SimpleNamespace, pair: tuple[Grant, Grant], master: FlaskClient
) -> None:
    assert master.post(f"/grants/{pair[1].id}/change", data={"role": "manage"}).status_code == 302
    assert live(session)["child@x.example"] == "manage"


def test_a_form_of_before_changes_nothing(
    session: Session, place: SimpleNamespace, pair: tuple[Grant, Grant], master: FlaskClient
) -> None:
    form = master.get(f"/grants/{pair[1].id}/change").text
    seen = re.findall(r'name="seen"[^>]*value="(\w+)"', form)
    pair[1].ends_at = clock.now() + 5 * DAY
    session.commit()
    answer = master.post(f"/grants/{pair[1].id}/change", data={"role": "manage", "seen": seen[0]})
    assert answer.status_code == 422
    assert "was changed meanwhile" in answer.text


def test_a_second_permission_for_the_same_address_is_said(
    session: Session, place: SimpleNamespace, pair: tuple[Grant, Grant], master: FlaskClient
) -> None:
    data = {"email": "child@x.example", "role": "manage"}
    answer = master.post(sharing(place) + "/add", data=data)
    assert answer.status_code == 422
    assert "This group is open there already" in answer.text
    assert f"/grants/{pair[1].id}/change" in answer.text
    assert len(live(session)) == 2
    assert master.post(sharing(place) + "/add", data=data | {"besides": "y"}).status_code == 302


def test_a_duration_goes_before_the_last_day(session: Session, place: SimpleNamespace, master: FlaskClient) -> None:
    data = {"email": "a@x.example", "role": "display", "lasts": "week", "ends_on": "2099-01-01"}
    master.post(sharing(place) + "/add", data=data)
    grant = session.scalars(sa.select(Grant)).one()
    assert grant.ends_at
    assert timedelta(days=7) < grant.ends_at - clock.now() <= timedelta(days=8, hours=1)


def test_a_piquet_week_is_planned_and_shown_so(session: Session, place: SimpleNamespace, master: FlaskClient) -> None:
    data = {"email": "a@x.example", "role": "display", "lasts": "week", "starts_on": "2098-11-03"}
    master.post(sharing(place) + "/add", data=data)
    page = master.get(sharing(place)).text
    assert "Planned" in page
    assert "from Nov 3, 2098" in page or "from 3 Nov 2098" in page
    assert "Nov 9, 2098" in page or "9 Nov 2098" in page


def test_the_form_proposes_the_default_and_refuses_beyond_the_maximum(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    assert master.post("/profile/durations", data={"grant_default_days": 14, "grant_most_days": 30}).status_code == 302
    assert re.search(r'name="ends_on"[^>]*value="\d{4}-\d\d-\d\d"', master.get(sharing(place) + "/add").text)
    answer = master.post(sharing(place) + "/add", data={"email": "a@x.example", "role": "display", "lasts": "year"})
    assert answer.status_code == 422
    assert "30 days of access at most" in answer.text
    assert master.post("/profile/durations", data={"grant_default_days": 40, "grant_most_days": 30}).status_code == 422
    assert master.post("/profile/durations", data={"grant_most_days": 0}).status_code == 422


def test_one_button_extends(session: Session, place: SimpleNamespace, master: FlaskClient) -> None:
    now = clock.now()
    grant = world.grant(
        session, place.group, "display", place.sub.email, starts_at=now - 4 * DAY, ends_at=now + 3 * DAY
    )
    before = grant.ends_at
    session.commit()
    assert "Extend until" in master.get(f"/grants/{grant.id}/extend").text
    assert master.post(f"/grants/{grant.id}/extend").status_code == 302
    session.refresh(grant)
    assert grant.ends_at is not None
    assert before is not None
    assert grant.ends_at > before + 6 * DAY
    assert session.scalars(sa.select(MailMessage)).one().recipient == place.sub.email


def test_the_list_extends_with_one_click_what_ends_soon(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    now, page = clock.now(), f"/station-groups/{place.group.id}/sharing"
    ends = {"soon": (100, 6), "later": (100, 8), "short": (6, 0.5), "short, later": (6, 2), "planned": (-1, 5)}
    grants = {
        name: world.grant(
            session,
            place.group,
            "display",
            f"{name[:5]}{days[1]}@x.example",
            starts_at=now - days[0] * DAY,
            ends_at=now + days[1] * DAY,
        )
        for name, days in ends.items()
    }
    world.grant(session, place.group, "display", "endless@x.example")
    session.commit()
    shown = master.get(page).text
    buttons = {name for name, grant in grants.items() if f'formaction="/grants/{grant.id}/extend"' in shown}
    assert buttons == {"soon", "short"}
    answer = master.post(f"/grants/{grants['soon'].id}/extend", follow_redirects=True).text
    assert "now lasts until" in answer
    assert "Who holds it is told by mail." in answer
    assert f'formaction="/grants/{grants["soon"].id}/extend"' not in answer


def test_what_cannot_be_extended_says_why(session: Session, place: SimpleNamespace, master: FlaskClient) -> None:
    grant = world.grant(session, place.group, "display", "a@x.example")
    session.commit()
    assert "This authorisation has no end." in master.get(f"/grants/{grant.id}/extend").text
    assert master.post(f"/grants/{grant.id}/extend").status_code == 422


def test_ticked_grants_are_revoked_together(
    session: Session, place: SimpleNamespace, pair: tuple[Grant, Grant], master: FlaskClient
) -> None:
    beside = world.grant(session, place.group, "display", "beside@x.example")
    session.commit()
    ticked = f"{sharing(place)}/revoke?grant={pair[0].id}&grant={beside.id}"
    page = master.get(ticked).text
    assert "Revoke 2 authorisations" in page
    assert "1 authorisation that was given under it ends too." in page
    assert len(live(session)) == 3
    answer = master.post(sharing(place) + "/revoke", data=hidden(page), follow_redirects=True)
    assert "3 authorisations have ended" in answer.text
    assert live(session) == {}


def test_ticked_grants_are_changed_together_after_a_page_that_says_how(
    session: Session, place: SimpleNamespace, pair: tuple[Grant, Grant], master: FlaskClient
) -> None:
    beside = world.grant(session, place.group, "display", "beside@x.example")
    session.commit()
    data = {"grant": [pair[0].id, beside.id], "role": "manage", "end": "day", "lasts": "month"}
    page = master.post(sharing(place) + "/change", data=data).text
    assert "2 authorisations are changed" in page
    assert "beside@x.example: “Display stations” becomes “Manage stations”, last day" in page
    assert "child@x.example loses" in page
    assert live(session)["beside@x.example"] == "display"
    assert master.post(sharing(place) + "/change", data=hidden(page)).status_code == 302
    assert live(session) == {"sub@x.example": "manage", "beside@x.example": "manage"}


def test_one_that_cannot_be_changed_keeps_all_as_they_are(
    session: Session, place: SimpleNamespace, pair: tuple[Grant, Grant], sub: FlaskClient
) -> None:
    data = {"grant": [pair[1].id, pair[0].id], "role": "manage", "end": "keep"}
    answer = sub.post(sharing(place) + "/change", data=data)
    assert answer.status_code == 422
    assert "Nothing is changed. sub@x.example:" in answer.text
    assert live(session) == {"sub@x.example": "administrate", "child@x.example": "display"}


@pytest.mark.parametrize("ticked", ["", "?grant=", "?grant=x", "?grant=99999999999", "?grant=-1", "?grant=4711"])
def test_nothing_ticked_leads_back(place: SimpleNamespace, master: FlaskClient, ticked: str) -> None:
    for verb in ("revoke", "change"):
        assert master.get(f"{sharing(place)}/{verb}{ticked}").location == sharing(place)


def test_grants_of_another_group_are_passed_over(
    session: Session, place: SimpleNamespace, pair: tuple[Grant, Grant], master: FlaskClient
) -> None:
    theirs = world.grant(session, world.station_group(session, place.stranger), "display", "x@x.example")
    session.commit()
    page = master.get(f"{sharing(place)}/revoke?grant={theirs.id}&grant={pair[1].id}").text
    assert "x@x.example" not in page
    assert hidden(page)["grant"] == [str(pair[1].id)]


def test_the_list_is_searched_by_recipient_and_giver(
    session: Session, place: SimpleNamespace, pair: tuple[Grant, Grant], master: FlaskClient
) -> None:
    world.grant(session, place.group, "display", place.users)
    session.commit()
    for text, found in (("CHILD", ["child"]), ("pique", ["Piquet"]), ("sub@", ["child", "sub"]), ("100%", [])):
        page = master.get(sharing(place), query_string={"q": text}).text
        rows = re.findall(r'aria-label="Choose ([^"@]+)', page)
        assert sorted(rows) == found, text


def test_the_pages_about_many_ask_few_questions(session: Session, place: SimpleNamespace, master: FlaskClient) -> None:
    ids = [world.grant(session, place.group, "display", f"a{number}@x.example").id for number in range(40)]
    session.commit()
    query = "&".join(f"grant={row_id}" for row_id in ids)
    for verb in ("revoke", "change"):
        with recorded() as statements:
            assert master.get(f"{sharing(place)}/{verb}?{query}").status_code == 200
        assert len(statements) <= 12, verb
