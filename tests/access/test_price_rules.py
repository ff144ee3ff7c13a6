"""Price rules of user groups: one at a time for each pair, gaps shown."""

from collections.abc import Callable
from datetime import date
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.access import price_rules
from portal.access.models import PriceRule
from portal.access.offers import Offer
from portal.access.prices import Price
from portal.accounts.models import Account
from portal.core.audit import AuditEntry
from portal.core.errors import NotThere, RuleBroken
from portal.licences.models import Kind
from tests import world

LogIn = Callable[[Account], FlaskClient]
WINTER = Offer(Price(3000), date(2026, 1, 1), date(2026, 3, 31))


@pytest.fixture
def place(session: Session) -> SimpleNamespace:
    owner = world.account(session, "owner@x.example", Kind.AUTHORISATION)
    group = world.station_group(session, owner, "Lugano")
    team = world.user_group(session, owner, "Piquet", "bob@drivers.example")
    return SimpleNamespace(owner=owner, group=group, team=team)


def rules(session: Session) -> int:
    found = session.scalar(sa.select(sa.func.count(PriceRule.id)))
    session.commit()  # on SQLite an open transaction of the test would block the application's
    return found or 0


@pytest.mark.parametrize("everywhere", [False, True])
def test_overlapping_days_of_one_pair_are_refused_naming_the_other(
    session: Session, place: SimpleNamespace, everywhere: bool
) -> None:
    where = None if everywhere else place.group.id
    price_rules.add(session, place.owner, place.team.id, where, WINTER)
    with pytest.raises(RuleBroken, match=r"01\.01\.2026–31\.03\.2026") as refused:
        price_rules.add(session, place.owner, place.team.id, where, Offer(Price(1), date(2026, 3, 31)))
    assert refused.value.field == "starts_on"
    later = price_rules.add(session, place.owner, place.team.id, where, Offer(Price(1), date(2026, 4, 1)))
    price_rules.add(session, place.owner, place.team.id, place.group.id if everywhere else None, WINTER)
    with pytest.raises(RuleBroken):
        price_rules.change(session, place.owner, later, Offer(Price(1), date(2026, 3, 1)))


def test_only_own_groups_and_a_price_are_taken(session: Session, place: SimpleNamespace) -> None:
    other = world.account(session, "other@x.example")
    for user_group, station_group, offer, field in (
        (world.user_group(session, other, "Theirs").id, None, WINTER, "user_group"),
        (place.team.id, world.station_group(session, other).id, WINTER, "station_group"),
        (place.team.id, None, Offer(), "price_per_kwh"),
    ):
        with pytest.raises(RuleBroken) as refused:
            price_rules.add(session, place.owner, user_group, station_group, offer)
        assert refused.value.field == field
    row = price_rules.add(session, place.owner, place.team.id, None, WINTER)
    with pytest.raises(NotThere):
        price_rules.rule(session, other.id, "price_rule:edit", row.id)


def test_the_page_shows_the_time_line_and_its_gaps(session: Session, place: SimpleNamespace, logged_in: LogIn) -> None:
    browser = logged_in(place.owner)
    assert "No price rule yet" in browser.get("/price-rules").text
    data = {"user_group": str(place.team.id), "station_group": str(place.group.id), "price_per_kwh": "0.30"}
    first = {"starts_on": "2026-01-01", "ends_on": "2026-03-31"}
    assert browser.post("/price-rules/add", data=data | first).location == "/price-rules"
    browser.post("/price-rules/add", data=data | {"starts_on": "2026-05-01"})
    page = browser.get("/price-rules").text
    assert "no price from 1 Apr 2026 to 30 Apr 2026" in page
    assert "CHF 0.30 per kWh" in page
    refused = browser.post("/price-rules/add", data=data | {"starts_on": "2026-03-31", "ends_on": "2026-04-02"})
    assert refused.status_code == 422
    assert "overlaps this one" in refused.text
    assert rules(session) == 2


def test_a_rule_is_changed_and_removed_and_all_is_told(
    session: Session, place: SimpleNamespace, logged_in: LogIn
) -> None:
    row = price_rules.add(session, place.owner, place.team.id, None, WINTER)
    browser = logged_in(place.owner)
    assert browser.post(f"/price-rules/{row.id}/edit", data={"price_per_kwh": "-1"}).status_code == 422
    browser.post(f"/price-rules/{row.id}/edit", data={"price_per_kwh": "0"})
    assert "all stations" in browser.get(f"/price-rules/{row.id}/remove").text
    browser.post(f"/price-rules/{row.id}/remove")
    assert rules(session) == 0
    entries = sa.select(AuditEntry).where(AuditEntry.action.startswith("price_rule:")).order_by(AuditEntry.id)
    told = session.scalars(entries).all()
    assert [entry.detail["changed"]["price_per_kwh"] for entry in told] == [[None, 3000], [3000, 0], [0, None]]
