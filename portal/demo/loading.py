"""Loads the demo into an empty database, by the same rules and the same import as everybody else's data."""

import csv
import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session, sessionmaker

from portal import models  # noqa: F401  every table
from portal.accounts import passwords, queries
from portal.accounts.links import Links
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.charging import jobs, table_files
from portal.charging.date_text import DateOrder
from portal.charging.finishing import instants
from portal.charging.mapping import Mapping
from portal.charging.models import Covers, Driver, ImportState, SessionImport
from portal.core import clock, files, schema
from portal.core.config import Settings
from portal.core.db import session_factory
from portal.core.errors import SettingsError
from portal.demo import admitting, exporting, reporting, sharing, surroundings
from portal.demo.dates import ROWS, Shift, move, open_sessions, shift_to
from portal.demo.places import GARAGES, STEP
from portal.licences.models import Kind, Licence
from portal.stations.models import Access, Connector, Grant, Permission, Station, StationGroup, StationGroupStation

SHARED_GROUP = "Bl2"
FILE_NAME = "trondheim.csv"
TIME_ZONE = "Europe/Oslo"
MAX_POWER_W = 11_000  # not in the data, where no session charges with more than 7.7 kW
PLACE_COLUMN, CARD_COLUMN = "Charge_point", "Card"


class Place(NamedTuple):
    """A charge point of the file: a private one is named by its user, a shared one by its own number."""

    garage: str
    point: str

    @property
    def reference(self) -> str:
        return f"{self.garage}/{self.point}"


def load(settings: Settings, tell: Callable[[str], None]) -> Shift:
    """Everything of the demo, unless it is there already: people and stations first, then the import, then the
    exports, each committed by itself, so that an interrupted load goes on. Returns how the data were moved.

    `tell` hears what takes its time. Only one process may load, no worker may run meanwhile, and the drop box must be
    starting. SettingsError for a database that holds something else than this version's demo.
    """
    sessions = session_factory(settings.database_url)
    try:
        schema.check(sessions.kw["bind"])
        with sessions() as session:
            if queries.by_email(session, "master@demo.example") is None:
                _refuse_what_is_no_demo(session, settings)
                tell("Setting up accounts, stations and station groups ...")
                _people_and_stations(session, shift_to(clock.now().date()))
                sharing.load(session, Links.of(settings))
                session.commit()
        _finish_imports(sessions, tell)
        with sessions() as session:
            shift = present_shift(session)
            if exporting.is_there(session):
                exporting.follow_drop_box(session, settings)
            else:
                tell("Setting up the auto-exports ...")
                surroundings.wait_for_drop_box(settings.data_dir)
                admitting.assign_a_card(session)
                _drivers(session)
                exporting.load(session, settings, shift)
                reporting.load(session, shift)
            session.commit()
    finally:
        sessions.kw["bind"].dispose()
    return shift


def _refuse_what_is_no_demo(session: Session, settings: Settings) -> None:
    if session.query(Account.id).first() is not None:
        raise SettingsError(
            f"The database holds accounts that are not the demo's; choose another DATA_DIR than {settings.data_dir}."
        )


def _finish_imports(sessions: sessionmaker[Session], tell: Callable[[str], None]) -> None:
    with sessions() as session:
        unfinished = session.query(SessionImport).filter(SessionImport.state != ImportState.DONE).all()
        for row in unfinished:  # of a load that was killed: nobody else is at work
            row.lease_until, row.failures = row.created_at, 0
        session.commit()
    for row in unfinished:
        tell(f"Importing {ROWS:,} charging sessions ...")
        if not jobs.run_one(sessions, row.id):
            raise SettingsError("The demo's sessions could not be imported; remove its DATA_DIR and start again.")


def present_shift(session: Session) -> Shift:
    """By how much the loaded data were moved; a later start keeps them as they are."""
    row = session.query(SessionImport).filter_by(file_name=FILE_NAME).order_by(SessionImport.id).first()
    return shift_to(row.created_at.date() if row else clock.now().date())


def _people_and_stations(session: Session, shift: Shift) -> Account:
    password_hash = passwords.hashed(surroundings.PASSWORD)  # one for all: each would cost a tenth of a second
    logins = surroundings.LOGINS
    people = {one.email.partition("@")[0]: _account(session, one.email, password_hash, one.name) for one in logins}
    people["operator"].is_operator = True
    master = people["master"]
    for name in ("master", "manage", "display", "piquet1", "piquet2"):
        _licence(session, people[name], Kind.AUTHORISATION, people["operator"])
    for kind in (Kind.AUTO_EXPORT, Kind.REPORTS, Kind.MAINTENANCE):
        _licence(session, master, kind, people["operator"])
    with open_sessions() as lines:
        rows = list(csv.DictReader(lines, delimiter=";"))
    groups = _stations(session, master, sorted({_place(row) for row in rows}))
    piquet = [UserGroupMember(email=f"piquet{n}@demo.example") for n in (1, 2)]
    user_group = UserGroup(owner_id=master.id, name="Piquet", members=piquet)
    session.add(user_group)
    session.flush()
    shared, asia = groups[SHARED_GROUP], groups["AsO2"]
    _grant(session, shared, Permission.MANAGE, email="manage@demo.example")
    _grant(session, shared, Permission.DISPLAY, email="display@demo.example")
    _grant(session, asia, Permission.ADMINISTRATE, user_group_id=user_group.id)
    _session_import(session, master, shift)
    return master


