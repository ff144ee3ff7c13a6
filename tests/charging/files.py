"""Files of sessions and the stations they name, for tests."""

from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session, sessionmaker

from portal.accounts.models import Account
from portal.charging import jobs, operations
from portal.charging.date_text import DateOrder
from portal.charging.file_reading import mapping_of
from portal.charging.models import SessionImport
from portal.demo import dates as demo
from portal.stations.models import Connector, Station

SAMPLES = Path(__file__).parent / "samples"
TRONDHEIM = demo.SESSIONS
PERTH = SAMPLES / "perth-excerpt.csv.gz"
EPFL = SAMPLES / "epfl-dc.xlsx"
OSLO = ZoneInfo("Europe/Oslo")
_LIST = """
    AdA1 AdA6 AdO1 AdO3 AsO10 AsO2 AsO4 AsO6 AsO8 Bl2 Bl7 MS11 MS1 MS22 NR1 Ris SR14 SR2 SR4 UT15 UT1 UT2 UT7 UT9
"""
GARAGES = _LIST.split()
HEAD = b"id;station;start;end;kWh;driver\n"


def stations(session: Session, owner: Account, *references: str, connectors: int = 1) -> list[Station]:
    """Stations without a known power, so that no energy is impossible."""
    rows = [Station(owner_id=owner.id, name=f"Garage {name}", reference=name) for name in references]
    for row in rows:
        row.connectors = [Connector(owner_id=owner.id, number=number + 1) for number in range(connectors)]
    session.add_all(rows)
    session.flush()
    return rows


def queued(
    session: Session,
    actor: Account,
    content: bytes | Path,
    *,
    owner: Account | None = None,
    order: DateOrder = DateOrder.DAY_MONTH_YEAR,
    zone: str = "Europe/Oslo",
    covers: str = "file",
    source: str = "file",
    **mapped: object,
) -> SessionImport:
    """An import of the file, mapped as proposed but for `mapped`, and queued."""
    name, data = (content.name, content.read_bytes()) if isinstance(content, Path) else ("sessions.csv", content)
    row = operations.upload(session, actor, owner or actor, name, [data])
    if isinstance(content, bytes):
        mapped = {"decimal_mark": ","} | mapped
    row.mapping = replace(mapping_of(row), **mapped).to_json()  # type: ignore[arg-type]  # by name
    row.source = source
    operations.set_dates(row, order.value, zone, "flag")
    operations.start(session, actor, row, covers)
    session.commit()
    return row


def imported(session: Session, actor: Account, content: bytes | Path, **how: object) -> SessionImport:
    """The import after the job has done it."""
    row = queued(session, actor, content, **how)  # type: ignore[arg-type]  # as above
    sessions = sessionmaker(session.get_bind(), expire_on_commit=False)
    assert jobs.run_one(sessions, row.id)
    session.refresh(row)
    return row
