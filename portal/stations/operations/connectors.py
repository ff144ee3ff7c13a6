"""What happens to connectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock
from portal.core.db import among
from portal.core.errors import RuleBroken
from portal.stations import consequences, entries, opening, queries
from portal.stations.models import IDENTIFIERS, Access, Connector, ConnectorTerms, OpeningTime, PlugType, Station
from portal.stations.opening import Window
from portal.stations.operations import changes, writing

MOST_CONNECTORS = 100
TERMS = ("access", "price_per_kwh", "price_per_hour")


@dataclass(frozen=True, slots=True)
class ConnectorValues:
    """What a person says about a connector: power in kW, prices in CHF, identifiers by their column."""

    plug_type: str = PlugType.TYPE_2.value
    max_power_kw: Decimal | None = None
    access: str = Access.PRIVATE.value
    price_per_kwh: Decimal | None = None
    price_per_hour: Decimal | None = None
    out_of_service: bool = False
    identifiers: Mapping[str, str] = field(default_factory=dict)
    opening_times: Sequence[opening.Row] = ()


def add_connector(session: Session, actor: Account, station: Station, values: ConnectorValues) -> Connector:
    """A further connector of the station, with the number after the highest."""
    highest = session.scalar(sa.select(sa.func.max(Connector.number)).where(Connector.station_id == station.id)) or 0
    if len(station.connectors) >= MOST_CONNECTORS:
        raise RuleBroken("", "A station has at most %(most)s connectors.", most=MOST_CONNECTORS)
    connector = Connector(owner_id=station.owner_id, number=highest + 1)
    may_write = writing.writable_fields(session, actor, station).connector
    refused = [name for name in different(values, ConnectorValues()) if writing.column(name) not in may_write]
    if refused:
        raise writing.FieldsRefused(station, refused)
    columns = _columns(session, actor, connector, values)
    windows = opening.windows(values.opening_times)
    for name, value in columns.items():
        setattr(connector, name, value)
    connector.opening_times = [OpeningTime(**window._asdict()) for window in windows]
    station.connectors.append(connector)
    changes.write(session)
    changes.record(session, "connector:add", connector, actor, station=station.name, number=connector.number)
    return connector


def edit_connector(
    session: Session, actor: Account, connector: Connector, values: ConnectorValues, seen: str = ""
) -> None:
    """Change a connector; every changed parameter is recorded with its value before and after. `seen`: the `version`
    that the values were filled in upon, empty: any. FieldsRefused, before anything else is judged, where the actor may
    not write what would change; Meanwhile."""
    changes.hold(session, connector.station)
    changes.refresh(session, connector)
    present = entered(connector)
    differing = different(values, present)
    writing.check(session, actor, connector, differing)
    changes.must_be_seen(seen, present, differing)
    columns = _columns(session, actor, connector, values)
    windows = opening.windows(values.opening_times)
    said = said_by(connector)
    changes.assign(session, "connector:edit", connector, actor, columns)
    before = [_window(row) for row in connector.opening_times]
    if before != windows:
        connector.opening_times = [OpeningTime(**window._asdict()) for window in windows]
        changed = {"opening_times": [_told(before), _told(windows)]}
        changes.record(session, "connector:edit", connector, actor, changed=changed)
    keep_terms(session, connector, said)
    changes.write(session)


def said_by(connector: Connector) -> dict[str, Any]:
    """What the connector says of access and prices now: the columns of ConnectorTerms."""
    return {name: getattr(connector, name) for name in TERMS} | {"windows": [list(w) for w in windows_of(connector)]}


def keep_terms(session: Session, connector: Connector, before: dict[str, Any]) -> None:
    """Keep what the connector said until now, and that it says something else from now on, where that has changed:
    what sessions cost goes by what held at their time. `before`: what `said_by` gave before the change."""
    keep_terms_of_many(session, [(connector, before)])


def keep_terms_of_many(session: Session, said: Sequence[tuple[Connector, dict[str, Any]]]) -> None:
    """The same for many connectors. One statement besides the writing."""
    changed = [(connector, before, now) for connector, before in said if (now := said_by(connector)) != before]
    if not changed:
        return
    ids = [connector.id for connector, _before, _now in changed]
    known = sa.select(ConnectorTerms.connector_id).where(among(session, ConnectorTerms.connector_id, ids))
    kept, since = set(session.scalars(known.distinct())), clock.now()
    for connector, before, now in changed:
        if connector.id not in kept:
            begins = connector.station.created_at
            session.add(ConnectorTerms(connector_id=connector.id, since=begins, **before))
        session.add(ConnectorTerms(connector_id=connector.id, since=since, **now))


def version(connector: Connector) -> str:
    """A text that changes when the connector does."""
    return changes.version(entered(connector))


def entered(connector: Connector) -> ConnectorValues:
    """The connector as a person would have to enter it."""
    return replace(entered_without_times(connector), opening_times=opening.rows(windows_of(connector)))


def entered_without_times(connector: Connector) -> ConnectorValues:
    """The same as it is in the connector's own row: opening times would be a statement for each connector."""
    power = connector.max_power_w
    return ConnectorValues(
        plug_type=connector.plug_type,
        max_power_kw=None if power is None else Decimal(power) / 1000,
        access=connector.access,
        price_per_kwh=Decimal(connector.price_per_kwh) / 10_000,
        price_per_hour=Decimal(connector.price_per_hour) / 10_000,
        out_of_service=connector.out_of_service,
        identifiers={name: getattr(connector, name) or "" for name in IDENTIFIERS},
    )


