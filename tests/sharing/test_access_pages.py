"""The pages about access: who may ask, what they answer, and that they tell nothing about accounts."""

import re
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account, UserGroupMember
from portal.core import clock
from portal.licences.models import Kind
from tests import world
from tests.statements import recorded
from tests.test_guards import TOKEN

Browser = Callable[[Account], FlaskClient]
DAY = timedelta(days=1)


def pages_of(place: SimpleNamespace) -> list[str]:
    group, station = f"/station-groups/{place.group.id}", f"/stations/{place.stations[0].id}"
    return [f"{group}/why", f"{group}/view-as", f"{station}/why", f"{station}/view-as", "/access"]


def test_the_owner_asks_and_is_answered_in_sentences(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    world.grant(session, place.group, "manage", place.users)
    session.commit()
    page = master.get(pages_of(place)[0], query_string={"email": " SUB@x.example ", "action": "connector:edit"}).text
    assert "Yes, sub@x.example may do this: edit its stations and connectors." in page
    assert "Master gave the user group “Piquet” the permission “Manage stations”" in page
    assert "manage, active, connector:edit" in page


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"revoked_at": clock.now() - DAY}, "It was revoked on"),
        ({"ends_at": clock.now() - DAY}, "It ended: its last day was"),
        ({"starts_at": clock.now() + DAY}, "It begins on"),
    ],
)
def test_what_is_missing_is_said(
    session: Session, place: SimpleNamespace, master: FlaskClient, fields: dict, sentence: str
) -> None:
    world.grant(session, place.group, "manage", "sub@x.example", **fields)
    session.commit()
    page = master.get(pages_of(place)[0], query_string={"email": "sub@x.example"}).text
    assert sentence in page
    assert "Yes," not in page


