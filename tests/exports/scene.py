"""An owner, his stations with their energy, a destination, a formatter and a task: ready to be exported."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging.models import ChargingSession, Coverage, Driver, QuarterHour
from portal.core import clock
from portal.core.config import Settings
from portal.core.vault import Vault
from portal.delivery.models import Destination, DestinationLoan
from portal.delivery.sending import place
from portal.exports import jobs
from portal.exports.models import ExportRun, ExportTask, Formatter, FormatterLoan
from portal.licences.models import Kind
from portal.stations.models import Connector, StationGroup
from tests import world
from tests.servers.sshd import Sshd

QUARTER = timedelta(minutes=15)
START = date(2026, 3, 28)  # the clock is put forward on the 29th
BEGINS_AT = datetime(2026, 3, 27, 23, tzinfo=UTC)
_numbers = count(1)


@dataclass
class Scene:
    owner: Account
    group: StationGroup
    connectors: list[Connector]
    destination: Destination
    formatter: Formatter
    task: ExportTask
    folder: Path

    def files(self) -> dict[str, bytes]:
        """What the receiver sees."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir() if not path.name.startswith(".")}

    def left_over(self) -> list[str]:
        """Temporary files on the server."""
        return [path.name for path in self.folder.iterdir() if path.name.startswith(".")]


def set_up(session: Session, vault: Vault, sshd: Sshd, name: str = "owner") -> Scene:
    """Two days from START for two charging points, all of whose values are there; nothing is planned yet."""
    owner = world.account(session, f"{name}@demo.example", Kind.AUTO_EXPORT)
    group = world.station_group(session, owner, "Lugano")
    connectors = world.station(session, owner, "Centro", group, connectors=2).connectors
    for connector in connectors:
        connector.metering_code = f"CH-{name}-{connector.number}"
        cover(session, connector, BEGINS_AT, BEGINS_AT + timedelta(days=4))
        charge(session, connector, BEGINS_AT + timedelta(hours=8), 1000 * connector.number, 500)
        charge(session, connector, BEGINS_AT + timedelta(hours=30), 70 * connector.number)
    folder = sshd.root / f"{name}-{next(_numbers)}"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    destination = add_destination(session, vault, sshd, owner, folder.name)
    formatter = add_formatter(session, owner)
    task = ExportTask(
        owner_id=owner.id,
        name="Monthly to IS-E",
        scope="charging_points",
        user_id=owner.id,
        station_group_id=group.id,
        formatter_id=formatter.id,
        destination_id=destination.id,
        interval="daily",
        trigger="all_values",
        starts_on=START,
        ends_on=START + timedelta(days=1),
        next_due_at=BEGINS_AT + timedelta(days=1),
    )
    session.add(task)
    session.flush()
    return Scene(owner, group, connectors, destination, formatter, task, folder)


def add_destination(session: Session, vault: Vault, sshd: Sshd, owner: Account, directory: str) -> Destination:
    row = Destination(
        owner_id=owner.id,
        name=f"Utility {next(_numbers)}",
        host=sshd.host,
        port=sshd.port,
        username=sshd.username,
        login="key",
        directory=directory,
        host_key_type="ssh-ed25519",
        host_key_fingerprint=sshd.fingerprints["ssh-ed25519"],
    )
    session.add(row)
    session.flush()
    row.sealed_secret = vault.seal(place(row), sshd.private_key)
    session.flush()
    return row


def add_formatter(session: Session, owner: Account, format_: str = "csv", **settings: object) -> Formatter:
    row = Formatter(
        owner_id=owner.id,
        name=f"Format {next(_numbers)}",
        format=format_,
        identifier="metering_code",
        settings={"file_name": "{task}_{period_start}.csv", **settings},
    )
    session.add(row)
    session.flush()
    return row


def task_form(scene: Scene, **other: object) -> dict[str, object]:
    """What the form of a new task sends for three days of the scene's group."""
    return {
        "name": "Second",
        "station_group": scene.group.id,
        "scope": "charging_points",
        "user": scene.owner.email,
        "formatter": scene.formatter.id,
        "destination": scene.destination.id,
        "interval": "daily",
        "trigger": "all_values",
        "hours_after_end": 12,
        "starts_on": START.isoformat(),
        "ends_on": (START + timedelta(days=2)).isoformat(),
        "time_zone": "Europe/Zurich",
        "corrections": "confirm",
        "pause_after": 20,
        "periods_per_file": 1,
        **other,
    }


def lend(session: Session, scene: Scene, email: str) -> tuple[DestinationLoan, FormatterLoan]:
    """Lend destination and formatter to an address, so that its task can be made of them."""
    lent_by = {"email": email, "lent_by_id": scene.owner.id}
    lent = (
        DestinationLoan(destination_id=scene.destination.id, **lent_by),
        FormatterLoan(formatter_id=scene.formatter.id, **lent_by),
    )
    session.add_all(lent)
    session.flush()
    return lent


def cover(session: Session, connector: Connector, starts_at: datetime, ends_at: datetime) -> None:
    session.add(Coverage(connector_id=connector.id, starts_at=starts_at, ends_at=ends_at))
    session.flush()


def charge(
    session: Session, connector: Connector, at: datetime, *amounts: int, driver: Driver | None = None
) -> ChargingSession:
    """A session with these Wh in the quarter hours from `at` on."""
    row = ChargingSession(
        owner_id=connector.owner_id,
        connector_id=connector.id,
        driver_id=driver.id if driver else None,
        started_at=at,
        ended_at=at + len(amounts) * QUARTER,
        energy_wh=sum(amounts),
        source="test",
        external_id=str(next(_numbers)),
    )
    session.add(row)
    session.flush()
    for number, amount in enumerate(amounts):
        stamp = at + number * QUARTER
        session.add(
            QuarterHour(connector_id=connector.id, starts_at=stamp, session_id=row.id, energy_wh=amount, quality="W")
        )
    session.flush()
    return row


def add_driver(session: Session, owner: Account, email: str) -> Driver:
    row = Driver(owner_id=owner.id, label="Fleet", email=email, metering_code="CH-DRIVER")
    session.add(row)
    session.flush()
    return row


def plan(session: Session) -> None:
    jobs.plan(session)
    session.commit()


def work(session: Session, settings: Settings, vault: Vault, sessions: object) -> int:
    """Everything that is due, by a worker of this process; `runs` tells what became of it."""
    session.commit()
    return jobs.run_due(sessions, settings, vault)  # type: ignore[arg-type]  # a sessionmaker


def wake(session: Session) -> None:
    """Let every run be due now, and every lease be over."""
    session.query(ExportRun).update({"not_before": clock.now() - timedelta(seconds=1), "lease_until": None})
    session.commit()


def runs(session: Session) -> list[ExportRun]:
    session.commit()
    found = (
        session.query(ExportRun)
        .populate_existing()
        .order_by(ExportRun.period_start, ExportRun.task_id, ExportRun.revision)
        .all()
    )
    session.commit()
    return found
