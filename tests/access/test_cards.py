"""RFID cards of an account and of its user groups."""

import io
from collections.abc import Callable
from itertools import count

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.access import cards
from portal.access.conditions import people_of
from portal.access.models import Card
from portal.accounts.models import Account, UserGroup
from portal.core.audit import AuditEntry
from portal.core.errors import RuleBroken
from portal.core.web import limiter
from tests import world

LogIn = Callable[[Account], FlaskClient]
ELSEWHERE = "This card is registered already elsewhere."


VERSIONS = count(2000)  # limits are counted for each log-in, and outlive a test


@pytest.fixture
def owner(session: Session) -> Account:
    return world.account(session, "owner@x.example")


@pytest.fixture
def team(session: Session, owner: Account) -> UserGroup:
    return world.user_group(session, owner, "Cars", "ann@x.example")


@pytest.fixture
def browser(session: Session, owner: Account, team: UserGroup, logged_in: LogIn) -> FlaskClient:
    session.commit()
    return logged_in(owner)


def registered(session: Session, to: cards.Holder, *numbers: str) -> list[Card]:
    actor = session.get_one(Account, to.owner_id if isinstance(to, UserGroup) else to.id)
    found = cards.add(session, actor, to, [cards.Row(1, number, "Pool car", number) for number in numbers])
    session.commit()
    return found


def states(session: Session) -> dict[str, str]:
    found = {row.number: row.state for row in session.execute(sa.select(Card.number, Card.state).order_by(Card.id))}
    session.commit()
    return found


def upload(browser: FlaskClient, base: str, data: bytes) -> str:
    answer = browser.post(f"{base}/upload", data={"file": (io.BytesIO(data), "cards.csv")}, follow_redirects=True)
    return answer.text


@pytest.mark.parametrize("text", ["04:a2:1b:7c", " 04-A2-1B-7C ", "04 a2 1b 7c", "04A21B7C", "04a2\u00a01b7c"])
def test_however_a_number_is_written_it_is_the_same(text: str) -> None:
    assert cards.normalise(text) == "04A21B7C"


@pytest.mark.parametrize("text", ["", "-- ::", "123", "04A2_1B", "Zoë's card", "A" * 65, "ßßßß", "١٢٣٤"])
def test_what_is_no_card_number_is_refused(text: str) -> None:
    with pytest.raises(RuleBroken) as refused:
        cards.normalise(text)
    assert refused.value.field == "number"


@pytest.mark.parametrize("of_group", [False, True])
def test_several_are_registered_by_pasting(
    session: Session, browser: FlaskClient, team: UserGroup, of_group: bool
) -> None:
    base = f"/user-groups/{team.id}/cards" if of_group else "/profile/cards"
    pasted = "04:a2:1b:7c;Pool car 3\n\n04 A2 1B 7D\n"
    page = browser.post(base, data={"cards": pasted}, follow_redirects=True).text
    assert "2 cards are registered." in page
    assert "Pool car 3" in page
    rows = session.execute(sa.select(Card.number, Card.user_group_id)).all()
    assert rows == [(number, team.id if of_group else None) for number in ("04A21B7C", "04A21B7D")]


def test_the_side_bar_shows_user_groups_where_the_cards_are_those_of_one(browser: FlaskClient, team: UserGroup) -> None:
    active = '<a class="sidebar-link" href="/user-groups" aria-current="page">'
    assert active not in browser.get("/profile/cards").text
    assert active in browser.get(f"/user-groups/{team.id}/cards").text


def test_a_paste_with_a_bad_row_registers_nothing_and_says_which_row(session: Session, browser: FlaskClient) -> None:
    answer = browser.post("/profile/cards", data={"cards": "04A21B7C\nno!\n04-a2-1b-7c"})
    assert answer.status_code == 422
    assert "Row 2, “no!”: This is no card number" in answer.text
    assert "Row 3, “04-a2-1b-7c”: This card stands further up already." in answer.text
    assert states(session) == {}


