"""A large world, made by dice with a seed: accounts, station groups, stations, user groups, grants, licences.

At scale 1 it has 100,000 accounts, 100,000 station groups, 1,000,000 stations, 10,000 user groups and 300,000 grants.
Scale 100 is the same world made 100 times smaller, but for what reaches one typical account: its dozen station groups,
four of its own and one of each of its eight partners, and all that the partners own, are the same in both.

`python -m benchmarks.large_world URL [SCALE]` fills a database.
"""

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

from argon2 import PasswordHasher

from benchmarks.bulk import Row, Writer, writer
from portal.charging.daily_totals import ZONE
from portal.charging.models import UNKNOWN_DRIVER
from portal.core import clock, schema

OPERATOR, TYPICAL, LARGE, STRANGER = 1, 2, 3, 4
PARTNERS = range(5, 13)
FIRST_OTHER = 13
PASSWORD = "a password for benchmarks"
OWN_GROUPS, GROUPS_OF_A_PARTNER, GROUPS_OF_THE_LARGE = 4, 20, 3_000
SHARED_WITH_THE_LARGE, TEAMS_OF_THE_LARGE, BIG_GROUP = 1_500, 100, 5_000
STATIONS_OF_A_GROUP, MEMBERS = 10, 8
STREETS = ("Via Basilea", "Bahnhofstrasse", "Rue du Lac", "Seestrasse", "Quai de Chillon", "Dorfstrasse", "Hauptgasse")
TOWNS = ("Lugano", "Zürich", "Nyon", "Thun", "Montreux", "Chur", "Aarau", "Sion", "Basel")
MIDDLES = ((46.004, 8.951), (47.377, 8.542), (46.383, 6.24), (46.758, 7.628), (46.431, 6.911), (46.851, 9.532),
           (47.391, 8.051), (46.228, 7.359), (47.56, 7.589))  # fmt: skip
ROLES = ("display", "manage", "administrate")


def email(account: int) -> str:
    return f"account{account}@bench.example"


@dataclass(frozen=True)
class Sizes:
    """How many there are of each, at a scale: 1 is the whole world, 100 one that is 100 times smaller."""

    scale: int = 1

    @property
    def accounts(self) -> int:
        return 100_000 // self.scale

    @property
    def station_groups(self) -> int:
        return 100_000 // self.scale

    @property
    def stations(self) -> int:
        return self.station_groups * STATIONS_OF_A_GROUP

    @property
    def user_groups(self) -> int:
        return 10_000 // self.scale

    @property
    def grants(self) -> int:
        return 300_000 // self.scale

    @property
    def sessions(self) -> int:
        return 200_000 // self.scale


def fill(url: str, scale: int = 1) -> None:
    """Bring an empty database to the present schema and fill it."""
    schema.upgrade(url)
    with writer(url) as into:
        _Builder(Sizes(scale)).build(into)


def at(days: float) -> str:
    """The instant so many days from now, as both engines read it."""
    return f"{clock.now() + timedelta(days=days):%Y-%m-%d %H:%M:%S}.000001"


def first_connector(station: int) -> int:
    """Every fourth station has two connectors, the others one."""
    return station + (station - 1) // 4


def stations_of(group: int) -> range:
    """The stations that were made for a group, each in this one at least."""
    first = (group - 1) * STATIONS_OF_A_GROUP + 1
    return range(first, first + STATIONS_OF_A_GROUP)


def coordinates(station: int) -> tuple[float | None, float | None]:
    """Within ten kilometres of its town; of every twentieth nobody knows where it is."""
    if station % 20 == 0:
        return None, None
    latitude, longitude = MIDDLES[station % 9]
    return latitude + (station * 7919 % 1801 - 900) / 10_000, longitude + (station * 104_729 % 2401 - 1200) / 10_000


