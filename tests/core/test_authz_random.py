"""Random histories: people join and leave, licences lapse, grants come, last longer, end and go, groups are deleted and
made anew, stations change groups; after every step check, list, explanation and sight of the drivers agree with a model
that keeps sets and knows no SQL."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy.orm import Session, sessionmaker

from portal.accounts import user_groups
from portal.accounts.models import UserGroupMember
from portal.core import authz, clock
from portal.core.db import session_factory
from portal.core.errors import NotAllowed, NotThere, RuleBroken
from portal.licences.models import Kind
from portal.sharing import extending, operations
from portal.sharing.operations import Offer
from portal.stations import operations as station_operations
from portal.stations import queries as stations
from portal.stations.models import Grant, Permission, Station, StationGroupStation
from portal.transfers import operations as transfers
from portal.transfers import things
from tests import world
from tests.core import small_world
from tests.core.small_world import Reach

# Near misses of each other: prefix, suffix, and what is a wildcard or a separator somewhere.
PEOPLE = ("ann@x.example", "ann_@x.example", "ann@x.example.example", "an.n@x.example", "xann@x.example")
ACTIONS = ("station_group:view", "connector:edit", "grant:give_administrate")
ON_STATIONS = ("station:view", "station:edit", "station:delete")
person, group, role = st.integers(0, len(PEOPLE) - 1), st.integers(0, 2), st.sampled_from(list(Permission))
days = st.sampled_from([None, 1, 30])


@dataclass
class Given:
    """A grant in the model. `under` is the number of the grant it was given under."""

    group: int
    role: str
    to: int | None  # a person
    users: int | None  # or a user group
    giver: int
    under: int | None
    end: int | None  # day of the history on which it is over
    begin: int = 0  # day from which it acts
    live: bool = True  # neither revoked nor ended with what it was given under
    hides: bool = False  # the drivers

    def acts(self, today: int) -> bool:
        return self.stands(today) and self.begin <= today

    def stands(self, today: int) -> bool:
        return self.live and (self.end is None or self.end > today)


class Histories(RuleBasedStateMachine):
    """Five people, each of whom can own, give and hold; three station groups and three user groups of the first two."""

    sessions: sessionmaker[Session]

    @initialize(
        licensed=st.sets(person, min_size=3),
        joined=st.lists(st.tuples(group, person), min_size=2, max_size=6),
        first=st.lists(st.tuples(group, person, role, st.booleans()), min_size=2, max_size=8),
    )
    def begin(
        self,
        licensed: set[int],
        joined: list[tuple[int, int]],
        first: list[tuple[int, int, Permission, bool]],
    ) -> None:
        self.session = self.sessions()
        self.people = [world.account(self.session, email) for email in PEOPLE]
        self.owners, self.user_owners, self.station_owners = [0, 0, 1], [0, 0, 1], [0, 0, 1]
        self.groups = [world.station_group(self.session, self.people[owner]) for owner in self.owners]
        self.users = [
            world.user_group(self.session, self.people[o], f"Users {n}") for n, o in enumerate(self.user_owners)
        ]
        self.licences = {n: world.licence(self.session, self.people[n], Kind.AUTHORISATION) for n in licensed}
        self.members: list[set[int]] = [set(), set(), set()]
        self.verified = set(range(len(PEOPLE)))
        self.grants: dict[int, Given] = {}
        self.today = self.looks = 0
        self.stations = [world.station(self.session, self.people[owner]) for owner in self.station_owners]
        self.inside: list[set[int]] = [set(), set(), set()]  # station groups by station
        for users, who in joined:
            self.join(users, who)
        for number, whom, permission, to_users in first:
            self.give(self.owners[number], number, whom, permission, None, to_users)
        for given in list(self.grants.values()):  # and under each that may, one more: histories rarely get there
            if given.to is not None and given.role == "administrate":
                self.give(given.to, given.group, (given.to + 1) % len(PEOPLE), Permission.ADMINISTRATE, None, False)

    @rule(
        giver=person,
        number=group,
        whom=person,
        permission=role,
        end=days,
        to_users=st.booleans(),
        hides=st.booleans(),
    )
    def give(
        self,
        giver: int,
        number: int,
        whom: int,
        permission: Permission,
        end: int | None,
        to_users: bool,
        hides: bool = False,
    ) -> None:
        users = whom % 3 if to_users else None
        ends_at = clock.now() + timedelta(days=end) if end else None
        offer = Offer(
            permission, "" if to_users else PEOPLE[whom], self.users[users].id if to_users else None, ends_at, hides
        )
        sources = self.sources(giver, number, permission)
        try:
            grant = operations.give(self.session, self.people[giver], self.groups[number], offer)
        except (RuleBroken, NotAllowed):
            plain = not to_users and whom not in (giver, self.owners[number]) and not end
            assert not (sources and plain) or self.twin(number, offer), "a grant was refused for no reason"
            return
        assert sources, "somebody gave what he does not hold"
        under = next((n for n, _given in self.grants.items() if n == grant.under_grant_id), None)
        assert (under is None) == (self.owners[number] == giver)
        end = self.today + end if end else (self.grants[under].end if under else None)
        to = None if to_users else whom
        hides = hides or (under is not None and self.grants[under].hides)
        self.grants[grant.id] = Given(number, permission, to, users, giver, under, end, self.today, hides=hides)

    @rule(data=st.data(), actor=person)
    def extend(self, data: st.DataObject, actor: int) -> None:
        """As long again as so far, as far as the actor's own grant and the one that it hangs under reach."""
        if not self.grants:
            return
        ending = [n for n, given in self.grants.items() if given.end and given.stands(self.today)]
        number = data.draw(st.sampled_from(ending or sorted(self.grants)))
        row, old = self.session.get_one(Grant, number), self.grants[number]
        before, longest, end = row.ends_at, self.longest(actor, number), old.end
        try:
            extending.extend(self.session, self.people[actor], row)
        except (RuleBroken, NotAllowed):
            assert longest is None or longest <= old.end, "an extension was refused for no reason"
            return
        assert longest is not None, "somebody extended what he may not"
        assert longest >= end, "something lasts longer than it may"
        # It lasts to the end of its last day; cut off at the hour at which the days of these histories end.
        over = row.ends_at - before - timedelta(days=longest - end)
        assert timedelta(minutes=-1) < over < timedelta(days=1, hours=1)
        row.ends_at -= max(over, timedelta())
        old.end = longest

    def longest(self, actor: int, number: int) -> int | None:
        """The day on which the grant is over when the actor extends it; none when he may not."""
        given = self.grants[number]
        if not given.stands(self.today) or given.end is None:
            return None
        own = self.sources(actor, given.group, Permission(given.role))
        own = [n for n in own if n is None or n not in {number, *self.below(number)}]
        if not own:
            return None
        ends = [given.end + min(given.end - given.begin, 365)]
        if None not in own:
            ends.append(max((self.grants[n].end for n in own), key=lambda end: (end is None, end)))
        if given.under is not None:
            ends.append(self.grants[given.under].end)
        return min(end for end in ends if end is not None)

    def below(self, number: int) -> set[int]:
        """Everything that was given under the grant, at any depth."""
        direct = {n for n, given in self.grants.items() if given.under == number}
        return direct.union(*(self.below(n) for n in direct))

    @rule(data=st.data(), actor=person)
    def revoke(self, data: st.DataObject, actor: int) -> None:
        if not self.grants:
            return
        number = data.draw(st.sampled_from(sorted(self.grants)))
        grant = self.session.get_one(Grant, number)
        allowed = bool(self.sources(actor, self.grants[number].group, Permission(grant.role)))
        try:
            operations.revoke(self.session, self.people[actor], grant)
        except NotAllowed:
            assert not allowed
        except RuleBroken:
            assert not self.grants[number].acts(self.today) or allowed
        else:
            assert allowed
            self.end(number)

    @rule(data=st.data(), actor=person, permission=role, end=days, hides=st.booleans())
    def change(self, data: st.DataObject, actor: int, permission: Permission, end: int | None, hides: bool) -> None:
        """What was given under a changed grant goes on under the new one, as far as that reaches."""
        if not self.grants:
            return
        upper = {given.under for given in self.grants.values() if given.live} - {None}
        number = data.draw(st.sampled_from(sorted(self.grants)) | st.sampled_from(sorted(upper or self.grants)))
        old, row, may = (
            self.grants[number],
            self.session.get_one(Grant, number),
            self.may_change(actor, number, permission),
        )
        offer = Offer(permission, ends_at=clock.now() + timedelta(days=end) if end else None, hides_drivers=hides)
        try:
            grant = operations.change(self.session, self.people[actor], row, offer)
        except (RuleBroken, NotAllowed):
            plain = self.owners[old.group] == actor and not end
            assert not (may and plain) or self.same_again(old, permission), "a change was refused for no reason"
            return
        assert may, "somebody changed what he may not"
        self.changed(number, grant, actor, offer, end)

    def may_change(self, actor: int, number: int, permission: Permission) -> bool:
        old = self.grants[number]
        held = [self.sources(actor, old.group, Permission(one)) for one in (old.role, permission)]
        return old.stands(self.today) and all(held)

    def changed(self, number: int, grant: Grant, actor: int, offer: Offer, end: int | None) -> None:
        """The grant stands instead of the one of this number; it hangs under what it hangs under now."""
        old, under = self.grants[number], grant.under_grant_id
        upper = self.grants[under] if under else None
        over = self.today + end if end else (upper.end if upper else None)
        hides = offer.hides_drivers or (upper is not None and upper.hides)
        role, begin = offer.role, self.today
        self.grants[grant.id] = Given(old.group, role, old.to, old.users, actor, under, over, begin, hides=hides)
        for given in self.grants.values():
            if given.under == number:
                given.under = grant.id
        self.end(number)
        self.hold_within(grant.id)

    @rule(data=st.data(), actor=person, permission=role, end=days, hides=st.booleans())
    def change_many(
        self, data: st.DataObject, actor: int, permission: Permission, end: int | None, hides: bool
    ) -> None:
        """Several at once: all of them, those that hang under others after these, or none."""
        standing = sorted(n for n, given in self.grants.items() if given.stands(self.today))
        if len(standing) < 2:
            return
        chosen = data.draw(st.lists(st.sampled_from(standing), min_size=2, max_size=3, unique=True))
        offer = Offer(permission, ends_at=clock.now() + timedelta(days=end) if end else None, hides_drivers=hides)
        rows = [self.session.get_one(Grant, number) for number in chosen]
        inside = self.session.begin_nested()
        try:
            done = operations.change_all(self.session, self.people[actor], rows, lambda _grant: offer)
        except (RuleBroken, NotAllowed):
            inside.rollback()
            assert end or not self.plainly_may_change(actor, chosen, permission), "several were refused for no reason"
            return
        inside.commit()
        for change, grant in zip(done.changes, done.grants, strict=True):
            assert self.may_change(actor, change.grant_id, permission), "somebody changed one that he may not"
            self.changed(change.grant_id, grant, actor, offer, end)
        for number in set(chosen) - {change.grant_id for change in done.changes}:
            left = self.grants[number]
            same = (left.role, left.end, left.hides) == (permission, self.today + end if end else None, hides)
            assert same or not left.stands(self.today), "one of several was passed over"

    def plainly_may_change(self, actor: int, chosen: Sequence[int], permission: Permission) -> bool:
        """Whether all of them are the owner's to change, and no recipient would hold the same twice."""
        olds = [self.grants[number] for number in chosen]
        recipients = {(old.group, old.to, old.users) for old in olds}
        return len(recipients) == len(olds) and all(
            self.owners[old.group] == actor and not self.same_again(old, permission) for old in olds
        )

    def hold_within(self, number: int) -> None:
        """Everything under the grant ends with it at the latest, or at once where it may not have been given."""
        upper = self.grants[number]
        for other, given in self.grants.items():
            if given.under != number or not given.live or (given.end is not None and given.end <= self.today):
                continue
            if upper.role != "administrate":
                self.end(other)
                continue
            given.end = min((end for end in (given.end, upper.end) if end is not None), default=None)
            given.hides = given.hides or upper.hides
            self.hold_within(other)

    def same_again(self, old: Given, permission: Permission) -> bool:
        """Whether the recipient holds this already; the end is left out of the comparison."""
        return any(
            given.live
            and (given.group, given.to, given.users, given.role) == (old.group, old.to, old.users, permission)
            for given in self.grants.values()
        )

    @rule(number=group, whom=person, permission=role, begin=days, end=days, hides=st.booleans())
    def plan(
        self, number: int, whom: int, permission: Permission, begin: int | None, end: int | None, hides: bool
    ) -> None:
        """A grant of the owner, to somebody else, that begins another day."""
        if whom == self.owners[number]:
            return
        begin, now = begin or 0, clock.now()
        dates = {
            "starts_at": now + timedelta(days=begin),
            "ends_at": now + timedelta(days=begin + end) if end else None,
        }
        row = world.grant(
            self.session, self.groups[number], permission.value, PEOPLE[whom], hides_drivers=hides, **dates
        )
        over = self.today + begin + end if end else None
        owner = self.owners[number]
        self.grants[row.id] = Given(number, permission, whom, None, owner, None, over, self.today + begin, hides=hides)

    @rule(passed=st.sampled_from([1, 2, 30]))
    def let_days_pass(self, passed: int) -> None:
        """Instead of the clock everything on it is moved, a second further so that no end lies at the present."""
        self.today += passed
        back = timedelta(days=passed, seconds=1)
        self.session.flush()
        for row in self.session.scalars(sa.select(Grant)):
            row.starts_at -= back
            row.ends_at = row.ends_at - back if row.ends_at else None

    @rule(station=group, number=group)
    def put_in_or_take_out(self, station: int, number: int) -> None:
        keys = (self.groups[number].id, self.stations[station].id)
        if self.station_owners[station] != self.owners[number]:
            return
        if number in self.inside[station]:
            self.session.delete(self.session.get_one(StationGroupStation, keys))
        else:
            owner_id = self.groups[number].owner_id
            self.session.add(StationGroupStation(station_group_id=keys[0], station_id=keys[1], owner_id=owner_id))
        self.session.flush()
        self.inside[station] ^= {number}

    @rule(number=group, actor=person, maker=person)
    def delete_a_station_group(self, number: int, actor: int, maker: int) -> None:
        """Its owner alone deletes it; somebody makes another one in its place, which nobody else sees."""
        try:
            station_operations.delete_group(self.session, self.people[actor], self.groups[number])
        except NotThere:
            assert actor != self.owners[number], "an owner could not delete his station group"
            return
        assert actor == self.owners[number], "somebody deleted the station group of another"
        self.forget(n for n, given in self.grants.items() if given.group == number)
        for inside in self.inside:
            inside.discard(number)
        name = f"Group {number} of step {self.looks}"
        self.groups[number] = station_operations.create_group(self.session, self.people[maker], name)
        self.owners[number] = maker

    @rule(users=group)
    def delete_a_user_group(self, users: int) -> None:
        """What was given to it and under that goes with it; its owner makes an empty one in its place."""
        owner = self.people[self.user_owners[users]]
        operations.delete_user_group(self.session, owner, self.users[users])
        self.forget(n for n, given in self.grants.items() if given.users == users)
        self.users[users] = world.user_group(self.session, owner, f"Users {users} of step {self.looks}")
        self.members[users] = set()

    def forget(self, numbers: Iterator[int]) -> None:
        """These have gone from the database, and all that was given under them."""
        gone = set(numbers)
        gone |= {below for number in gone for below in self.below(number)}
        self.grants = {n: given for n, given in self.grants.items() if n not in gone}
        self.session.flush()
        self.session.expire_all()
        there = set(self.session.scalars(sa.select(Grant.id)))
        assert there >= {n for n, given in self.grants.items() if given.live}, "something else went with it"
        assert not there & gone, "something outlived what it was given under"
        self.grants = {n: given for n, given in self.grants.items() if n in there}

    @rule(what=st.sampled_from(["station", "group", "account"]), number=group, to=person)
    def hand_over(self, what: str, number: int, to: int) -> None:
        """Offered and accepted in one go; nobody takes over what he owns, or with an address that is not his."""
        giver = self.station_owners[number] if what == "station" else self.owners[number]
        thing = {
            "station": things.of_station(self.stations[number]),
            "group": things.of_group(self.groups[number]),
            "account": things.of_account(self.people[giver]),
        }[what]
        if giver == to:
            return
        offer = transfers.offer(self.session, self.people[giver], thing, PEOPLE[to])
        try:
            transfers.accept(self.session, self.people[to], offer)
        except NotAllowed:
            assert to not in self.verified
            transfers.withdraw(self.session, self.people[giver], offer)
            return
        assert to in self.verified
        {"station": self.station_moves, "group": self.group_moves, "account": self.all_moves}[what](number, giver, to)

    def station_moves(self, number: int, _giver: int, to: int) -> None:
        self.station_owners[number], self.inside[number] = to, set()

    def group_moves(self, number: int, _giver: int, to: int) -> None:
        """With its stations, which leave their other groups; of what was given on it nothing stays."""
        self.owners[number] = to
        self.grants = {n: given for n, given in self.grants.items() if given.group != number}
        for station, inside in enumerate(self.inside):
            if number in inside:
                self.station_owners[station], self.inside[station] = to, {number}

    def all_moves(self, _number: int, giver: int, to: int) -> None:
        """What was given stays, but to the two of them; the giver is in none of his former user groups."""
        mine = {number for number, owner in enumerate(self.owners) if owner == giver}
        for number, given in list(self.grants.items()):
            if given.group in mine and given.to in (giver, to):
                self.end(number)
        for users, owner in enumerate(self.user_owners):
            if owner == giver:
                self.members[users].discard(giver)
        for owners in (self.owners, self.user_owners, self.station_owners):
            owners[:] = [to if owner == giver else owner for owner in owners]

    @rule(users=group, who=person)
    def join(self, users: int, who: int) -> None:
        user_groups.add_members(self.session, self.people[self.user_owners[users]], self.users[users], PEOPLE[who])
        self.members[users].add(who)

    @rule(users=group, who=person)
    def leave(self, users: int, who: int) -> None:
        member = self.session.query(UserGroupMember).filter_by(user_group_id=self.users[users].id, email=PEOPLE[who])
        if found := member.one_or_none():
            operations.remove_member(self.session, self.people[self.user_owners[users]], found)
            self.members[users].discard(who)
            for number, given in list(self.grants.items()):
                if given.live and given.giver == who and given.under and self.grants[given.under].users == users:
                    self.end(number)

    @rule(who=person)
    def lapse_or_renew(self, who: int) -> None:
        if held := self.licences.pop(who, None):
            held.ends_at = clock.now() - timedelta(seconds=1)
        else:
            self.licences[who] = world.licence(self.session, self.people[who], Kind.AUTHORISATION)

    @rule(who=person)
    def lose_or_verify_the_address(self, who: int) -> None:
        self.verified ^= {who}
        self.people[who].verified_at = clock.now() if who in self.verified else None

    @invariant()
    def check_list_and_model_agree(self) -> None:
        if not hasattr(self, "grants"):
            return
        self.session.flush()
        self.looks += 1  # what is dear is looked at in turns: each history has many steps
        for who in range(len(PEOPLE)):
            for action in ACTIONS:
                expected = {self.groups[n].id for n in range(3) if action in self.allowed(who, n)}
                listed = set(self.session.scalars(authz.visible(self.people[who].id, action)))
                assert listed == expected, (PEOPLE[who], action)
            self.checks_agree(who, ACTIONS[(self.looks + who) % 3])
            self.explanations_agree(who, (self.looks + who) % 3)
            self.stations_agree(who, ON_STATIONS[(self.looks + who // 2) % 3])
        self.drivers_agree(self.looks % len(PEOPLE))

    def checks_agree(self, who: int, action: str) -> None:
        """On all the groups at once, and on one of them."""
        may = [self.groups[n].id for n in range(3) if action in self.allowed(who, n)]
        ids = [group.id for group in self.groups]
        assert authz.may(self.session, self.people[who].id, action, ids) == bool(may), (PEOPLE[who], action)
        one = ids[self.looks % 3]
        assert authz.may(self.session, self.people[who].id, action, [one]) == (one in may), (PEOPLE[who], action)

    def explanations_agree(self, who: int, number: int) -> None:
        """Every standing that lets somebody see a group, by the grant that confers it, and no other."""
        reasons = authz.why(self.session, self.people[who].id, self.groups[number].id, "station_group:view")
        expected = [None] if self.owners[number] == who else []
        if self.both_licensed(who, number) and who in self.verified:
            expected += [n for n, given in self.grants.items() if self.lets_in(given, who, number)]
        found = [held.grant_id for held, _line in reasons]
        assert sorted(found, key=str) == sorted(expected, key=str), (PEOPLE[who], number)

    def lets_in(self, given: Given, who: int, number: int) -> bool:
        return given.group == number and given.acts(self.today) and self.reaches(given, who)

    def stations_agree(self, who: int, action: str) -> None:
        expected = set()
        for station, owner, inside in zip(self.stations, self.station_owners, self.inside, strict=True):
            if owner == who or any(action in self.allowed(who, number) for number in inside):
                expected.add(station.id)
        condition = stations.visible_stations(self.people[who].id, action)
        assert set(self.session.scalars(sa.select(Station.id).where(condition))) == expected, (PEOPLE[who], action)
        station = self.stations[self.looks % 3]
        checked = stations.may(self.session, self.people[who].id, action, station)
        assert checked == (station.id in expected), (PEOPLE[who], action)

    def drivers_agree(self, who: int) -> None:
        """The drivers are known to the owner, and to whom some grant shows them that lets him see the station."""
        expected = set()
        for station, owner, inside in zip(self.stations, self.station_owners, self.inside, strict=True):
            lets_in = [
                given
                for number in inside
                if who in self.verified and self.both_licensed(who, number)
                for given in self.grants.values()
                if self.lets_in(given, who, number)
            ]
            if owner == who or not all(given.hides for given in lets_in):
                expected.add(station.id)
        found = set(self.session.scalars(sa.select(Station.id).where(stations.shows_drivers(self.people[who].id))))
        assert found == expected, PEOPLE[who]

    def teardown(self) -> None:
        if hasattr(self, "session"):
            self.session.rollback()
            self.session.close()

    def reaches(self, given: Given, who: int) -> bool:
        return given.to == who if given.users is None else who in self.members[given.users]

    def allowed(self, who: int, number: int) -> frozenset[str]:
        owner = self.owners[number]
        return small_world.allowed(
            owns=who == owner,
            verified=who in self.verified,
            both_licensed=self.both_licensed(who, number),
            reaches=[
                Reach(given.role, given.group == number, self.reaches(given, who), given.acts(self.today))
                for given in self.grants.values()
            ],
        )

    def both_licensed(self, who: int, number: int) -> bool:
        return {who, self.owners[number]} <= self.licences.keys()

    def sources(self, who: int, number: int, permission: Permission) -> list[int | None]:
        """What lets this person give the permission: none for ownership, else the numbers of the grants."""
        if self.owners[number] == who:
            return [None]
        if f"grant:give_{permission.value}" not in self.allowed(who, number):
            return []
        return [
            n for n, given in self.grants.items() if self.lets_in(given, who, number) and given.role == "administrate"
        ]

    def twin(self, number: int, offer: Offer) -> bool:
        """Whether somebody gave the same address the same already; the end is left out of the comparison."""
        return any(
            given.live
            and (given.end is None or given.end > self.today)
            and given.group == number
            and given.role == offer.role
            and PEOPLE[given.to] == offer.email
            for given in self.grants.values()
            if given.to is not None
        )

    def end(self, number: int) -> None:
        self.grants[number].live = False
        for other, given in self.grants.items():
            if given.under == number and given.live:
                self.end(other)


@pytest.fixture
def histories(database_url: str) -> Iterator[type[Histories]]:
    """The machine on an empty database; each history is one transaction, rolled back."""
    sessions = session_factory(database_url)
    yield type("HistoriesHere", (Histories,), {"sessions": sessions})
    sessions.kw["bind"].dispose()


def run(machine: type[Histories], examples: int) -> None:
    quiet = settings(
        max_examples=examples,
        stateful_step_count=15,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=quiet)  # type: ignore[no-untyped-call]  # Hypothesis leaves it untyped


def test_random_histories_agree_with_the_model(histories: type[Histories], database_url: str) -> None:
    run(histories, 60 if database_url.startswith("sqlite") else 25)  # PostgreSQL takes three times as long


@pytest.mark.deep
def test_many_random_histories_agree_with_the_model(histories: type[Histories]) -> None:
    run(histories, 2000)
