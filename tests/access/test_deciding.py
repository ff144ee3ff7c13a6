"""Who may charge at what price: a truth table, and random worlds against a reference that is written otherwise."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.access.deciding import (
    NOBODY,
    Admission,
    Conditions,
    Entry,
    Person,
    Place,
    PricedBy,
    Rule,
    Terms,
    decide,
    segments,
)
from portal.access.prices import FREE, Price
from portal.access.week import Week
from portal.stations.opening import DAY, Window

ZURICH = ZoneInfo("Europe/Zurich")
NOON = datetime(2026, 3, 25, 11, tzinfo=UTC)  # a Wednesday, 12:00 in Zurich
PUBLIC, SPECIAL, OTHER, RULED = Price(4500), Price(2500, 100), Price(2000, 0, 50), Price(3000)
ADA, TEAM = "ada@drivers.example", 7
ada, in_team = Person(ADA), Person(ADA, frozenset({TEAM}))
owner = Person("owner@stations.example", is_owner=True)


def conditions(
    access: str, *entries: Entry, rules: tuple[Rule, ...] = (), windows: tuple[Window, ...] = ()
) -> Conditions:
    return Conditions([Terms(access, PUBLIC, Week(windows, ZURICH))], entries, rules)


def entry(number: int = 1, place: Place = Place.STATION_GROUP, price: Price | None = SPECIAL, **who: object) -> Entry:
    return Entry(number, place, price=price, **(who or {"email": ADA}))  # type: ignore[arg-type]


own, team = entry(), entry(2, user_group_id=TEAM)
unpriced = entry(3, price=None)
rule = Rule(1, TEAM, None, RULED)

TRUTH = [
    # access, entries, rules, who: admitted how, priced by what, price
    ("public", (), (), NOBODY, Admission.PUBLIC, PricedBy.PUBLIC, PUBLIC),
    ("public", (), (), ada, Admission.PUBLIC, PricedBy.PUBLIC, PUBLIC),
    ("public", (), (), owner, Admission.OWNER, PricedBy.OWNER, FREE),
    ("public", (own,), (), ada, Admission.SPECIAL_USER, PricedBy.ENTRY, SPECIAL),
    ("public", (own,), (), NOBODY, Admission.PUBLIC, PricedBy.PUBLIC, PUBLIC),
    ("public", (unpriced,), (), ada, Admission.SPECIAL_USER, PricedBy.PUBLIC, PUBLIC),
    ("public", (), (rule,), in_team, Admission.PUBLIC, PricedBy.RULE, RULED),
    ("public", (), (rule,), ada, Admission.PUBLIC, PricedBy.PUBLIC, PUBLIC),
    ("limited", (), (), NOBODY, Admission.NOT_SPECIAL_USER, PricedBy.NOTHING, FREE),
    ("limited", (), (), ada, Admission.NOT_SPECIAL_USER, PricedBy.NOTHING, FREE),
    ("limited", (), (rule,), in_team, Admission.NOT_SPECIAL_USER, PricedBy.NOTHING, FREE),
    ("limited", (), (), owner, Admission.OWNER, PricedBy.OWNER, FREE),
    ("limited", (own,), (), ada, Admission.SPECIAL_USER, PricedBy.ENTRY, SPECIAL),
    ("limited", (team,), (), ada, Admission.NOT_SPECIAL_USER, PricedBy.NOTHING, FREE),
    ("limited", (team,), (), in_team, Admission.SPECIAL_USER, PricedBy.ENTRY, SPECIAL),
    ("limited", (unpriced,), (), ada, Admission.SPECIAL_USER, PricedBy.NOTHING, FREE),
    ("limited", (unpriced,), (rule,), in_team, Admission.SPECIAL_USER, PricedBy.RULE, RULED),
    ("limited", (own,), (rule,), in_team, Admission.SPECIAL_USER, PricedBy.ENTRY, SPECIAL),
    ("private", (own,), (), ada, Admission.PRIVATE, PricedBy.NOTHING, FREE),
    ("private", (), (), NOBODY, Admission.PRIVATE, PricedBy.NOTHING, FREE),
    ("private", (), (), owner, Admission.OWNER, PricedBy.OWNER, FREE),
]


@pytest.mark.parametrize(("access", "entries", "rules", "who", "admission", "priced_by", "price"), TRUTH)
def test_the_truth_table(
    access: str,
    entries: tuple[Entry, ...],
    rules: tuple[Rule, ...],
    who: Person,
    admission: Admission,
    priced_by: PricedBy,
    price: Price,
) -> None:
    found = decide(conditions(access, *entries, rules=rules), who, NOON)
    assert (found.admission, found.priced_by, found.price) == (admission, priced_by, price)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (entry(2, Place.STATION_GROUP, OTHER), entry(1, Place.CONNECTOR, user_group_id=TEAM)),
        (entry(2, Place.CONNECTOR, OTHER), entry(1, Place.STATION)),
        (entry(2, Place.STATION, OTHER), entry(1, Place.STATION_GROUP)),
        (entry(2, Place.STATION, OTHER), entry(1, Place.STATION)),  # the cheaper one
        (entry(2, Place.CONNECTOR, OTHER, user_group_id=TEAM), entry(1, Place.STATION, user_group_id=TEAM)),
    ],
)
def test_the_individual_beats_the_group_and_the_special_place_the_general(better: Entry, worse: Entry) -> None:
    for entries in ((better, worse), (worse, better)):
        assert decide(conditions("limited", *entries), in_team, NOON).priced_entry == better


def test_a_rule_for_the_station_group_beats_one_for_all() -> None:
    special = Rule(2, TEAM, 9, OTHER)
    for rules in ((rule, special), (special, rule)):
        assert decide(conditions("limited", unpriced, rules=rules), in_team, NOON).rule == special


def test_an_entry_without_a_price_leaves_it_to_the_next_one() -> None:
    found = decide(conditions("limited", entry(1, Place.CONNECTOR, None), team), in_team, NOON)
    assert found.entry is not None
    assert found.priced_entry is not None
    assert (found.entry.id, found.priced_entry.id) == (1, 2)


@pytest.mark.parametrize(("since", "until", "may"), [(-1, 1, True), (0, 1, True), (-1, 0, False), (1, 2, False)])
def test_entries_and_rules_hold_in_their_span(since: int, until: int, may: bool) -> None:
    span = {"since": NOON + timedelta(hours=since), "until": NOON + timedelta(hours=until)}
    assert decide(conditions("limited", own._replace(**span)), ada, NOON).may is may
    dated = (rule._replace(**span),)
    assert (decide(conditions("limited", unpriced, rules=dated), in_team, NOON).price == RULED) is may


def test_a_window_brings_its_own_access_and_prices() -> None:
    at_night = Window(2, 22 * 60, DAY, "limited", 900, 0)
    place = conditions("public", windows=(at_night,))
    assert decide(place, ada, NOON).price == PUBLIC
    night = decide(place, ada, NOON + timedelta(hours=11))  # 23:00
    assert (night.admission, night.window) == (Admission.NOT_SPECIAL_USER, at_night)
    assert decide(conditions("public", own, windows=(at_night,)), ada, NOON + timedelta(hours=11)).price == SPECIAL


def test_earlier_terms_hold_at_their_time() -> None:
    week = Week((), ZURICH)
    terms = [
        Terms("public", Price(1000), week, NOON - timedelta(days=9)),
        Terms("public", Price(2000), week, NOON),
    ]
    place = Conditions(terms)
    prices = [decide(place, NOBODY, NOON + timedelta(days=days)).price.per_kwh for days in (-99, -9, -1, 0, 1)]
    assert prices == [2000, 1000, 1000, 2000, 2000]  # the first one: before anything is known


hours = st.integers(-100, 100).map(lambda hour: NOON + timedelta(hours=hour))
spans = st.tuples(st.none() | hours, st.none() | hours)
prices = st.builds(Price, st.sampled_from([0, 1000, 2000]), st.sampled_from([0, 100]), st.sampled_from([0, 50]))
whos = st.sampled_from([{"email": ADA}, {"email": "bob@drivers.example"}, {"user_group_id": 7}, {"user_group_id": 8}])
minutes = st.integers(0, DAY - 1)


@st.composite
def entries_of(draw: st.DrawFn) -> list[Entry]:
    found = []
    for number in range(draw(st.integers(0, 5))):
        since, until = draw(spans)
        price = draw(st.none() | prices)
        found.append(
            Entry(number, draw(st.sampled_from(list(Place))), price=price, since=since, until=until, **draw(whos))
        )
    return found


@st.composite
def rules_of(draw: st.DrawFn) -> list[Rule]:
    found = []
    for number in range(draw(st.integers(0, 4))):
        since, until = draw(spans)
        where = draw(st.sampled_from([None, 5]))
        found.append(Rule(number, draw(st.sampled_from([7, 8])), where, draw(prices), since, until))
    return found


@st.composite
def windows_of(draw: st.DrawFn) -> list[Window]:
    found = []
    for day in draw(st.sets(st.integers(0, 7))):
        opens, closes = sorted(draw(st.lists(minutes, min_size=2, max_size=2, unique=True)))
        access = draw(st.sampled_from(["public", "limited", "private"]))
        found.append(Window(day, opens, closes, access, draw(st.sampled_from([500, 700])), 0))
    return found


@st.composite
def places(draw: st.DrawFn) -> Conditions:
    week = Week(draw(windows_of()), ZURICH, draw(st.sampled_from([None, "ZH", "TI"])))
    access = draw(st.sampled_from(["public", "limited", "private"]))
    return Conditions([Terms(access, PUBLIC, week)], draw(entries_of()), draw(rules_of()))


people = st.builds(
    Person,
    st.sampled_from([None, ADA, "bob@drivers.example"]),
    st.frozensets(st.sampled_from([7, 8])),
    st.booleans(),
)


def reference(place: Conditions, person: Person, at: datetime) -> tuple[bool, Price]:
    """The rules once more, by asking one question after the other."""
    terms = place.terms[0]
    window = terms.week.at(at)
    access = terms.access if window is None else window.access
    if person.is_owner:
        return True, Price()
    if access == "private":
        return False, Price()
    now = [e for e in place.entries if not (e.since and at < e.since) and not (e.until and at >= e.until)]
    individual = [e for e in now if e.email and e.email == person.email]
    by_group = [e for e in now if e.user_group_id in person.user_group_ids]
    if access == "limited" and not individual and not by_group:
        return False, Price()
    for among in (individual, by_group):
        for where in (Place.CONNECTOR, Place.STATION, Place.STATION_GROUP):
            offered = [e.price for e in among if e.place is where and e.price is not None]
            if offered:
                return True, sorted(offered)[0]
    standing = [r for r in place.rules if not (r.since and at < r.since) and not (r.until and at >= r.until)]
    for here in (True, False):
        offered = [
            r.price
            for r in standing
            if r.user_group_id in person.user_group_ids and (r.station_group_id is not None) is here
        ]
        if offered:
            return True, sorted(offered)[0]
    if access == "limited":
        return True, Price()
    return True, PUBLIC if window is None else Price(window.price_per_kwh, window.price_per_hour)


@settings(max_examples=300, deadline=None)
@given(places(), people, hours)
def test_it_decides_as_the_reference(place: Conditions, person: Person, at: datetime) -> None:
    found = decide(place, person, at)
    assert (found.may, found.price) == reference(place, person, at)


@settings(max_examples=150, deadline=None)
@given(places(), people, hours, st.integers(0, 60 * 60), st.data())
def test_segments_say_at_each_instant_what_is_decided_there(
    place: Conditions, person: Person, start: datetime, length: int, data: st.DataObject
) -> None:
    end = start + timedelta(minutes=length)
    found = segments(place, person, start, end)
    assert (found[0].starts_at, found[-1].ends_at) == (start, end)
    assert all(one.ends_at == other.starts_at for one, other in itertools.pairwise(found))
    assert all(one.decision != other.decision for one, other in itertools.pairwise(found))
    for _ in range(10):
        at = start + timedelta(minutes=data.draw(st.integers(0, max(0, length - 1))))
        here = next(one for one in found if one.starts_at <= at < one.ends_at or length == 0)
        assert here.decision == decide(place, person, at)