def test_a_card_of_another_is_refused_without_naming_him(session: Session, browser: FlaskClient) -> None:
    registered(session, world.account(session, "zacharias@x.example"), "04A21B7C")
    answer = browser.post("/profile/cards", data={"cards": "04a21b7c"})
    assert answer.status_code == 422
    assert ELSEWHERE in answer.text
    assert "zacharias" not in answer.text.lower()


def test_ones_own_card_is_said_to_be_ones_own(session: Session, browser: FlaskClient, team: UserGroup) -> None:
    registered(session, team, "04A21B7C")
    assert "You have registered this card already." in browser.post("/profile/cards", data={"cards": "04a21b7c"}).text


def test_who_tries_numbers_out_is_stopped(
    session: Session, owner: Account, logged_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.session_version = next(VERSIONS)
    session.commit()
    browser = logged_in(owner)
    other = world.account(session, "zacharias@x.example")
    registered(session, other, *(f"04A2{n:04}" for n in range(40)))
    monkeypatch.setattr(limiter, "enabled", True)
    many = "\n".join(f"04A2{n:04}" for n in range(40))
    answer = browser.post("/profile/cards", data={"cards": many})
    assert "More than 20 of these cards are registered already elsewhere" in answer.text
    assert ELSEWHERE not in answer.text
    found = [browser.post("/profile/cards", data={"cards": f"04A2{n:04}"}).status_code for n in range(12)]
    assert found == [422] * 9 + [429] * 3


def test_a_file_is_looked_at_and_then_registered(session: Session, browser: FlaskClient, team: UserGroup) -> None:
    registered(session, world.account(session, "zacharias@x.example"), "04A2FFFF")
    base = f"/user-groups/{team.id}/cards"
    page = upload(browser, base, b"Card number;Label\n04A2FFFF;Elsewhere\n04:A2:1B:7C;Pool car 3\n12;Short\n")
    assert "1 row registers a card" in page
    assert "2 rows are left out" in page
    assert ELSEWHERE in page
    assert states(session) == {"04A2FFFF": "active"}
    assert (
        "1 card is registered."
        in browser.post(f"{base}/upload/write", data={"expected": "1"}, follow_redirects=True).text
    )
    assert states(session) == {"04A2FFFF": "active", "04A21B7C": "active"}


def test_what_has_changed_since_the_preview_is_shown_anew(
    session: Session, browser: FlaskClient, owner: Account
) -> None:
    upload(browser, "/profile/cards", b"04A21B7C;A\n04A21B7D;B\n")
    registered(session, owner, "04A21B7D")
    page = browser.post("/profile/cards/upload/write", data={"expected": "2"}, follow_redirects=True).text
    assert "nothing is written yet" in page
    assert states(session) == {"04A21B7D": "active"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\n".join(b"04A2%06d" % n for n in range(100_000)), "more than 1 MB"),
        (b"\n".join(b"%08d" % n for n in range(50_000)), "more than 10,000 rows"),
        (b"label;number\nPool car;04A21B7C\n", "column 1 is headed “label”, which does not belong there"),
        (b"\n", "There is no card in it"),
        (b"a\0b", "no text file"),
    ],
)
def test_a_file_that_is_too_large_or_of_another_kind_is_refused_whole(
    session: Session, browser: FlaskClient, data: bytes, said: str
) -> None:
    assert said in upload(browser, "/profile/cards", data).replace("10000", "10,000")
    assert states(session) == {}


def test_a_file_for_one_holder_is_not_written_to_another(
    session: Session, browser: FlaskClient, team: UserGroup
) -> None:
    upload(browser, "/profile/cards", b"04A21B7C;A\n")
    browser.post(f"/user-groups/{team.id}/cards/upload/write", data={"expected": "1"})
    assert states(session) == {}