def _account(session: Session, email: str, password_hash: str | None, name: str = "") -> Account:
    row = Account(email=email, name=name, password_hash=password_hash, verified_at=clock.now())
    session.add(row)
    session.flush()
    return row


def _licence(session: Session, to: Account, kind: Kind, operator: Account) -> None:
    starts_at = clock.now() - timedelta(days=365)
    session.add(Licence(account_id=to.id, kind=kind.value, starts_at=starts_at, activated_by_id=operator.id))


def _place(row: dict[str, str]) -> Place:
    return Place(row["Garage_ID"], row["User_ID"] if row["User_type"] == "Private" else row["Shared_ID"])


def _stations(session: Session, master: Account, places: list[Place]) -> dict[str, StationGroup]:
    groups = {garage: StationGroup(owner_id=master.id, name=garage) for garage in sorted({p.garage for p in places})}
    session.add_all(groups.values())
    session.flush()
    for number, place in enumerate(places, 1):
        shared = place.point.startswith("Shared")
        station = Station(owner_id=master.id, name=place.point, reference=place.reference)
        station.description = "Shared charge point" if shared else "Private charge point"
        if garage := GARAGES.get(place.garage):
            station.address, station.latitude = garage.address, garage.latitude
            station.longitude = round(garage.longitude + STEP * _beside(place, places), 6)
        station.connectors = [_connector(master, place, number, shared=shared)]
        session.add(station)
        session.flush()
        group = groups[place.garage]
        session.add(StationGroupStation(station_group_id=group.id, station_id=station.id, owner_id=master.id))
    return groups


def _beside(place: Place, places: list[Place]) -> int:
    """How many charge points of the same garage come before it."""
    return sum(other.garage == place.garage and other < place for other in places)


def _connector(master: Account, place: Place, number: int, *, shared: bool) -> Connector:
    return Connector(
        owner_id=master.id,
        number=1,
        max_power_w=MAX_POWER_W,
        access=(Access.LIMITED if shared else Access.PRIVATE).value,
        device_location_id=f"{place.garage}-{place.point}",
        factory_no=f"DEMO{number:06}",
        metering_code=f"CH{number:031}",
    )


def _grant(session: Session, group: StationGroup, role: Permission, **to: object) -> None:
    given = {"station_group_id": group.id, "owner_id": group.owner_id, "granted_by_id": group.owner_id}
    session.add(Grant(role=role.value, **given, **to))


def _session_import(session: Session, master: Account, shift: Shift) -> None:
    """The file with its dates moved, queued as an import that its owner confirmed."""
    with open_sessions() as lines:
        kept = files.keep(session, FILE_NAME, (line.encode() for line in _completed(move(lines, shift.weeks))))
    shape = table_files.detect(files.opened(session, kept), FILE_NAME)
    columns = {name: place for place, name in enumerate(shape.columns)}
    mapping = Mapping(
        columns=shape.columns,
        station=columns[PLACE_COLUMN],
        start=columns["Start_plugin"],
        end=columns["End_plugout"],
        energy=columns["El_kWh"],
        decimal_mark=",",
        driver=columns["User_ID"],
        card=columns[CARD_COLUMN],
        external_id=columns["session_ID"],
        date_order=DateOrder.DAY_MONTH_YEAR,
        time_zone=TIME_ZONE,
    )
    covers_from, covers_to = instants(shift.first_day, shift.last_day, mapping.zone)
    row = SessionImport(
        owner_id=master.id,
        account_id=master.id,
        file_id=kept.id,
        file_name=FILE_NAME,
        shape=shape.to_json(),
        mapping=mapping.to_json(),
        state=ImportState.QUEUED.value,
        covers=Covers.ALL.value,
        covers_from=covers_from,
        covers_to=covers_to,
    )
    session.add(row)


def _completed(lines: Iterator[str]) -> Iterator[str]:
    """The CSV with two columns more: one names the charge point; the other holds the card of those users who are known
    by it alone, and their names are gone."""
    reader = csv.DictReader(lines, delimiter=";")
    columns = [*(reader.fieldnames or ()), PLACE_COLUMN, CARD_COLUMN]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    for row in reader:
        card = admitting.CARDS_OF.get(row["User_ID"])
        known = {"User_ID": "", CARD_COLUMN: card} if card else {CARD_COLUMN: ""}
        writer.writerow({**row, PLACE_COLUMN: _place(row).reference, **known})
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def _drivers(session: Session) -> None:
    """An account for every driver of the file: who charged may be named as the user of an export. They cannot log in
    before they set a password by mail."""
    for number, driver in enumerate(session.query(Driver).order_by(Driver.label).all(), 1):
        driver.email = f"{driver.label.lower()}@driver.demo.example"
        driver.device_location_id = f"driver-{driver.label}"
        driver.metering_code = f"CH9{number:030}"
        _account(session, driver.email, password_hash=None)
