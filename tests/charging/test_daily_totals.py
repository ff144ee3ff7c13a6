"""Daily totals are what sessions and quarter hours sum up to, whoever writes these, in any order and at once."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from itertools import count
from random import Random
from threading import Thread

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session, sessionmaker

from portal.accounts.models import Account
from portal.charging import corrections, daily_totals, driver_cards, jobs
from portal.charging.corrections import Corrected
from portal.charging.models import (
    ChargingSession,
    DailyTotal,
    Driver,
    DriverCard,
    FlaggedRow,
    QuarterHour,
    SessionImport,
)
from portal.core.errors import RuleBroken
from portal.licences.models import Kind
from portal.stations.models import Connector, Station
from portal.transfers import operations as transfers
from portal.transfers import things
from tests import world
from tests.charging.files import OSLO, imported, queued, stations

HEAD = b"id;station;start;end;kWh;driver;card\n"
_numbers = count(1)
Step = Callable[[Session, list[Account], Random], None]
# Around midnights, both changes of the clock, and the turn of a year among them.
DAYS = [datetime.fromisoformat(f"2024-{day}") for day in ("03-30", "03-31", "10-26", "10-27", "12-31")]


def row(dice: Random, number: int, names: tuple[str, ...]) -> bytes:
    start = dice.choice(DAYS) + timedelta(hours=dice.randrange(4, 24), minutes=dice.randrange(60))
    end = start + timedelta(minutes=dice.choice((0, 10, 90, 600, 1500)))
    who = dice.choice((";", "Ann;", "Ben;", ";CARD-1", ";CARD-2", "Ann;CARD-1"))
    kwh = f"{dice.choice((0, 0, 1, 700, 4321)) / 1000:.3f}".replace(".", ",")
    return f"{number};{dice.choice(names)};{start:%d.%m.%Y %H:%M};{end:%d.%m.%Y %H:%M};{kwh};{who}\n".encode()


def names_of(session: Session, owner: Account) -> tuple[str, ...]:
    found = session.scalars(sa.select(Station.reference).where(Station.owner_id == owner.id)).all()
    return tuple(name for name in found if name)


def some(session: Session, table: type[ChargingSession], owner: Account, dice: Random) -> ChargingSession | None:
    rows = session.scalars(sa.select(table).where(table.owner_id == owner.id).order_by(table.id)).all()
    return dice.choice(rows) if rows else None


def bring_in(session: Session, accounts: list[Account], dice: Random) -> None:
    owner = dice.choice(accounts)
    if names := names_of(session, owner):
        numbers = [dice.choice((next(_numbers), dice.randrange(1, 5))) for _ in range(4)]
        imported(session, owner, HEAD + b"".join(row(dice, number, names) for number in numbers), zone="Europe/Oslo")


def correct(session: Session, accounts: list[Account], dice: Random) -> None:
    owner = dice.choice(accounts)
    wanted = sa.select(FlaggedRow).where(FlaggedRow.owner_id == owner.id, FlaggedRow.state == "open")
    flagged = session.scalars(wanted.order_by(FlaggedRow.id)).first()
    place = session.scalars(sa.select(Connector).where(Connector.owner_id == owner.id).order_by(Connector.id)).first()
    if flagged and place:
        start = dice.choice(DAYS) + timedelta(hours=12)
        times = start.isoformat(), (start + timedelta(hours=15)).isoformat()
        values = Corrected(
            *times, dice.randrange(9000), place.station_id, place.number, dice.choice(("", "Ann", "Eve"))
        )
        try:
            of = session.get_one(SessionImport, flagged.import_id)
            corrections.correct(session, owner, flagged, of, values, OSLO)
        except RuleBroken:
            session.rollback()


def say_whose_a_card_is(session: Session, accounts: list[Account], dice: Random) -> None:
    owner = dice.choice(accounts)
    driver = driver_cards.named(session, owner, dice.choice(("Ann", "Cid")), add=True)
    known = session.scalar(sa.select(DriverCard).join(Driver).where(Driver.owner_id == owner.id))
    if known:
        driver_cards.take_back(session, owner, known)
    else:
        driver_cards.assign(session, owner, "CARD1", driver)


def give_away(session: Session, accounts: list[Account], dice: Random) -> None:
    giver, receiver = dice.sample(accounts, 2)
    station = session.scalar(sa.select(Station).where(Station.owner_id == giver.id).order_by(Station.id).limit(1))
    thing = things.of_account(giver) if dice.random() < 0.5 or station is None else things.of_station(station)
    try:
        transfers.accept(session, receiver, transfers.offer(session, giver, thing, receiver.email, ""))
    except RuleBroken:
        session.rollback()


def write_past_the_rules(session: Session, accounts: list[Account], dice: Random) -> None:
    """What no operation does today."""
    owner = dice.choice(accounts)
    if (found := some(session, ChargingSession, owner, dice)) is None:
        return
    quarter = session.scalars(sa.select(QuarterHour).where(QuarterHour.session_id == found.id)).first()
    kind = dice.randrange(6)
    if kind == 0:
        session.execute(sa.delete(ChargingSession).where(ChargingSession.id == found.id))
    elif kind == 1:
        found.started_at -= timedelta(hours=20)
    elif kind == 2 and found.driver_id:
        session.execute(sa.delete(Driver).where(Driver.id == found.driver_id))
    elif kind == 3 and quarter:
        quarter.energy_wh += 5
    elif kind == 4 and quarter:
        session.delete(quarter)
    else:
        at = datetime(2025, 1, 1, dice.randrange(24), tzinfo=UTC)
        key = {"connector_id": found.connector_id, "session_id": found.id, "starts_at": at}
        session.merge(QuarterHour(**key, energy_wh=9, quality="W"))


STEPS: list[Step] = [bring_in, bring_in, correct, say_whose_a_card_is, give_away, write_past_the_rules]


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to make a failure smaller takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.sampled_from(STEPS), min_size=3, max_size=9), st.integers(0, 10_000))
def test_they_are_right_after_whatever_is_written(session: Session, steps: list[Step], seed: int) -> None:
    session.rollback()
    dice, number = Random(seed), next(_numbers)
    accounts = [world.account(session, f"owner{number}-{n}@x.example", Kind.AUTHORISATION) for n in range(2)]
    for n, owner in enumerate(accounts):
        stations(session, owner, f"A{number}-{n}", f"B{number}-{n}", connectors=1)
    session.commit()
    for step in [bring_in, *steps]:
        step(session, accounts, dice)
        session.commit()
        assert list(daily_totals.differences(session)) == [], step.__name__
    session.commit()


def summed(session: Session) -> list[tuple[date, int, int]]:
    table = DailyTotal
    columns = (table.day, sa.func.sum(table.energy_wh), sa.func.sum(table.sessions))
    rows = session.execute(sa.select(*columns).group_by(table.day).order_by(table.day))
    return [(day, int(energy_wh), int(sessions)) for day, energy_wh, sessions in rows]


def test_a_session_counts_on_the_local_day_of_its_start_and_its_energy_when_it_flowed(session: Session) -> None:
    owner = world.account(session, "owner@x.example")
    stations(session, owner, "A")
    rows = b"1;A;30.03.2024 23:00;31.03.2024 23:00;23;Ann;\n2;A;26.10.2024 23:00;28.10.2024 00:00;26;;\n"
    imported(session, owner, HEAD + rows, zone="Europe/Zurich")
    assert summed(session) == [
        (date(2024, 3, 30), 1000, 1),
        (date(2024, 3, 31), 22_000, 0),
        (date(2024, 10, 26), 1000, 1),
        (date(2024, 10, 27), 25_000, 0),
    ]


def test_the_triggers_know_every_change_of_the_clock(session: Session) -> None:
    """Before and after each midnight at which a change of the clock shows, in all years that a file can name."""
    owner = world.account(session, "owner@x.example")
    place = stations(session, owner, "A")[0].connectors[0]
    midnights = [
        datetime(year, month, day, tzinfo=daily_totals.ZONE).astimezone(UTC)
        for year in range(1970, 2200)
        for month, days in ((3, range(25, 32)), (9, range(24, 31)), (10, range(25, 32)))
        for day in days
    ]
    rows = [
        {"owner_id": owner.id, "connector_id": place.id, "started_at": at, "ended_at": at, "energy_wh": 0,
         "source": "x", "external_id": at.isoformat(), "by_card": False}
        for midnight in midnights
        for at in (midnight - timedelta(microseconds=1), midnight)
    ]  # fmt: skip
    session.execute(sa.insert(ChargingSession), rows)
    assert list(daily_totals.differences(session)) == []


def test_two_imports_at_once_lose_nothing(
    session: Session, sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BATCH", 10)
    owner, dice = world.account(session, "owner@x.example"), Random(3)
    stations(session, owner, "A", "B")
    files = [[row(dice, number, ("A", "B")) for number in range(first, first + 120)] for first in (1000, 2000)]
    imports = [queued(session, owner, HEAD + b"".join(rows)).id for rows in files]
    failed: list[BaseException] = []

    def work(import_id: int) -> None:
        try:
            jobs.run_one(sessions, import_id)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [Thread(target=work, args=(import_id,)) for import_id in imports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert list(daily_totals.differences(session)) == []
    assert sum(row[2] for row in summed(session)) == session.scalar(sa.select(sa.func.count(ChargingSession.id))) > 200


def test_they_go_with_the_charging_point(session: Session) -> None:
    owner = world.account(session, "owner@x.example")
    station, other = stations(session, owner, "A", "B")
    imported(
        session, owner, HEAD + b"1;A;01.03.2024 10:00;01.03.2024 11:00;8;;\n2;B;01.03.2024 10:00;01.03.2024 11:00;1;;\n"
    )
    session.execute(sa.delete(Station).where(Station.id == station.id))
    assert session.scalars(sa.select(DailyTotal.connector_id)).all() == [other.connectors[0].id]
    assert list(daily_totals.differences(session)) == []


def test_the_operator_is_told_what_differs_and_has_it_written_anew(session: Session, app: Flask) -> None:
    owner = world.account(session, "owner@x.example")
    stations(session, owner, "A")
    imported(session, owner, HEAD + b"1;A;01.03.2024 10:00;01.03.2024 11:00;8;;\n", zone="Europe/Zurich")
    session.commit()
    check = ["sessions", "check-totals"]
    assert app.test_cli_runner().invoke(args=check).exit_code == 0
    session.execute(sa.update(DailyTotal).values(energy_wh=7999))
    session.commit()
    told = app.test_cli_runner().invoke(args=check)
    assert (told.exit_code, "2024-03-01, no driver: owner" in told.output, "8000 Wh" in told.output) == (1, True, True)
    assert app.test_cli_runner().invoke(args=[*check, "--repair"]).exit_code == 0
    assert app.test_cli_runner().invoke(args=check).exit_code == 0
    assert summed(session) == [(date(2024, 3, 1), 8000, 1)]


def test_what_is_there_already_is_summed_up_by_the_migration(session: Session) -> None:
    """The statement of the migration, on what the triggers have added up one by one."""
    migration = import_module("portal.migrations.versions.0011_daily_totals")
    owner, dice = world.account(session, "owner@x.example"), Random(5)
    stations(session, owner, "A", "B")
    rows = b"".join(row(dice, number, ("A", "B")) for number in range(60))
    imported(session, owner, HEAD + rows, zone="Europe/Oslo")
    session.execute(sa.delete(DailyTotal))
    day = migration.DAY[session.get_bind().dialect.name]
    days = {"day_of_quarter": day("quarter.starts_at"), "day_of_session": day("started_at")}
    session.connection().exec_driver_sql(migration.FILL.format(columns=migration.COLUMNS, **days))
    assert summed(session)
    assert list(daily_totals.differences(session)) == []