def test_a_blocked_card_stands_for_nobody_until_it_is_unblocked(
    session: Session, browser: FlaskClient, owner: Account, team: UserGroup
) -> None:
    (card,) = registered(session, team, "04A21B7C")

    def groups() -> frozenset[int]:
        found = people_of(session, owner.id, [(None, "04A21B7C")])[None, "04A21B7C"].user_group_ids
        session.commit()
        return found

    assert groups() == {team.id}
    browser.post(f"/cards/{card.id}/block")
    assert (groups(), states(session)) == (frozenset(), {"04A21B7C": "blocked"})
    browser.post(f"/cards/{card.id}/unblock")
    assert groups() == {team.id}


def test_another_card_takes_over_holder_and_label(session: Session, browser: FlaskClient, team: UserGroup) -> None:
    (card,) = registered(session, team, "04A21B7C")
    browser.post(f"/cards/{card.id}/replace", data={"number": "04:FF:FF:01"})
    assert states(session) == {"04A21B7C": "replaced", "04FFFF01": "active"}
    new = session.scalars(sa.select(Card).where(Card.number == "04FFFF01")).one()
    by = session.scalar(sa.select(Card.replaced_by_id).where(Card.number == "04A21B7C"))
    assert (new.label, new.user_group_id, by) == ("Pool car", team.id, new.id)
    session.commit()
    assert browser.post(f"/cards/{card.id}/replace", data={"number": "04FFFF02"}).status_code == 422
    browser.post(f"/cards/{card.id}/unblock")
    assert states(session)["04A21B7C"] == "replaced"


def test_it_is_not_replaced_by_a_card_of_another(session: Session, browser: FlaskClient, team: UserGroup) -> None:
    registered(session, world.account(session, "zacharias@x.example"), "04FFFF01")
    (card,) = registered(session, team, "04A21B7C")
    answer = browser.post(f"/cards/{card.id}/replace", data={"number": "04ffff01"})
    assert (answer.status_code, ELSEWHERE in answer.text) == (422, True)
    assert states(session)["04A21B7C"] == "active"


def test_a_deleted_number_is_free(session: Session, browser: FlaskClient, owner: Account) -> None:
    (card,) = registered(session, owner, "04A21B7C")
    assert "unknown from then on" in browser.get(f"/cards/{card.id}/delete").text
    browser.post(f"/cards/{card.id}/delete")
    assert states(session) == {}
    registered(session, world.account(session, "next@x.example"), "04A21B7C")


def test_of_two_who_register_the_same_number_one_comes_too_late(session: Session, owner: Account) -> None:
    registered(session, owner, "04A21B7C")
    other = world.account(session, "other@x.example")
    with pytest.raises(RuleBroken, match="Look again"):
        cards.add(session, other, other, [cards.Row(1, "04A21B7C", "", "04A21B7C")])
    session.commit()
    assert states(session) == {"04A21B7C": "active"}


def test_everything_is_recorded(session: Session, browser: FlaskClient, owner: Account) -> None:
    (card,) = registered(session, owner, "04A21B7C")
    browser.post(f"/cards/{card.id}/block")
    browser.post(f"/cards/{card.id}/unblock")
    browser.post(f"/cards/{card.id}/replace", data={"number": "04FFFF01"})
    browser.post(f"/cards/{card.id}/delete")
    actions = session.scalars(
        sa.select(AuditEntry.action).where(AuditEntry.action.like("card:%")).order_by(AuditEntry.id)
    ).all()
    assert actions == [f"card:{verb}" for verb in ("add", "block", "unblock", "add", "replace", "delete")]
    page = browser.get("/audit").text
    assert "Replaced the card 04A21B7C by 04FFFF01" in page


def test_the_list_finds_a_number_however_it_is_written(session: Session, browser: FlaskClient, owner: Account) -> None:
    registered(session, owner, "04A21B7C", "04FFFF01")
    page = browser.get("/profile/cards?q=a2:1b").text
    assert "04A21B7C" in page
    assert "04FFFF01" not in page
