"""Mass change of identifiers from a text file "old;new": read it, judge it row by row, write what can be.

It goes over the owner's charging points and the virtual meters of his drivers alike. Values may be handed on within
one file (A to B, B to C, or two exchanged): what counts is how it looks afterwards.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session, contains_eager

from portal.accounts.models import Account
from portal.charging.models import Driver
from portal.core import audit, text_tables
from portal.core.errors import N_, RuleBroken
from portal.formats.rows import CONTROL
from portal.stations.models import IDENTIFIERS, Connector, Station
from portal.stations.operations import writing

LONGEST = 80
HEADINGS = {"old", "alt", "ancien", "vecchio"}
NO_OLD = N_("The old identifier is missing.")
NO_NEW = N_("The new identifier is missing.")
LONG = N_("An identifier has 80 characters at most.")
CONTROLS = N_("Leave out control characters and line breaks.")
UNKNOWN = N_("None of your meters has this identifier.")
TWICE = N_("This old identifier stands in the file more than once.")
SAME_NEW = N_("This new identifier stands in the file more than once.")
TAKEN = N_("Another meter has this identifier already.")
SAME = N_("The old and the new identifier are the same.")
Meter = Connector | Driver


@dataclass(slots=True)
class Row:
    """A row of the file. `meter` is what carries the old identifier now; `problem` a gettext key, empty where the row
    can be written."""

    line: int
    old: str
    new: str
    meter: Meter | None = None
    name: str = ""
    problem: str = ""


def read(data: bytes) -> list[Row]:
    """The rows of a file; a first line of headings is passed over. RuleBroken on `file` for what is no such file."""
    table = text_tables.read(
        data,
        columns=2,
        longest=LONGEST + 1,
        nothing=N_("The file holds no row: the old identifier, then the new one."),
        is_heading=lambda _line, cells: cells[0].casefold() in HEADINGS,
    )
    return [Row(line, old, new) for line, (old, new) in table]


def judge(session: Session, owner: Account, identifier: str, rows: Sequence[Row]) -> None:
    """Find the meter of each row, and mark the rows that cannot be written. Four statements."""
    for row in rows:
        row.problem = _fault(row)
    olds, news = Counter(row.old for row in rows), Counter(row.new for row in rows if not row.problem)
    carriers = _carriers(session, owner, identifier, olds.keys() | news.keys())
    for row in rows:
        found = carriers.get(row.old)
        if found is not None:
            row.meter, row.name = found
        row.problem = row.problem or _clash(row, olds, news)
    # A new value may stand on another meter only if that meter gives it away in a row that can be written.
    leaving = {row.old for row in rows if not row.problem}
    while taken := [row for row in rows if not row.problem and row.new in carriers and row.new not in leaving]:
        for row in taken:
            row.problem = TAKEN
        leaving = {row.old for row in rows if not row.problem}


def _fault(row: Row) -> str:
    if not row.old:
        return NO_OLD
    if not row.new:
        return NO_NEW
    if len(row.old) > LONGEST or len(row.new) > LONGEST:
        return LONG
    if CONTROL.search(row.old + row.new):
        return CONTROLS
    return SAME if row.old == row.new else ""


def _clash(row: Row, olds: Counter[str], news: Counter[str]) -> str:
    if olds[row.old] > 1:
        return TWICE
    if row.meter is None:
        return UNKNOWN
    return SAME_NEW if news[row.new] > 1 else ""


def _carriers(session: Session, owner: Account, identifier: str, wanted: set[str]) -> Mapping[str, tuple[Meter, str]]:
    """The owner's meters by the identifier they carry, each with its name."""
    if identifier not in IDENTIFIERS:
        raise RuleBroken("identifier", "Choose an identifier.")
    found: dict[str, tuple[Meter, str]] = {}
    values = sorted(wanted)
    for first in range(0, len(values), 500):
        some = values[first : first + 500]
        of_connector = getattr(Connector, identifier)
        points = sa.select(of_connector, Connector, Station.name).join(Connector.station)
        points = points.options(contains_eager(Connector.station))  # who may write a connector is asked of its station
        for value, connector, name in session.execute(
            points.where(Connector.owner_id == owner.id, of_connector.in_(some))
        ):
            found[value] = (connector, f"{name} · {connector.number}")
        of_driver = getattr(Driver, identifier)
        drivers = sa.select(of_driver, Driver).where(Driver.owner_id == owner.id, of_driver.in_(some))
        for value, driver in session.execute(drivers):
            found.setdefault(value, (driver, driver.label))
    return found


def write(session: Session, owner: Account, identifier: str, rows: Sequence[Row]) -> int:
    """Write every row without a problem, judged anew, all of them in the caller's transaction; how many they are.
    FieldsRefused, before anything is written, where the identifier is not his to write at one of the connectors."""
    judge(session, owner, identifier, rows)
    good = [(row, row.meter) for row in rows if not row.problem and row.meter is not None]
    for _row, meter in good:
        if isinstance(meter, Connector):
            writing.check(session, owner, meter, [identifier])
    for _row, meter in good:
        setattr(meter, identifier, None)
    session.flush()  # values are handed on within one file: each is free before it is given again
    for row, meter in good:
        setattr(meter, identifier, row.new)
        kind = "connector" if isinstance(meter, Connector) else "driver"
        changed = {identifier: [row.old, row.new]}
        subject = f"{kind}/{meter.id}"
        audit.record(session, f"{kind}:edit", subject, actor_id=owner.id, owner_id=owner.id, changed=changed)
    session.flush()
    return len(good)