def test_nothing_tells_whether_an_address_has_an_account(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    world.account(session, "unverified@x.example", Kind.AUTHORISATION, verified=False)
    world.account(session, "unlicensed@x.example")
    addresses = ("unverified@x.example", "unlicensed@x.example", "unknown@x.example")
    now = clock.now()
    for email in addresses:
        world.grant(session, place.group, "manage", email, granted_at=now, starts_at=now - DAY)
        session.add(UserGroupMember(user_group_id=place.users.id, email=email, added_at=now))
    world.grant(session, place.group, "display", place.users, granted_at=now, starts_at=now - DAY)
    browser = logged_in(place.master)
    for url in pages_of(place):
        for action in ("station:view", "export:create"):
            assert len({seen(browser, url, email, action) for email in addresses}) == 1, (url, action)


def seen(browser: FlaskClient, url: str, email: str, action: str = "") -> str:
    """The page about the address, without the address and without those that are offered: they are the reader's."""
    page = TOKEN.sub("", browser.get(url, query_string={"email": email, "action": action}).text).replace("<wbr>", "")
    return re.sub("<datalist.*</datalist>", "", page.replace(email, "X").replace(quote(email), "X"))


def test_an_address_that_was_never_given_anything_looks_alike_with_and_without_account(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    browser = logged_in(place.master)
    for url in pages_of(place):
        assert len({seen(browser, url, email) for email in ("stranger@x.example", "nowhere@x.example")}) == 1, url


def test_an_administrator_may_ask_and_not_look_with_others_eyes(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    world.grant(session, place.group, "administrate", "sub@x.example")
    world.grant(session, place.group, "display", "third@x.example")
    browser = logged_in(place.sub)
    statuses = [browser.get(url, query_string={"email": "third@x.example"}).status_code for url in pages_of(place)]
    assert statuses == [200, 403, 200, 403, 200]
    asked = {"email": "third@x.example"}
    assert "third@x.example" in browser.get("/access", query_string=asked).text
    for url in pages_of(place)[::2][:2]:
        page = browser.get(url, query_string=asked).text
        assert "/access?email=third@x.example" in page, url
        assert "view-as" not in page, url


def test_an_administrator_is_offered_the_addresses_of_the_list_alone(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    session.add(UserGroupMember(user_group_id=place.users.id, email="secret@x.example"))
    world.grant(session, place.group, "administrate", "sub@x.example")
    world.grant(session, place.group, "display", place.users)
    assert "secret@x.example" not in logged_in(place.sub).get(pages_of(place)[0]).text
    assert "secret@x.example" in logged_in(place.master).get(pages_of(place)[0]).text


def test_the_page_of_a_person_shows_what_is_the_readers_alone(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    foreign = world.station_group(session, place.stranger, "Not yours")
    world.grant(session, foreign, "display", "sub@x.example")
    world.grant(session, place.group, "display", "sub@x.example")
    page = logged_in(place.master).get("/access", query_string={"email": "sub@x.example"}).text
    assert "Lugano Centro" in page
    assert "Not yours" not in page


def test_looking_as_somebody_shows_what_he_may_and_changes_no_session(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    world.grant(session, place.group, "display", "sub@x.example", hides_drivers=True)
    session.commit()
    group, station = (pages_of(place)[n] for n in (1, 3))
    page = master.get(group, query_string={"email": "sub@x.example"}).text
    assert "The drivers are hidden" in page
    assert "Station 1" in page
    there = master.get(station, query_string={"email": "sub@x.example"}).text
    assert "You look with the eyes of sub@x.example" in there
    assert "You can look at this, but not change it." in there
    assert f"/stations/{place.stations[0].id}/edit" not in there
    assert master.get(f"/stations/{place.stations[0].id}/edit").status_code == 200


def test_the_eyes_of_a_stranger_see_nothing(place: SimpleNamespace, master: FlaskClient) -> None:
    for url in (pages_of(place)[1], pages_of(place)[3]):
        assert "sees nothing of this" in master.get(url, query_string={"email": "stranger@x.example"}).text


def test_the_owner_who_looks_with_his_own_eyes_is_told_that_he_owns_it(
    place: SimpleNamespace, master: FlaskClient
) -> None:
    for url in (pages_of(place)[1], pages_of(place)[3]):
        page = master.get(url, query_string={"email": " Master@x.example"}).text
        assert "master@x.example is the owner: an owner has every right" in page, url
        assert "sees nothing of this" not in page, url


def test_a_licence_that_exporting_needs_besides_is_said_to_be_missing(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    world.grant(session, place.group, "administrate", "sub@x.example")
    asked = {"email": "sub@x.example", "action": "export:create"}
    missing, other = "your licence “Auto-export” is not active", "The other side must act before it opens."
    for url in (pages_of(place)[0], pages_of(place)[2]):
        own = logged_in(place.sub).get(url, query_string=asked).text
        assert missing in own, url
        assert 'name="kind" value="auto_export"' in own, "it is asked for in one click"
        assert "Not now. sub@x.example could do this" in own, url
        page = logged_in(place.master).get(url, query_string=asked).text
        assert other in page, url
        assert missing not in page, url
    world.licence(session, place.sub, Kind.AUTO_EXPORT)
    session.commit()
    page = logged_in(place.master).get(pages_of(place)[0], query_string=asked).text
    assert "Yes, sub@x.example may do this: set up exports." in page
    assert "needs the licence “Auto-export” himself" in page


def test_the_owner_without_the_licence_is_told_that_he_must_act(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    world.grant(session, place.group, "administrate", "sub@x.example")
    asked = {"email": "master@x.example", "action": "export:create"}
    own = logged_in(place.master).get(pages_of(place)[0], query_string=asked).text
    assert "your licence “Auto-export” is not active" in own
    assert "needs no licence" not in own
    assert "The owner must act." in logged_in(place.sub).get(pages_of(place)[0], query_string=asked).text


def test_what_is_no_address_is_refused(place: SimpleNamespace, master: FlaskClient) -> None:
    for url in pages_of(place):
        answer = master.get(url, query_string={"email": "<b>nobody"})
        assert answer.status_code == 422
        assert "Enter an e-mail address" in answer.text


def test_a_page_asks_few_questions(session: Session, place: SimpleNamespace, master: FlaskClient) -> None:
    for number in range(30):
        world.grant(session, world.station_group(session, place.master), "manage", "sub@x.example")
        world.grant(session, place.group, "manage", f"person{number}@x.example")
    world.grant(session, place.group, "manage", place.users)
    session.commit()
    for email in ("sub@x.example", "nobody@x.example"):
        for url in pages_of(place):
            with recorded() as statements:
                master.get(url, query_string={"email": email})
            assert len(statements) <= 12, (url, [text for text, _values in statements])
