"""Which fields of a station and its connectors an account may write, by policies/fields.csv.

The one place that page, form, bulk edit and import ask. Fields go by the names of what people enter (`StationValues`,
`ConnectorValues`, the forms); COLUMNS names the column where that is another one.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import authz
from portal.core.errors import NotAllowed
from portal.stations import queries
from portal.stations.models import Connector, Station
from portal.stations.operations import changes

COLUMNS = {"max_power_kw": "max_power_w", "remove_image": "image", "vat_percent": "vat_permille"}


class Writable(NamedTuple):
    """The fields that an account may write, by the names of fields.csv."""

    station: frozenset[str]
    connector: frozenset[str]


class FieldsRefused(NotAllowed):
    """Somebody tried to write fields that are not his to write. Nothing of what he sent is kept; whoever answers
    rolls back, and records the attempt with `record_refusal`."""

    def __init__(self, row: Station | Connector, fields: Collection[str]) -> None:
        super().__init__(f"{changes.kind(row)}/{row.id}: {', '.join(fields)}")
        self.kind, self.row_id, self.owner_id, self.fields = changes.kind(row), row.id, row.owner_id, tuple(fields)


def column(field: str) -> str:
    """The name of an entered field in fields.csv."""
    return COLUMNS.get(field, field)


def writable_fields(session: Session, actor: Account, station: Station) -> Writable:
    """What the actor may write at this station and its connectors: as its owner, or by any of his standings in the
    station's groups. Empty for everybody else. A station that is not stored yet is its owner's."""
    if station.owner_id == actor.id:
        return Writable(authz.owner_writes("station"), authz.owner_writes("connector"))
    held = authz.standings(session, actor.id, queries.groups_of(session, station.id))
    return Writable(authz.writable(held, "station"), authz.writable(held, "connector"))


def check(session: Session, actor: Account, row: Station | Connector, fields: Iterable[str]) -> None:
    """FieldsRefused unless the actor may write every one of these entered fields of the station or connector."""
    wanted = sorted(set(fields))
    if not wanted:
        return
    if isinstance(row, Station):
        may_write = writable_fields(session, actor, row).station
    else:
        may_write = writable_fields(session, actor, _station_of(session, row)).connector
    refused = [field for field in wanted if column(field) not in may_write]
    if refused:
        raise FieldsRefused(row, refused)


def _station_of(session: Session, connector: Connector) -> Station:
    return connector.station or session.get_one(Station, connector.station_id)


def record_refusal(session: Session, actor: Account, refused: FieldsRefused) -> None:
    """Note the attempt in the audit log, for the owner to read. The caller has rolled back, and commits this."""
    changes.record_refusal(session, refused.kind, refused.row_id, refused.owner_id, actor, refused.fields)


def writers(resource: str, field: str) -> list[str]:
    """The roles to a station group whose holders may write an entered field of a station or connector, the strongest
    first."""
    named = f"{resource}.{column(field)}"
    return [role for role in authz.ROLES if (role, "active", named) in authz.WRITABLE]
