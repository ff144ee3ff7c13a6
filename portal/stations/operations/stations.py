"""What happens to stations."""

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import files
from portal.core.errors import RuleBroken
from portal.stations import consequences, entries, images, queries
from portal.stations.models import Connector, Station
from portal.stations.operations import changes, writing

LONGEST_DESCRIPTION = 4000


@dataclass(frozen=True, slots=True)
class StationValues:
    """What a person says about a station. `reference` is its name in other systems; `vat_percent` has one decimal."""

    name: str
    reference: str = ""
    description: str = ""
    address: str = ""
    latitude: Decimal | None = None
    longitude: Decimal | None = None
    support_contact: str = ""
    vat_percent: Decimal | None = None
    canton: str = ""  # two letters; whose public holidays the opening times follow


def create_station(session: Session, actor: Account, values: StationValues) -> Station:
    """A station of the actor's, without connectors, in no group."""
    writing.check(session, actor, Station(owner_id=actor.id), different(values, StationValues(name="")))
    columns = _columns(session, actor, values, owner_id=actor.id)
    station = Station(owner_id=actor.id, **columns)
    session.add(station)
    changes.write(session)
    changes.record(session, "station:create", station, actor, name=station.name)
    return station


def edit_station(session: Session, actor: Account, station: Station, values: StationValues, seen: str = "") -> None:
    """Change a station; every changed column is recorded with its value before and after. `seen`: the `version` that
    the values were filled in upon, empty: any. FieldsRefused, before anything else is judged, where the actor may not
    write what would change; Meanwhile."""
    changes.hold(session, station)
    present = entered(station)
    differing = different(values, present)
    writing.check(session, actor, station, differing)
    changes.must_be_seen(seen, present, differing)
    columns = _columns(session, actor, values, owner_id=station.owner_id, station_id=station.id)
    changes.assign(session, "station:edit", station, actor, columns)
    changes.write(session)


def version(station: Station) -> str:
    """A text that changes when the station does."""
    return changes.version(entered(station))


def entered(station: Station) -> StationValues:
    """The station as a person would have to enter it."""
    pin = [None if degrees is None else Decimal(f"{degrees:.6f}") for degrees in (station.latitude, station.longitude)]
    vat = station.vat_permille
    return StationValues(
        name=station.name,
        reference=station.reference or "",
        description=station.description,
        address=station.address,
        latitude=pin[0],
        longitude=pin[1],
        canton=station.canton or "",
        support_contact=station.support_contact,
        vat_percent=None if vat is None else Decimal(vat) / 10,
    )


def different(values: StationValues, present: StationValues) -> list[str]:
    """The fields in which two stations differ; blanks around texts and the kind of line ends are no difference."""
    names = [field.name for field in fields(StationValues)]
    return [name for name in names if _bare(getattr(values, name)) != _bare(getattr(present, name))]


def _bare(value: Any) -> Any:
    return value.replace("\r\n", "\n").strip() if isinstance(value, str) else value


def delete_station(session: Session, actor: Account, station: Station) -> None:
    """Delete a station with its connectors, out of all its groups. RuleBroken while it has charging sessions: what was
    delivered to a billing system must stay explicable. NotThere when it has become somebody else's meanwhile."""
    changes.hold_own(session, actor, station)
    locked = sa.select(Connector.id).where(Connector.station_id == station.id).with_for_update()
    session.execute(locked).all()  # a session that arrives now waits, and is refused by its foreign key afterwards
    found = consequences.of_station(session, station)
    if found.sessions:
        raise RuleBroken(
            "",
            "This station has charging sessions, which bills and exports rest on, so it cannot be deleted. "
            "Take its connectors out of service and remove it from its groups instead.",
        )
    detail = {"name": station.name, "connectors": found.connectors, "groups": list(found.groups)}
    detail |= {"entries": found.entries, "works": found.works} if found.entries or found.works else {}
    changes.record(session, "station:delete", station, actor, **detail)
    image_file_id = station.image_file_id
    session.delete(station)
    session.flush()
    if image_file_id is not None:
        files.discard(session, image_file_id)