def different(values: ConnectorValues, present: ConnectorValues) -> list[str]:
    """The fields in which two connectors differ, each identifier by its own name. No price is a price of 0; opening
    times are compared by the windows they mean, and as they were typed where they mean none."""
    names = [one.name for one in fields(ConnectorValues) if one.name not in ("identifiers", "opening_times")]
    found = [name for name in names if (getattr(values, name) or 0) != (getattr(present, name) or 0)]
    given, kept = values.identifiers, present.identifiers
    found += [name for name in IDENTIFIERS if given.get(name, "").strip() != kept.get(name, "").strip()]
    if list(values.opening_times) != list(present.opening_times) and _meant(values) != _meant(present):
        found.append("opening_times")
    return found


def _meant(values: ConnectorValues) -> list[Window] | None:
    try:
        return opening.windows(values.opening_times)
    except RuleBroken:
        return None


def remove_connector(session: Session, actor: Account, connector: Connector) -> None:
    """Remove a connector from its station. RuleBroken while it has charging sessions."""
    session.execute(sa.select(Connector.id).where(Connector.id == connector.id).with_for_update()).all()
    if consequences.sessions_of_connector(session, connector):
        raise RuleBroken(
            "",
            "This connector has charging sessions, which bills and exports rest on, so it cannot be removed. "
            "Take it out of service instead.",
        )
    detail = {"station": connector.station.name, "number": connector.number}
    changes.record(session, "connector:remove", connector, actor, **detail)
    connector.station.connectors.remove(connector)
    session.flush()


def windows_of(connector: Connector) -> list[Window]:
    """The connector's opening times, in the order of the week."""
    return [_window(row) for row in connector.opening_times]


def _window(row: OpeningTime) -> Window:
    return Window(row.weekday, row.opens, row.closes, row.access, row.price_per_kwh, row.price_per_hour)


def _told(windows: Sequence[Window]) -> list[dict[str, Any]]:
    return [window._asdict() for window in windows]


def _columns(session: Session, actor: Account, connector: Connector, values: ConnectorValues) -> dict[str, Any]:
    columns = columns_of(values)
    for name in IDENTIFIERS:
        _is_free(session, actor, connector, name, columns[name])
    return columns


def columns_of(values: ConnectorValues) -> dict[str, Any]:
    """The columns of a connector for what a person says about it, opening times apart; RuleBroken. Whether its
    identifiers are free is asked apart."""
    if values.plug_type not in list(PlugType):
        raise RuleBroken("plug_type", "Choose one of the plug types.")
    if values.access not in list(Access):
        raise RuleBroken("access", "Choose who may charge.")
    identifiers = {name: entries.line(name, values.identifiers.get(name), 80) or None for name in IDENTIFIERS}
    return {
        "plug_type": values.plug_type,
        "max_power_w": entries.power("max_power_kw", values.max_power_kw),
        "access": values.access,
        "price_per_kwh": entries.price("price_per_kwh", values.price_per_kwh),
        "price_per_hour": entries.price("price_per_hour", values.price_per_hour),
        "out_of_service": values.out_of_service,
        **identifiers,
    }


def _is_free(session: Session, actor: Account, connector: Connector, name: str, value: str | None) -> None:
    """An identifier names one meter of an owner: two would put one's energy on the other's bill."""
    if value is None:
        return
    same = sa.select(Connector).where(Connector.owner_id == connector.owner_id, getattr(Connector, name) == value)
    other = session.scalar(same.where(Connector.id != (connector.id or 0)))
    if other is None:
        return
    if queries.may(session, actor.id, "connector:view", other.station):
        message = "Connector %(number)s of %(station)s has this identifier already."
        raise RuleBroken(name, message, number=other.number, station=other.station.name)
    raise RuleBroken(name, "Another charging point of this owner has this identifier already.")
