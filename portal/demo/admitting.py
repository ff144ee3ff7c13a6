"""Who may charge in the demo: special users and price rules, by the portal's own rules; a connector that is Limited at
night; cards, some of which nobody knows."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.access import cards, price_rules, requests, special_users
from portal.access.offers import Offer
from portal.access.prices import Price
from portal.accounts.links import Links
from portal.accounts.models import Account, UserGroup
from portal.charging import driver_cards
from portal.core import clock
from portal.stations.models import Access, OpeningTime, Station, StationGroup
from portal.stations.opening import DAY

GROUP, NIGHT_STATION = "Bl2", "Bl2-2"
EVENING, MORNING = 22 * 60, 6 * 60
# Users of shared charge points, each in the file of sessions by the number of a card alone.
CARDS_OF = {"Share-12": "04:52:9E:10", "Share-30": "04:6F:21:8A", "Share-36": "04:91:5C:77"}
KNOWN_BY_CARD = "Share-12"


def load(session: Session, links: Links, master: Account, piquet: UserGroup) -> None:
    """The on-call team charges in a group by a price rule, a neighbour at one station for his own price, and a guest of
    this week for nothing; who manages the group asks to be entered. Accounts, stations and the user group must be
    there. Commits nothing."""
    group = session.scalars(sa.select(StationGroup).filter_by(owner_id=master.id, name=GROUP)).one()
    station = session.scalars(sa.select(Station).filter_by(owner_id=master.id, name=NIGHT_STATION)).one()
    _limit_at_night(session, station)
    special_users.add(session, master, group, user_group=piquet)
    special_users.add(session, master, station, email="neighbour@demo.example", offer=Offer(Price(2800, 0, 5000)))
    today = clock.now().astimezone(ZoneInfo(master.time_zone)).date()
    week = Offer(Price(), today, today + timedelta(days=6))
    special_users.add(session, master, station.connectors[0], email="guest@demo.example", offer=week)
    price_rules.add(session, master, piquet.id, group.id, Offer(Price(3000)))
    _register_cards(session, master, piquet)
    manage = session.scalars(sa.select(Account).filter_by(email="manage@demo.example")).one()
    requests.ask(session, links, manage, group)


def assign_a_card(session: Session) -> None:
    """Say whose one of the unknown cards is; the others wait. The sessions must be there. Commits nothing."""
    master = session.scalars(sa.select(Account).filter_by(email="master@demo.example")).one()
    driver = driver_cards.named(session, master, KNOWN_BY_CARD, add=True)
    driver_cards.assign(session, master, cards.compared(CARDS_OF[KNOWN_BY_CARD]), driver)


def _register_cards(session: Session, master: Account, piquet: UserGroup) -> None:
    """A card of the account and three of the team, one of which was lost and another replaced."""
    cards.add(session, master, master, cards.read(b"04:7B:12:9A;Key ring"))
    team = b"04:A2:1B:7C;Piquet car 1\n04:A2:1B:7D;Piquet car 2\n04:A2:1B:7E;Spare card\n"
    _first, second, spare = cards.add(session, master, piquet, cards.read(team))
    cards.block(session, master, spare)
    cards.replace(session, master, second, "04:C8:55:10")


def _limit_at_night(session: Session, station: Station) -> None:
    connector = station.connectors[0]
    connector.access = Access.PUBLIC.value
    connector.price_per_kwh = 4500
    night = {"access": Access.LIMITED.value, "price_per_kwh": 0, "price_per_hour": 0}
    connector.opening_times = [
        OpeningTime(weekday=day, opens=opens, closes=closes, **night)
        for day in range(7)
        for opens, closes in ((0, MORNING), (EVENING, DAY))
    ]
    session.flush()