def set_image(session: Session, actor: Account, station: Station, data: bytes) -> None:
    """Give a station a picture (PNG, JPEG or WebP up to 5 MB, see images.py) in place of the one it has.
    FieldsRefused."""
    writing.check(session, actor, station, ["image"])
    rewritten = images.rewritten(data)
    kept = files.keep(session, f"station-{station.id}.webp", [rewritten])
    _take_image(session, actor, station, kept)


def remove_image(session: Session, actor: Account, station: Station) -> None:
    """Take a station's picture away; harmless where there is none. FieldsRefused."""
    if station.image_file_id is None:
        return
    writing.check(session, actor, station, ["remove_image"])
    _take_image(session, actor, station, None)


def _take_image(session: Session, actor: Account, station: Station, new: files.StoredFile | None) -> None:
    """Put the file in the place of the station's picture, and record what both are: the old one itself is gone."""
    old = None if station.image_file_id is None else session.get_one(files.StoredFile, station.image_file_id)
    changed = {"image": [_told(old), _told(new)]}
    station.image_file_id = None if new is None else new.id
    session.flush()
    if old is not None:
        files.discard(session, old.id)
    changes.record(session, "station:edit", station, actor, changed=changed)


def _told(image: files.StoredFile | None) -> dict[str, Any] | None:
    return None if image is None else {"name": image.name, "size": image.size, "sha256": image.sha256}


def _columns(
    session: Session, actor: Account, values: StationValues, *, owner_id: int, station_id: int | None = None
) -> dict[str, Any]:
    columns = columns_of(values)
    _reference_is_free(session, actor, columns["reference"], owner_id, station_id)
    return columns


def columns_of(values: StationValues) -> dict[str, Any]:
    """The columns of a station for what a person says about it; RuleBroken. Whether its reference is free is asked
    apart."""
    latitude, longitude = _pin(values.latitude, values.longitude)
    return {
        "name": entries.line("name", values.name, 120, required=True),
        "reference": entries.line("reference", values.reference, 80) or None,
        "description": entries.paragraph("description", values.description, LONGEST_DESCRIPTION),
        "address": entries.line("address", values.address, 250),
        "latitude": latitude,
        "longitude": longitude,
        "canton": entries.canton("canton", values.canton),
        "support_contact": entries.line("support_contact", values.support_contact, 200),
        "vat_permille": _permille(values.vat_percent),
    }


def _pin(latitude: Decimal | None, longitude: Decimal | None) -> tuple[float | None, float | None]:
    """Both or none; six decimals are a hand's breadth."""
    if (latitude is None) != (longitude is None):
        raise RuleBroken(
            "longitude" if longitude is None else "latitude", "Give both coordinates, or leave both empty."
        )
    if latitude is None or longitude is None:
        return None, None
    return _degrees("latitude", latitude, 90), _degrees("longitude", longitude, 180)


def _degrees(field: str, value: Decimal, most: int) -> float:
    if not value.is_finite() or abs(value) > most:
        raise RuleBroken(field, "Enter degrees from -%(most)s to %(most)s.", most=most)
    return float(round(value, 6))


def _permille(percent: Decimal | None) -> int | None:
    return None if percent is None else entries.scaled("vat_percent", percent, 10, Decimal(0), Decimal(100))


def _reference_is_free(
    session: Session, actor: Account, reference: str | None, owner_id: int, station_id: int | None
) -> None:
    if reference is None:
        return
    same = sa.select(Station).where(Station.owner_id == owner_id, Station.reference == reference)
    other = session.scalar(same.where(Station.id != (station_id or 0)))
    if other is None:
        return
    if queries.may(session, actor.id, "station:view", other):
        raise RuleBroken("reference", "The station %(name)s has this reference already.", name=other.name)
    raise RuleBroken("reference", "Another station of this owner has this reference already.")