@dataclass
class _Builder:
    sizes: Sizes
    dice: random.Random = field(default_factory=lambda: random.Random(15))
    created: str = field(default_factory=lambda: at(-400))

    def build(self, into: Writer) -> None:
        account = (
            "id, email, name, password_hash, verified_at, language, time_zone, currency, five_rappen, is_operator,"
            " session_version, created_at"
        )
        into.rows("account", account, self.accounts())
        licence = "account_id, kind, starts_at, ends_at, activated_by_id, created_at"
        into.rows("licence", licence, self.licences())
        request = "account_id, kind, message, requested_at, decided_at, decided_by_id, approved, reason"
        into.rows("licence_request", request, self.requests())
        groups = ((n, owner, f"Group {n}", "", self.created) for n, owner in enumerate(self.owners, 1))
        into.rows("station_group", "id, owner_id, name, description, created_at", groups)
        station = (
            "id, owner_id, name, reference, description, address, support_contact, created_at, latitude, longitude"
        )
        into.rows("station", station, self.stations())
        into.rows("station_group_station", "station_group_id, station_id, owner_id", self.in_groups())
        connector = "id, station_id, owner_id, number, plug_type, access, price_per_kwh, price_per_hour, out_of_service"
        into.rows("connector", f"{connector}, max_power_w, state, state_at", self.connectors())
        teams = ((n, owner, f"Team {n}", self.created) for n, owner in enumerate(self.team_owners, 1))
        into.rows("user_group", "id, owner_id, name, created_at", teams)
        into.rows("user_group_member", "user_group_id, email, added_at", self.members())
        grant = "station_group_id, owner_id, role, user_group_id, email, granted_by_id, granted_at, starts_at, ends_at"
        into.rows("station_group_grant", f"{grant}, hides_drivers, revoked_at, revoked_by_id", self.grants())
        session = "id, owner_id, connector_id, started_at, ended_at, energy_wh, source, external_id, created_at"
        into.rows("charging_session", session, self.sessions())
        quarter = "connector_id, starts_at, session_id, energy_wh, quality"
        into.rows("quarter_hour", quarter, self.quarter_hours())
        total = "connector_id, day, driver_id, owner_id, energy_wh, sessions"
        into.rows("daily_total", total, self.daily_totals())

    def accounts(self) -> Iterator[Row]:
        password = PasswordHasher().hash(PASSWORD)
        for n in range(1, self.sizes.accounts + 1):
            verified = self.created if n < FIRST_OTHER or n % 50 else None
            own = password if n < FIRST_OTHER else None
            named = (n, email(n), f"Person {n}", own, verified)
            yield *named, "en", "Europe/Zurich", "CHF", False, n == OPERATOR, 0, self.created

    def licences(self) -> Iterator[Row]:
        """Four of five others hold the licence Authorisation, some of the rest held it once."""
        since, ended = at(-300), at(-20)
        for n in range(1, self.sizes.accounts + 1):
            if n < FIRST_OTHER or n % 5:
                yield n, "authorisation", since, None, OPERATOR, since
            elif n % 10:
                yield n, "authorisation", since, ended, OPERATOR, since
            if n == TYPICAL or n % 20 == 1:
                yield n, "auto_export", since, None, OPERATOR, since

    def requests(self) -> Iterator[Row]:
        """Every hundredth account asks for a licence; half of them have their answer."""
        asked, decided = at(-3), at(-2)
        for n in range(100, self.sizes.accounts + 1, 100):
            answer = (decided, OPERATOR, True) if n % 200 else (None, None, None)
            yield n, "auto_export", "For our billing.", asked, *answer, ""

    @cached_property
    def owners(self) -> list[int]:
        """The owner of each station group, from group 1 on. Among the others a fifth owns groups, some of them many."""
        known = [TYPICAL] * OWN_GROUPS + [partner for partner in PARTNERS for _ in range(GROUPS_OF_A_PARTNER)]
        known += [LARGE] * (GROUPS_OF_THE_LARGE // self.sizes.scale)
        some = self.sizes.accounts // 5
        rest = self.sizes.station_groups - len(known)
        return known + [FIRST_OTHER + int(some * self.dice.random() ** 2) for _ in range(rest)]

    @cached_property
    def groups_by_owner(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for number, owner in enumerate(self.owners, 1):
            found.setdefault(owner, []).append(number)
        return found

    def stations(self) -> Iterator[Row]:
        for group, owner in enumerate(self.owners, 1):
            for n in stations_of(group):
                place = f"{STREETS[n % 7]} {n % 90 + 1}, {TOWNS[n % 9]}"
                yield n, owner, f"Charger {n}", f"CH-{n}", "", place, "", self.created, *coordinates(n)

    def in_groups(self) -> Iterator[Row]:
        """Each station in its own group, every seventh in one more, and many of the large account in its first."""
        big = self.groups_by_owner[LARGE][: BIG_GROUP // STATIONS_OF_A_GROUP // self.sizes.scale]
        for group, owner in enumerate(self.owners, 1):
            others = self.groups_by_owner[owner]
            for n in stations_of(group):
                also = {group, others[n % len(others)] if n % 7 == 0 else group, big[0] if group in big else group}
                yield from ((other, n, owner) for other in also)

    def connectors(self) -> Iterator[Row]:
        states = (("available", at(0)), ("charging", at(0)), (None, None), ("faulted", at(-9)))
        for group, owner in enumerate(self.owners, 1):
            for n in stations_of(group):
                for number in range(1, 3 if n % 4 == 0 else 2):
                    row = first_connector(n) + number - 1, n, owner, number, "type_2", "public", 3500, 0, n % 97 == 0
                    yield (*row, 22_000, *states[n % 3 if n % 50 else 3])

    @cached_property
    def team_owners(self) -> list[int]:
        """The owner of each user group: first one of each partner, then those who own the most station groups."""
        some = [owner for owner in self.groups_by_owner if owner >= FIRST_OTHER]
        some.sort(key=lambda owner: (-len(self.groups_by_owner[owner]), owner))
        rest = self.sizes.user_groups - len(PARTNERS)
        return [*PARTNERS, *(some[n % len(some)] for n in range(rest))]

    def members(self) -> Iterator[Row]:
        """The typical account in every second team of a partner, the large one in many of the others."""
        last = len(PARTNERS) + max(1, TEAMS_OF_THE_LARGE // self.sizes.scale)
        for team in range(1, self.sizes.user_groups + 1):
            chosen = {self.someone() for _ in range(MEMBERS)}
            if team <= len(PARTNERS) and team % 2 == 0:
                chosen.add(TYPICAL)
            if len(PARTNERS) < team <= last:
                chosen.add(LARGE)
            yield from ((team, email(account), self.created) for account in sorted(chosen))

    def someone(self) -> int:
        return self.dice.randrange(FIRST_OTHER, self.sizes.accounts + 1)

    def grants(self) -> Iterator[Row]:
        """Half to addresses, half to user groups; some ended, revoked, not begun, some that hide the drivers."""
        known = [*self.known_grants()]
        yield from known
        teams: dict[int, list[int]] = {}
        for team, owner in enumerate(self.team_owners, 1):
            teams.setdefault(owner, []).append(team)
        for n in range(self.sizes.grants - len(known)):
            if n % 2:
                team = self.dice.randint(len(PARTNERS) + 1, self.sizes.user_groups)
                owner = self.team_owners[team - 1]
                yield self.grant(self.dice.choice(self.groups_by_owner[owner]), self.dice.choice(ROLES), team, n)
            else:
                group = self.dice.randint(1, self.sizes.station_groups)
                yield self.grant(group, self.dice.choice(ROLES), email(self.someone()), n)

    def known_grants(self) -> Iterator[Row]:
        """To the typical account one group of each partner, and to the large one many groups of others."""
        for number, partner in enumerate(PARTNERS):
            groups, team = self.groups_by_owner[partner], number + 1
            to: str | int = team if team % 2 == 0 else email(TYPICAL)
            yield self.grant(groups[0], ROLES[number % 3], to, 3 if number == 0 else 0)
            yield self.grant(groups[1], "manage", email(TYPICAL), 1 if number % 2 else 2)  # ended, or revoked
        first = len(self.owners) // 2
        for number in range(SHARED_WITH_THE_LARGE // self.sizes.scale):
            yield self.grant(first + 7 * number, ROLES[number % 3], email(LARGE), 0)

    def grant(self, group: int, role: str, to: str | int, kind: int) -> Row:
        """By the last digits of `kind`: of 20 two have ended, one is revoked, one has not begun, two hide drivers."""
        owner, kind = self.owners[group - 1], kind % 20
        team, address = (to, None) if isinstance(to, int) else (None, to)
        starts_at = self.at_later if kind == 4 else self.created
        ends_at = {1: self.at_ended, 11: self.at_ended, 6: self.at_later, 7: self.at_later}.get(kind)
        revoked = (self.at_ended, owner) if kind == 2 else (None, None)
        row = group, owner, role, team, address, owner, self.created, starts_at, ends_at
        return *row, kind in (3, 13), *revoked

    at_ended = cached_property(lambda _self: at(-30))
    at_later = cached_property(lambda _self: at(60))

    @cached_property
    def charged(self) -> list[tuple[int, int, float]]:
        """Of each charging session the station group, the station and how many days ago it began."""
        own = [(g, n, 1 + n % 28 + hours / 9) for g in range(1, 5) for n in stations_of(g) for hours in range(5)]
        last = OWN_GROUPS + len(PARTNERS) * GROUPS_OF_A_PARTNER
        partners = [(g, n, 1 + n % 28) for g in range(OWN_GROUPS + 1, last + 1) for n in stations_of(g)]
        others = []
        for _ in range(self.sizes.sessions - len(own) - len(partners)):
            group = self.dice.randint(last + 1, self.sizes.station_groups)
            others.append((group, self.dice.choice(stations_of(group)), 1 + self.dice.random() * 300))
        return own + partners + others

    now = cached_property(lambda _self: clock.now().replace(microsecond=0))

    def sessions(self) -> Iterator[Row]:
        for n, (group, station, days) in enumerate(self.charged, 1):
            begun = self.now - timedelta(days=days)
            row = n, self.owners[group - 1], first_connector(station), text(begun), text(begun + timedelta(hours=1))
            yield *row, 8_000, "file", f"s{n}", text(begun)

    def quarter_hours(self) -> Iterator[Row]:
        for n, (_group, station, days) in enumerate(self.charged, 1):
            for starts_at in quarters_from(self.now - timedelta(days=days)):
                yield first_connector(station), text(starts_at), n, 2_000, "W"

    def daily_totals(self) -> Iterator[Row]:
        """What the triggers make of these sessions one by one."""
        found: dict[tuple[int, date], tuple[int, int, int]] = {}
        for group, station, days in self.charged:
            connector, owner, begun = first_connector(station), self.owners[group - 1], self.now - timedelta(days=days)
            for at, energy_wh, sessions in ((begun, 0, 1), *((at, 2_000, 0) for at in quarters_from(begun))):
                key = connector, at.astimezone(ZONE).date()
                _owner, wh, count = found.get(key, (owner, 0, 0))
                found[key] = owner, wh + energy_wh, count + sessions
        for (connector, day), (owner, energy_wh, sessions) in found.items():
            yield connector, f"{day}", UNKNOWN_DRIVER, owner, energy_wh, sessions


def quarters_from(begun: datetime) -> Iterator[datetime]:
    """The four quarter hours of a session that begins in the first."""
    first = int(begun.timestamp()) // 900 * 900
    return (datetime.fromtimestamp(first + number * 900, UTC) for number in range(4))


def text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}.000000"


if __name__ == "__main__":
    fill(sys.argv[1], *map(int, sys.argv[2:]))
