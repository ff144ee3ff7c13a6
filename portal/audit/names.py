"""What the ids in audit entries are called today: accounts by their address, things by their name. Two statements."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account, UserGroup
from portal.charging.models import Driver
from portal.core.audit import AuditEntry
from portal.delivery.models import Destination
from portal.exports.models import ExportTask, Formatter
from portal.licences.models import Licence
from portal.stations.models import Connector, Station, StationGroup

# Kind of a subject -> its table and the column that names it.
NAMED: dict[str, tuple[Any, Any]] = {
    "destination": (Destination, Destination.name),
    "driver": (Driver, Driver.label),
    "export_task": (ExportTask, ExportTask.name),
    "formatter": (Formatter, Formatter.name),
    "station": (Station, Station.name),
    "station_group": (StationGroup, StationGroup.name),
    "user_group": (UserGroup, UserGroup.name),
}


class Names(NamedTuple):
    """`people`: account id -> address; `things`: (subject, owner) -> name, of what that owner has now."""

    people: dict[int, str]
    things: dict[tuple[str, int], str]

    def thing(self, entry: AuditEntry, subject: str = "") -> str | None:
        """The name of a subject, as far as it still belongs to the owner whom the entry concerns."""
        return self.things.get((subject or entry.subject, entry.owner_id or 0))


def names(session: Session, entries: Sequence[AuditEntry]) -> Names:
    """The names of everybody and everything that these entries tell of."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for entry in entries:
        for kind, row_id in _mentioned(entry):
            wanted[kind].add(row_id)
    people = {row_id for entry in entries for row_id in (entry.actor_id, entry.owner_id) if row_id}
    people |= wanted.pop("account", set())
    addresses = session.execute(sa.select(Account.id, Account.email).where(Account.id.in_(people)))
    parts = [_part(kind, ids) for kind, ids in sorted(wanted.items())]
    things = session.execute(sa.union_all(*parts)) if parts else ()
    return Names({row.id: row.email for row in addresses}, {(subject, owner): name for subject, owner, name in things})


def _mentioned(entry: AuditEntry) -> list[tuple[str, int]]:
    """Kinds and ids in the subject and beside it."""
    kind, _, number = entry.subject.partition("/")
    known = {*NAMED, "account", "connector", "licence"}
    found = [(kind, int(number))] if kind in known and number.isascii() and number.isdigit() else []
    user_group = entry.detail.get("user_group")
    return [*found, ("user_group", user_group)] if isinstance(user_group, int) else found


def _part(kind: str, ids: set[int]) -> sa.Select[Any]:
    if kind == "connector":
        name = Station.name + sa.literal(" / ") + sa.cast(Connector.number, sa.String)
        query = sa.select(_subject(kind, Connector.id), Connector.owner_id, name.label("name"))
        return query.join(Station, Station.id == Connector.station_id).where(Connector.id.in_(ids))
    if kind == "licence":
        return sa.select(_subject(kind, Licence.id), Licence.account_id, Licence.kind).where(Licence.id.in_(ids))
    table, column = NAMED[kind]
    return sa.select(_subject(kind, table.id), table.owner_id, column.label("name")).where(table.id.in_(ids))


def _subject(kind: str, column: Any) -> Any:
    return (sa.literal(f"{kind}/") + sa.cast(column, sa.String)).label("subject")
