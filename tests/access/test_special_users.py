"""Special users are entered, changed and removed by the owner of the place."""

from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.access import conditions, offers, special_users
from portal.access.deciding import Admission, decide
from portal.access.models import SpecialUser
from portal.access.offers import Offer
from portal.access.prices import Price
from portal.core.audit import AuditEntry
from portal.core.errors import NotAllowed, RuleBroken
from portal.licences.models import Kind
from tests import world

ADA = "ada@drivers.example"
CHEAP = Offer(Price(2500))
NOON = datetime(2026, 3, 25, 11, tzinfo=UTC)


@pytest.fixture
def place(session: Session) -> SimpleNamespace:
    """A Limited connector in a group of the owner's, and the owner's user group."""
    owner = world.account(session, "owner@x.example", Kind.AUTHORISATION)
    group = world.station_group(session, owner, "Lugano")
    station = world.station(session, owner, "Centro", group)
    station.connectors[0].access = "limited"
    team = world.user_group(session, owner, "Piquet", "bob@drivers.example")
    session.flush()
    return SimpleNamespace(owner=owner, group=group, station=station, connector=station.connectors[0], team=team)


def decision(session: Session, place: SimpleNamespace, email: str, at: datetime = NOON) -> tuple[Admission, Price]:
    found = conditions.conditions_of(session, [place.connector.id])[place.connector.id]
    person = conditions.people_of(session, place.owner.id, [(email, None)])[email, None]
    decided = decide(found, person, at)
    return decided.admission, decided.price


@pytest.mark.parametrize("where", ["group", "station", "connector"])
def test_an_address_is_admitted_at_each_kind_of_place(session: Session, place: SimpleNamespace, where: str) -> None:
    assert decision(session, place, ADA)[0] is Admission.NOT_SPECIAL_USER
    row = special_users.add(session, place.owner, getattr(place, where), email=f" {ADA.upper()} ", offer=CHEAP)
    assert decision(session, place, ADA) == (Admission.SPECIAL_USER, Price(2500))
    special_users.remove(session, place.owner, row)
    assert decision(session, place, ADA)[0] is Admission.NOT_SPECIAL_USER


def test_the_members_of_a_user_group_are_admitted(session: Session, place: SimpleNamespace) -> None:
    special_users.add(session, place.owner, place.group, user_group=place.team)
    assert decision(session, place, "bob@drivers.example")[0] is Admission.SPECIAL_USER
    assert decision(session, place, ADA)[0] is Admission.NOT_SPECIAL_USER


def test_days_are_whole_days_of_the_owner(session: Session, place: SimpleNamespace) -> None:
    days = Offer(None, date(2026, 3, 25), date(2026, 3, 25))
    special_users.add(session, place.owner, place.group, email=ADA, offer=days)
    hours = [datetime(2026, 3, 24, 22, 59, tzinfo=UTC), datetime(2026, 3, 24, 23, 0, tzinfo=UTC)]
    hours += [datetime(2026, 3, 25, 22, 59, tzinfo=UTC), datetime(2026, 3, 25, 23, 0, tzinfo=UTC)]
    found = [decision(session, place, ADA, hour)[0] is Admission.SPECIAL_USER for hour in hours]
    assert found == [False, True, True, False]


def test_one_who_is_there_already_is_refused_on_the_same_days_alone(session: Session, place: SimpleNamespace) -> None:
    first = Offer(None, date(2026, 1, 1), date(2026, 6, 30))
    special_users.add(session, place.owner, place.group, email=ADA, offer=first)
    with pytest.raises(RuleBroken, match=r"01\.01\.2026–30\.06\.2026"):
        special_users.add(session, place.owner, place.group, email=ADA, offer=Offer(None, date(2026, 6, 30)))
    later = special_users.add(session, place.owner, place.group, email=ADA, offer=Offer(None, date(2026, 7, 1)))
    special_users.add(session, place.owner, place.station, email=ADA)  # another place
    with pytest.raises(RuleBroken) as refused:
        special_users.change(session, place.owner, later, Offer(None, date(2026, 6, 1)))
    assert refused.value.field == "starts_on"


def test_none_of_several_is_entered_where_one_is_refused(session: Session, place: SimpleNamespace) -> None:
    special_users.add(session, place.owner, place.group, email=ADA)
    with pytest.raises(RuleBroken, match=ADA):
        special_users.add_all(session, place.owner, place.group, ["new@drivers.example", ADA])
    assert session.scalar(sa.select(sa.func.count(SpecialUser.id))) == 1


@pytest.mark.parametrize(
    ("whom", "offer", "field"),
    [
        ({"email": "ada at drivers"}, Offer(), "email"),
        ({"email": ""}, Offer(), "email"),
        ({"email": "owner@x.example"}, Offer(), "email"),
        ({"email": ADA}, Offer(None, date(2026, 2, 1), date(2026, 1, 1)), "ends_on"),
        ({"email": ADA}, Offer(None, date(1, 1, 1)), "starts_on"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(
    session: Session, place: SimpleNamespace, whom: dict[str, str], offer: Offer, field: str
) -> None:
    with pytest.raises(RuleBroken) as refused:
        special_users.add(session, place.owner, place.group, offer=offer, **whom)  # type: ignore[arg-type]
    assert refused.value.field == field


def test_only_the_owner_enters_and_only_his_user_groups(session: Session, place: SimpleNamespace) -> None:
    other = world.account(session, "other@x.example", Kind.AUTHORISATION)
    with pytest.raises(NotAllowed):
        special_users.add(session, other, place.group, email=ADA)
    with pytest.raises(RuleBroken, match="your user groups"):
        special_users.add(session, place.owner, place.group, user_group=world.user_group(session, other, "Theirs"))


def test_each_change_is_told_with_before_and_after(session: Session, place: SimpleNamespace) -> None:
    row = special_users.add(session, place.owner, place.group, email=ADA)
    special_users.change(session, place.owner, row, Offer(Price(0), None, date(2026, 12, 31)))
    special_users.change(session, place.owner, row, Offer(Price(0), None, date(2026, 12, 31)))  # changes nothing
    special_users.remove(session, place.owner, row)
    told = session.scalars(sa.select(AuditEntry).where(AuditEntry.action.startswith("special_user:"))).all()
    assert [entry.action.partition(":")[2] for entry in told] == ["add", "change", "remove"]
    assert told[1].detail["changed"]["price_per_kwh"] == [None, 0]
    assert told[2].detail["changed"]["ends_on"] == ["2026-12-31", None]
    assert {entry.subject for entry in told} == {f"station_group/{place.group.id}"}


@pytest.mark.parametrize(
    ("texts", "price"),
    [
        (("", " ", ""), None),
        (("0", "", ""), Price()),
        (("0,25", "1.2", ""), Price(2500, 12000)),
        (("", "", "0.5"), Price(0, 0, 5000)),
    ],
)
def test_prices_as_they_are_typed(texts: tuple[str, str, str], price: Price | None) -> None:
    assert offers.price(*texts) == price


def test_negative_prices_and_days_that_are_none_are_refused() -> None:
    with pytest.raises(RuleBroken) as refused:
        offers.price("0.2", "-1", "")
    assert refused.value.field == "price_per_hour"
    assert offers.day("from", "31.12.2026") == offers.day("from", " 2026-12-31 ") == date(2026, 12, 31)
    with pytest.raises(RuleBroken, match="such as"):
        offers.day("from", "31.02.2026")
