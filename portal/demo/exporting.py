"""The demo's auto-export: its drop box as destination, two formatters, three tasks."""

from datetime import date

from sqlalchemy.orm import Session

from portal.accounts import queries
from portal.accounts.models import Account
from portal.core import clock
from portal.core.config import Settings
from portal.core.vault import Vault
from portal.delivery.models import Destination, Login
from portal.delivery.sending import look_at_peer, place, reach
from portal.demo import surroundings
from portal.demo.dates import Shift
from portal.exports import planning
from portal.exports.models import ExportTask, Format, Formatter, Scope
from portal.exports.periods import Interval
from portal.stations.models import StationGroup
from portal.transports.sftp import HostKey

DROP_BOX_HOST = "127.0.0.1"
DRIVER = "bl2-5@driver.demo.example"  # who charged most often in Bl2


def is_there(session: Session) -> bool:
    return session.query(ExportTask).first() is not None


def follow_drop_box(session: Session, settings: Settings) -> None:
    """Correct the destination's port, should the drop box have had to take another one at this start."""
    there = session.query(Destination).filter_by(host=DROP_BOX_HOST, username=surroundings.DROP_BOX_USER)
    for destination in there:
        destination.port = surroundings.drop_box_port(settings.data_dir)


def load(session: Session, settings: Settings, shift: Shift) -> None:
    """The destination with the drop box's host key pinned, formatters and tasks. The drop box must be running."""
    master = queries.by_email(session, "master@demo.example")
    driver = queries.by_email(session, DRIVER)
    group = session.query(StationGroup).filter_by(name="Bl2").one()
    if master is None or driver is None:
        raise LookupError("the demo's accounts are missing")
    destination = _destination(session, settings, master)
    esl = _formatter(session, master, "IS-E", Format.ESL_XML, {"system_from": "Piquet", "system_to": "IS-E"})
    table = _formatter(session, master, "CSV", Format.CSV, {})
    quarter = _three_months_before(shift.last_day)
    two_weeks = date.fromordinal(shift.last_day.toordinal() - 13)

    def task(name: str, formatter: Formatter, interval: Interval, starts_on: date, user: Account) -> ExportTask:
        return ExportTask(
            owner_id=master.id,
            name=name,
            scope=(Scope.CHARGING_POINTS if user is master else Scope.DRIVER).value,
            user_id=user.id,
            station_group_id=group.id,
            formatter_id=formatter.id,
            destination_id=destination.id,
            interval=interval.value,
            starts_on=starts_on,
            ends_on=shift.last_day,
        )

    for row in (
        task("Bl2 daily", table, Interval.DAILY, two_weeks, master),
        task("Bl2 monthly", esl, Interval.MONTHLY, quarter, master),
        task("Driver monthly", esl, Interval.MONTHLY, quarter, driver),
    ):
        row.time_zone = "Europe/Zurich"
        row.next_due_at = planning.next_due(row)
        session.add(row)


def _three_months_before(day: date) -> date:
    """The first of the month three months before."""
    months = day.year * 12 + day.month - 1 - 3
    return date(months // 12, months % 12 + 1, 1)


def _destination(session: Session, settings: Settings, master: Account) -> Destination:
    row = Destination(
        owner_id=master.id,
        name="Drop box of the demo",
        host=DROP_BOX_HOST,
        port=surroundings.drop_box_port(settings.data_dir),
        username=surroundings.DROP_BOX_USER,
        login=Login.PASSWORD.value,
    )
    session.add(row)
    session.flush()
    vault = Vault(settings.vault_keys)
    row.sealed_secret = vault.seal(place(row), surroundings.drop_box_password(settings.data_dir))
    key = look_at_peer(row, reach(settings))
    assert isinstance(key, HostKey)
    row.host_key_type, row.host_key_fingerprint = key.type, key.fingerprint
    row.host_key_confirmed_at, row.host_key_confirmed_by_id = clock.now(), master.id
    return row


def _formatter(session: Session, master: Account, name: str, kind: Format, settings: dict[str, str]) -> Formatter:
    row = Formatter(owner_id=master.id, name=name, format=kind.value, identifier="metering_code", settings=settings)
    session.add(row)
    session.flush()
    return row
